"""What mypyc would make something else of than Python does, and mypy does not find."""

import ast
from pathlib import Path

import pytest

import gateway

SOURCES = sorted(
    path for room in ("ldap", "policy", "relay", "net") for path in (Path(gateway.__file__).parent / room).glob("*.py")
)


def caught(function):
    """The types that each name of an except clause stands for."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name is not None and node.type is not None:
            found.setdefault(node.name, set()).add(ast.unparse(node.type))
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_name_stands_for_errors_of_one_type(source):
    """Compiled, a name has the type of its first clause, and an error of another one is a TypeError."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert [names for names in caught(node).items() if len(names[1]) > 1] == []
