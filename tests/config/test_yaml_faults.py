"""What a file lacks to be YAML, in words of lines, dashes and blanks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.problems import ConfigurationError
from gateway.config.source import read_source
from tests.config.test_load import GOOD
from tests.config.test_wrong_values import FOREIGN

LESS = "line 4 is indented less than line 3 (4 blanks, and 6 there) and more than line 2, so that it belongs to neither"


@pytest.mark.parametrize(
    "text, line, said",
    [
        ("clients:\n  m:\n      sources: [a]\n    directory: corp\n", 4, LESS),
        (
            "clients:\n  m:\n    a: [a]\n\n    # why\n      b: c\n",
            6,
            "line 6 is indented more than line 3 (6 blanks, and",
        ),
        ("a: b\n c: d\n", 2, "line 2 is indented more than line 1 (1 blank, and 0 there), which has a value already"),
        (" a: b\nc: d\n", 2, "line 2 is indented less than line 1 (0 blanks, and 1 there)"),
        ("a:\n  - mail\n - cn\n", 3, "line 3 is indented less than line 2"),
        ("a:\n  - mail\n  cn\n", 3, "line 3 has no dash, and line 2, in the same column, has one"),
        ("a:\n  - b: x\n    c: y\n  b: z\n", 4, "line 4 has no dash, and line 2, in the same column, has one"),
        ("a:\n  b:\n  - mail\n  cn\n  d: e\n", 4, "line 4 has no dash, and line 3, in the same column, has one"),
        ("a:\n  - mail\n  -cn\n", 3, "line 3 lacks a blank behind its dash: an item is written `- value`"),
        ("a:\n  b: c\n  - d\n", 3, "line 3 begins with a dash, in the column of the keys before it"),
        ("a:\n  b: c\n  d\n  e: f\n", 3, "line 3 has no colon behind a key, and no dash before an item"),
        ("a:\n  b c\n  e: f\n", 2, "line 2 has no colon behind a key, and no dash before an item"),
        ("a:\n  b:c\n  e: f\n", 2, "line 2 lacks a blank behind its colon: a key is written `key: value`"),
        ("a:\n  b: c\n\td: e\n", 3, "line 3 has a tab, in column 1; indent with blanks, not tabs"),
        ("a:\n  b:\n  \t- d\n", 3, "line 3 has a tab, in column 3; indent with blanks, not tabs"),
        ('a: b\nc: "d\ne: f\n', 2, "the quote that opens in line 2 is not closed"),
        ('a: "b" c\n', 1, "line 1 has a text behind the end of its value; put the value in double quotes, all of it"),
        ("a: [b, c\nd: e\n", 1, "the [ that opens in line 1 is not closed, or a comma is missing; line 2 does not go"),
        ("a: {b: c\n", 1, "the { that opens in line 1 is not closed, or a comma is missing"),
        (
            "a: [*]\n",
            1,
            "line 1 has a value that begins with a character of YAML's own; put the value in double quotes",
        ),
        ("a: *b\n", 1, "line 1 has a value that begins with a character of YAML's own"),
        ("a: @b\n", 1, "line 1 has a value that begins with a character of YAML's own"),
        ("a: b\nc: ]\n", 2, "line 2 has a value that begins with a character of YAML's own"),
        ('a: "OU=R\\+D"\n', 1, "line 1 has a backslash in double quotes that YAML takes for the beginning of a sign"),
        ("a: b: c\n", 1, "line 1 has a second colon with a blank behind it; put the value in double quotes"),
        ("a: b\n---\nc: d\n", 2, "line 2 begins a second document with ---; one is expected"),
        ("a: |x\n", 1, "line 1 has more than | or > behind its key"),
        ("a: b\nc: \x07\n", 2, "line 2 has the character U+0007, which YAML forbids; take it out"),
        ("[" * 5000, 0, "nesting that is too deep"),
    ],
)
def test_the_line_to_correct_is_named_with_what_is_wrong_in_it(tmp_path, text, line, said):
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_source(path)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert problem.message.startswith(f"not YAML: {said}")


LINES = GOOD.splitlines()


@st.composite
def broken(draw: st.DrawFn) -> str:
    """The good file with a line indented otherwise, a character put in or taken out, or a line taken out."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        column = draw(st.integers(0, len(line)))
        lines[at] = draw(
            st.sampled_from(
                [
                    " " + line,
                    line.removeprefix(" "),
                    "\t" + line,
                    "",
                    line[:column] + line[column + 1 :],
                    line[:column] + draw(st.sampled_from("\t\"'[]{}:,-#*&!%@`|>?\\\n")) + line[column:],
                ]
            )
        )
    return "\n".join(lines) + "\n"


@given(broken())
def test_whatever_is_broken_the_words_are_our_own(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "broken.yaml"
    path.write_text(text)
    try:
        read_source(path)
    except ConfigurationError as error:
        for problem in error.problems:
            assert not FOREIGN.search(problem.message) and "\n" not in problem.message
            assert 0 < problem.line <= text.count("\n") + 1
