from pathlib import Path

import pytest

from gateway.observe.documents import anchor, document, pieces
from gateway.observe.status_parts import document_page

TEXT = """\
# Title
First & <b>.

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
        (0, "First & <b>."),
        (2, "Two words, and `code`"),
        (0, "```\n# no heading\n## nor this\n```"),
        (3, "Third"),
    ]


def test_nothing_of_a_document_is_lost():
    for path in Path(__file__).parents[2].glob("docs/*.md"):
        text = document(path.stem)
        assert text == path.read_text()
        rebuilt = "".join(f"{'#' * level} {piece}" if level else piece for level, piece in pieces(text))
        assert rebuilt.replace("\n", "") == text.replace("\n", "")


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
