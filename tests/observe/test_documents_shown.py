import re
from pathlib import Path

import pytest

from gateway.observe.page.documents import CODE, PROSE, anchor, document, pieces
from gateway.observe.page.status_parts import document_page

TEXT = """\
# Title
First & <b>.
- an item
  that goes on
- another

Last,
and its end.

## Two words, and `code`
```
# no heading
## nor this
```
### Third
"""


def test_headings_are_found_and_nothing_in_a_fence_is_one():
    assert list(pieces(TEXT)) == [
        (1, "Title"),
        (PROSE, "First & <b>.\n- an item that goes on\n- another\n\nLast, and its end."),
        (2, "Two words, and `code`"),
        (CODE, "# no heading\n## nor this"),
        (3, "Third"),
    ]


def test_nothing_of_a_document_is_lost():
    for path in Path(__file__).parents[2].glob("docs/*.md"):
        text = document(path.stem)
        assert text == path.read_text()
        assert [word for level, piece in pieces(text) for word in piece.split()] == list(_unmarked(text))


def _unmarked(text):
    """All words, without the marks of headings and fences."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        else:
            yield from (line if fenced else re.sub(r"^#{1,4} ", "", line)).split()


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("LdapGatewayAuditLost, LdapGatewayAuditNotWritten", "ldapgatewayauditlost-ldapgatewayauditnotwritten"),
        ("Somebody cannot sign in", "somebody-cannot-sign-in"),
        ("`check --diff`, and more", "check---diff-and-more"),
    ],
)
def test_anchors_are_those_of_github(heading, expected):
    assert anchor(heading) == expected


@pytest.mark.parametrize(
    "name", ["", "..", "../docs/operations", "operations.md", "no-such", "/etc/passwd", "A", "%2e"]
)
def test_no_other_file_can_be_had(name):
    assert document(name) is None


def test_a_document_becomes_no_markup_but_its_headings():
    page = document_page(TEXT).decode()
    assert '<h2 id="two-words-and-code">Two words, and `code`</h2>' in page
    assert "First &amp; &lt;b&gt;." in page
    assert "<title>Title</title>" in page
    assert "<b>" not in page
