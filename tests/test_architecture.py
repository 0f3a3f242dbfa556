"""Whether docs/architecture.md speaks of the code that is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_every_file_that_is_linked_or_named_is_there():
    linked = re.findall(r"\]\(\.\./([\w/.]+)\)", PAGE)
    named = re.findall(r"`((?:gateway|tests|docs)/[\w/.]+\.\w+)`", PAGE)
    assert len(linked) > 10
    assert [path for path in {*linked, *named} if not (ROOT / path).exists()] == []


def test_every_room_is_in_the_table_and_no_other_is():
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "gateway").rglob("*.py")} - {"gateway"}
    told = set(re.findall(r"^\| `(gateway/[\w/]+)` \|", PAGE, re.M))
    inside = {room for room in rooms if any(room.startswith(f"{each}/") for each in told)}
    assert told == {room for room in rooms - inside if room != "gateway/net"}


def test_the_functions_of_the_walks_are_where_the_page_says():
    for name, path in re.findall(r"`([A-Z]\w+\.\w+)` in\s+\[[\w/.]+\]\(\.\./([\w/.]+)\)", PAGE):
        owner, _, method = name.partition(".")
        classes = [node for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.ClassDef)]
        methods = [each for node in classes if node.name == owner for each in node.body]
        functions = [each for each in methods if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert method in {each.name for each in functions}, name
