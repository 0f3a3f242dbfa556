"""Whether the docstrings of the gateway begin with what the thing is, as far as that can be told of their words."""

import ast
import re
from pathlib import Path

import gateway

PACKAGE = Path(gateway.__file__).parent
# With these begins what leaves its noun to whoever reads the name of the thing or the docstring above it.
NO_NOUN = re.compile(r"(Of|As|The same|One that|One session)\b")
# A parameter or an attribute with what it means, in place of what the class is.
PARAMETER = re.compile(r"[a-z_][a-z0-9_]*(, [a-z_][a-z0-9_]*)*: ")


def docstrings():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(PACKAGE).as_posix()}:{getattr(node, 'name', '')}"
                yield name, node, ast.get_docstring(node)


def without_a_noun():
    for name, node, text in docstrings():
        is_class = isinstance(node, ast.ClassDef)
        if text is None:
            if is_class and not node.name.startswith("_"):
                yield name
        elif NO_NOUN.match(text) or (is_class and PARAMETER.match(text)):
            yield name


def test_docstrings_begin_with_what_the_thing_is_and_each_public_class_has_one():
    assert set(without_a_noun()) == set()
