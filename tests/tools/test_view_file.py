import csv
import json
import stat

import pytest

from gateway.ldap.kinds import Kind
from gateway.tools.preview.census import Mark, Seen
from gateway.tools.preview.preview import View
from gateway.tools.preview.view_file import UnusableFile, as_csv, as_object, read_people, write_private

SEEN = (
    Seen("CN=Fámily\\, Given,DC=corp,DC=example", "1", Kind.user, "DC=corp,DC=example"),
    Seen("CN=g,DC=corp,DC=example", "", Kind.group, "DC=corp,DC=example"),
)
VIEW = View(
    client="mimecast",
    account="svc@corp.example",
    server="ldaps://dc1.corp.example:636",
    bases=(),
    seen=SEEN,
    marks=(frozenset({Mark.disabled}), frozenset()),
    attributes=(),
    shared={},
)


def saved(tmp_path, **changes):
    path = tmp_path / "view.json"
    path.write_text(json.dumps(as_object(VIEW, "2026-11-24T06:00:00+00:00") | changes))
    return path


def test_what_is_saved_is_read_back(tmp_path):
    people = read_people(saved(tmp_path), "mimecast")
    assert [(each.dn, each.guid, each.kind, each.disabled) for each in people] == [
        (SEEN[0].dn, "1", "user", True),
        (SEEN[1].dn, "", "group", False),
    ]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"complete": False}, "was not complete"),
        ({"client": "other"}, "of client other"),
        ({"version": 2}, "is not what"),
        ({"entries": [{"dn": "x"}]}, "an entry in it"),
        ({"entries": 3}, "an entry in it"),
    ],
)
def test_files_that_nothing_can_be_compared_with(tmp_path, changes, words):
    with pytest.raises(UnusableFile, match=words):
        read_people(saved(tmp_path, **changes), "mimecast")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}"])
def test_files_that_are_something_else(tmp_path, content):
    path = tmp_path / "view.json"
    path.write_bytes(content)
    with pytest.raises(UnusableFile, match=r"view\.json: it is not"):
        read_people(path, "mimecast")


def test_a_file_is_its_owners_alone_even_where_another_one_was(tmp_path):
    path = tmp_path / "view.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "né\n")
    assert path.read_bytes() == "né\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "view.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_has_a_line_an_entry():
    rows = list(csv.DictReader(as_csv(VIEW).splitlines()))
    assert [(row["dn"], row["kind"], row["disabled"], row["no mail"]) for row in rows] == [
        (SEEN[0].dn, "user", "x", ""),
        (SEEN[1].dn, "group", "", ""),
    ]
