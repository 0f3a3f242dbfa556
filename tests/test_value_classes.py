"""The value classes whose `__init__` is written by hand, held against the one that dataclasses would have made.

The decision "written-init" in docs/decisions says why they are written.
"""

import ast
from pathlib import Path

import pytest

import gateway

PACKAGE = Path(gateway.__file__).parent


def is_written(node):
    """Whether a class is a dataclass that makes no `__init__`."""
    return any(
        isinstance(each, ast.Call)
        and ast.unparse(each.func) == "dataclass"
        and any(keyword.arg == "init" and ast.unparse(keyword.value) == "False" for keyword in each.keywords)
        for each in node.decorator_list
    )


WRITTEN = [
    pytest.param(node, id=f"{path.relative_to(PACKAGE)}:{node.name}")
    for path in sorted(PACKAGE.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef) and is_written(node)
]


def annotated(node):
    """The fields of a class that make its value, as (name, type); a type in Final is that type."""
    types = {each.target.id: ast.unparse(each.annotation) for each in node.body if isinstance(each, ast.AnnAssign)}
    return [
        (name, type_.removeprefix("Final[").removesuffix("]") if type_.startswith("Final[") else type_)
        for name, type_ in types.items()
        # What a class keeps for itself is no part of its value.
        if not name.startswith("_")
    ]


@pytest.mark.parametrize("node", WRITTEN)
def test_a_written_init_is_what_dataclasses_would_make(node):
    (init,) = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    fields = annotated(node)
    parameters = [(each.arg, ast.unparse(each.annotation)) for each in init.args.args[1:]]
    assert parameters == fields
    assigned = [ast.unparse(each) for each in init.body if not is_docstring(each) and "self._" not in ast.unparse(each)]
    assert assigned == [f"self.{name} = {name}" for name, _ in fields]


def is_docstring(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def test_there_are_such_classes():
    assert len(WRITTEN) > 20
