"""Whether each decision in docs/decisions says what was decided, when, why, instead of what and at what cost."""

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
INDEX = (FOLDER / "README.md").read_text()
DECISIONS = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")
# Of a link in Markdown what it leads to; links into the internet are none of these.
LINK = re.compile(r"\]\((?!https?:)([^)\s#]+)(?:#[^)]*)?\)")


def parts(text):
    """The parts of a decision, as (heading, what stands below it)."""
    return re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_a_date_and_its_four_parts(path):
    text = path.read_text()
    head = re.match(r"# .+\n\nDate: (\d{4}-\d{2}-\d{2})\n\n## ", text)
    assert head is not None
    date.fromisoformat(head[1])
    assert [heading for heading, _ in parts(text)] == ["Decided", "Because", "Instead of", "Costs"]
    assert all(below.strip() for _, below in parts(text))


def test_names_have_the_numbers_from_1_on_without_a_gap():
    named = [re.fullmatch(r"(\d{4})-[a-z0-9-]+\.md", path.name) for path in DECISIONS]
    assert [int(name[1]) for name in named] == list(range(1, len(DECISIONS) + 1))
    assert len(DECISIONS) > 100


def test_the_index_lists_each_decision_once_with_its_title_and_date():
    listed = re.findall(r"^\| \[(.+)\]\((\S+)\) \| (\S+) \|$", INDEX, re.MULTILINE)
    titles = {path.name: re.match(r"# (.+)\n\nDate: (\S+)", path.read_text()).groups() for path in DECISIONS}
    assert sorted((name, title, day) for title, name, day in listed) == sorted(
        (name, title, day) for name, (title, day) in titles.items()
    )


@pytest.mark.parametrize("path", [*DECISIONS, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_no_link_is_broken(path):
    assert [link for link in LINK.findall(path.read_text()) if not (FOLDER / link).exists()] == []
