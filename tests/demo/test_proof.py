"""What the demo claims is false as soon as one entry or one octet is wrong."""

from __future__ import annotations

import pytest

from gateway.demo.people import SECRET_PROJECTS, STAFF
from gateway.demo.proof import complete, sealed
from gateway.ldap.messages import Attribute, SearchResultEntry


def entry(name: str, mail: bytes = b"a@demo.example", hidden: bool = True) -> SearchResultEntry:
    attributes = [Attribute("mail", (mail, b"b@demo.example"))]
    if hidden:
        attributes.append(Attribute("pager", (b"LEAK-1",)))
    return SearchResultEntry(f"CN={name},{STAFF}", tuple(attributes))


DIRECT = [entry("A"), entry("B"), SearchResultEntry(f"CN=C,{SECRET_PROJECTS}", ())]
A, B = entry("A", hidden=False), entry("B", hidden=False)


@pytest.mark.parametrize(
    ("through", "fault"),
    [
        ([A, B], ""),
        ([B, SearchResultEntry(f"cn=a, {STAFF}", (Attribute("MAIL", A.attributes[0].values[::-1]),))], ""),
        ([A], "1 missing"),
        ([A, B, entry("D", hidden=False)], "1 too many"),
        ([A, B, DIRECT[2]], "1 too many"),
        ([A, B, B], "1 twice"),
        ([A, entry("B", b"other", hidden=False)], "1 with other values"),
        ([A, entry("B")], "1 with other values"),
    ],
)
def test_every_permitted_entry_must_have_come_once_as_it_is(through: list[SearchResultEntry], fault: str) -> None:
    claim = complete(through, DIRECT, ["mail"], SECRET_PROJECTS)
    assert claim.holds == (fault == "")
    assert claim.text.partition("; ")[2] == fault


def test_nothing_to_come_proves_nothing() -> None:
    assert not complete([], [], ["mail"], SECRET_PROJECTS).holds


@pytest.mark.parametrize("leaked", [b"LEAK-1", b"cn=leak-hidden-0", b"\x04\x0bSECRET-note"])
def test_a_mark_anywhere_in_the_octets_is_a_leak(leaked: bytes) -> None:
    assert sealed(b"mail", b"LEAK-1").holds
    assert not sealed(b"mail" + leaked + b"\x00", b"LEAK-1").holds


def test_a_check_that_finds_nothing_in_the_directory_either_proves_nothing() -> None:
    assert not sealed(b"mail", b"mail").holds
