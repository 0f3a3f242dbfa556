"""Long lines are broken where a DN, a filter or a list may be, and lose nothing."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from gateway.demo.tables import Cell, fold, steps_table, widths


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("", [""]),
        ("bind svc@demo", ["bind svc@demo"]),
        ("(&(mail=*)(objectClass=user))", ["(&(mail=*)", " (objectClass=user))"]),
        ("sub CN=A B,OU=Staff,DC=demo", ["sub CN=A B,OU=Staff,", " DC=demo"]),
        ("displayName, mail, cn, member", ["displayName, mail, cn,", " member"]),
        ("userPrincipalNameOfSomebody", ["userPrincipalNameOfSome", " body"]),
    ],
)
def test_lines_are_broken_at_23_characters(line: str, folded: list[str]) -> None:
    assert fold(line, 23) == folded


def test_no_character_is_lost_at_any_width() -> None:
    line = r"sub CN=O\, P (x),DC=a (|(a=1)(!(b=2))(c:1.2:=3)) a, b,, c (( ,)"
    for width in range(2, 80):
        folded = fold(line, width)
        assert max(map(len, folded)) <= width
        assert "".join("".join(folded).split()) == "".join(line.split())


WORDS = st.text("abcdefgh=.*", min_size=1, max_size=30)
LINES = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(", ".join), max_size=3)


@given(st.lists(st.tuples(LINES, LINES, LINES, LINES), min_size=1, max_size=3), st.sampled_from([80, 120, 200]))
def test_no_word_is_broken_at_any_usual_width(rows, width):
    """Whatever stands in the columns: side by side where they fit, else one below the other."""
    cells = [[Cell(lines, told=[Text("success (0)")] if at else []) for at, lines in enumerate(row)] for row in rows]
    shown = StringIO()
    columns = [("The service asked", 29), ("Forwarded", 28), ("Came back", 20), ("Held back", 20)]
    Console(file=shown, width=width).print(steps_table("The sync", columns, cells, width))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for row in rows:
        for word in [word for cell in row for line in cell for word in line.split(", ")]:
            assert any(word in line for line in lines), word
    for name, _ in columns[1:]:
        assert any(name in line for line in lines)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(20, 200))
def test_columns_fill_the_width_or_do_not_fit(narrowest, width):
    found = widths(narrowest, [20] * len(narrowest), width)
    gaps = 3 * (len(narrowest) - 1)
    if found is None:
        assert sum(narrowest) + gaps > width
    else:
        assert sum(found) + gaps == width
        assert all(column >= least for column, least in zip(found, narrowest, strict=True))
