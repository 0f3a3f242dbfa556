"""What mypyc would make something else of than Python does, and mypy does not find."""

import ast
import sys
from pathlib import Path

import pytest

import gateway
from gateway.compilation import compiled_sources

PACKAGE = Path(gateway.__file__).parent
SOURCES = sorted(path for room in ("ldap", "policy", "relay", "net") for path in (PACKAGE / room).rglob("*.py"))
COMPILED = compiled_sources(PACKAGE)


def name_of(path):
    return f"{path.parent.name}/{path.name}"


def caught(function):
    """The types that each name of an except clause stands for."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name is not None and node.type is not None:
            found.setdefault(node.name, set()).add(ast.unparse(node.type))
    return found


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_a_name_stands_for_errors_of_one_type(source):
    """Compiled, a name has the type of its first clause, and an error of another one is a TypeError."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert [names for names in caught(node).items() if len(names[1]) > 1] == []


def foreign_bases(source):
    """The classes of a module whose base is neither Python's own nor the gateway's."""
    tree = ast.parse(source.read_text())
    origins = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            origins |= {name.asname or name.name: node.module for name in node.names}
        elif isinstance(node, ast.Import):
            origins |= {(name.asname or name.name).partition(".")[0]: name.name for name in node.names}
    return [
        f"{node.name}({ast.unparse(base)})"
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        for origin in [origins.get(ast.unparse(base).partition("[")[0].partition(".")[0], "gateway")]
        if origin.partition(".")[0] not in {"gateway", *sys.stdlib_module_names}
    ]


@pytest.mark.parametrize("source", COMPILED, ids=name_of)
def test_a_class_has_no_base_of_another_package(source):
    """Where that package is not there when the gateway is compiled, such a class would have no place for attributes of
    its own: SystemError, once somebody looks for one."""
    assert foreign_bases(source) == []


def test_every_log_says_of_which_module_it_is():
    """Twisted asks the caller's frame for that, and compiled code has none: without a name it says importlib."""
    loggers = [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Logger"
        and [ast.unparse(each) for each in node.args] != ["__name__"]
    ]
    assert loggers == []


# gcc knows these words with two underscores before them, which mypyc makes of an attribute's one.
_WORDS_OF_C = {"alignof", "asm", "attribute", "complex", "const", "extension", "imag", "inline", "label", "real"} | {
    "restrict",
    "signed",
    "thread",
    "typeof",
    "volatile",
}


@pytest.mark.parametrize("source", COMPILED, ids=name_of)
def test_no_attribute_becomes_a_word_of_c(source):
    attributes = {
        node.attr
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    assert attributes & {f"_{word}" for word in _WORDS_OF_C} == set()
