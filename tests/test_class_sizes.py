"""How large the classes on the way of the data are: small enough to be understood."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

GATEWAY = Path(__file__).parents[1] / "gateway"
ROOMS = ("link", "net", "relay")
METHODS, ATTRIBUTES, PARAMETERS = 20, 12, 8


@dataclass(frozen=True)
class Size:
    methods: int
    attributes: int
    parameters: int

    def within(self):
        return self.methods <= METHODS and self.attributes <= ATTRIBUTES and self.parameters <= PARAMETERS


def is_value(node):
    """A dataclass or one written by hand in its place: its constructor does nothing but take its values."""
    if any("dataclass" in ast.unparse(each) for each in node.decorator_list):
        return True
    return any(isinstance(each, ast.AnnAssign) and "Final[" in ast.unparse(each.annotation) for each in node.body)


def size(node):
    functions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    made = next((each for each in functions if each.name == "__init__"), None)
    attributes, parameters = set(), 0
    if made is not None:
        parameters = len(made.args.args) + len(made.args.kwonlyargs) - 1
        targets = [
            target
            for each in ast.walk(made)
            for target in (each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)])
        ]
        attributes = {
            each.attr
            for target in targets
            if target is not None
            for each in ast.walk(target)
            if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self"
        }
    return Size(len(functions), len(attributes), parameters)


def classes(text):
    tree = ast.parse(text)
    return {node.name: size(node) for node in tree.body if isinstance(node, ast.ClassDef) and not is_value(node)}


def all_classes():
    return {
        f"{path.relative_to(GATEWAY).with_suffix('').as_posix()}.{name}": found
        for room in ROOMS
        for path in sorted(GATEWAY.joinpath(room).rglob("*.py"))
        for name, found in classes(path.read_text()).items()
    }


def test_no_class_is_larger_than_the_limits():
    assert {name: found for name, found in all_classes().items() if not found.within()} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class A:\n    def one(self): ...\n    async def two(self): ...", Size(2, 0, 0)),
        (
            "class A:\n    def __init__(self, a, *, b):\n        self.x, self.y = a, b\n        self.z: int = 1",
            Size(1, 3, 2),
        ),
        ("class A:\n    def __init__(self):\n        other.x = 1\n        self.x.y = 2", Size(1, 1, 0)),
    ],
)
def test_what_counts(text, expected):
    assert classes(text)["A"] == expected


def test_values_are_not_counted():
    text = "@dataclass(frozen=True)\nclass A:\n    one: int\n\nclass B:\n    one: Final[int]\n"
    assert classes(text) == {}
