"""The made-up directory is the same every time, big enough, and marks everything that must stay inside."""

from __future__ import annotations

from gateway.demo.people import (
    CONTACTS,
    GROUPS,
    LEAK_MARKERS,
    SECRET_PROJECTS,
    STAFF,
    SYNC_ACCOUNT,
    a_person,
    make_directory,
)
from gateway.ldap.dn import key, parse

HIDDEN = ("employeeID", "pager", "description", "userPassword")


def test_it_is_the_same_every_time() -> None:
    assert make_directory() == make_directory()


def test_it_has_some_five_hundred_people_groups_and_contacts() -> None:
    entries = make_directory()
    people = [e for e in entries if e.has_class("user") and e.dn.is_inside(STAFF)]
    assert len([e for e in people if not e.dn.is_inside(SECRET_PROJECTS)]) == 460
    assert len([e for e in people if e.dn.is_inside(SECRET_PROJECTS)]) == 12
    assert len([e for e in entries if e.has_class("group") and e.dn.is_inside(GROUPS)]) == 24
    assert len([e for e in entries if e.has_class("contact") and e.dn.is_inside(CONTACTS)]) == 30


def test_names_are_unique_and_parents_come_first() -> None:
    seen: set[object] = set()
    for entry in make_directory():
        assert key(entry.dn) not in seen
        assert not seen or key(entry.dn.parent()) in seen
        seen.add(key(entry.dn))


def test_units_with_special_characters_survive_the_text_form() -> None:
    texts = [str(entry.dn) for entry in make_directory()]
    for fragment in (r"OU=Sales\, EMEA,", r"OU=R\+D,", r"OU=\#Ops,", "OU=Müller,"):
        assert any(fragment in text for text in texts)
    assert all(str(parse(text)) == text for text in texts)


def test_attributes_that_stay_inside_are_marked_and_no_others_are() -> None:
    for entry in make_directory():
        if entry.dn.is_inside(SECRET_PROJECTS) or entry.dn == SYNC_ACCOUNT.dn:
            continue
        for name, values in entry.attributes.items():
            for value in values:
                assert any(marker in value for marker in LEAK_MARKERS) == (name in HIDDEN), name


def test_membership_is_the_same_from_both_sides() -> None:
    entries = {str(entry.dn): entry for entry in make_directory()}
    forward = {(group, m.decode()) for group, e in entries.items() for m in e.attributes.get("member", ())}
    backward = {(g.decode(), person) for person, e in entries.items() for g in e.attributes.get("memberOf", ())}
    assert forward == backward
    assert forward


def test_people_can_sign_in_with_the_password_in_the_directory() -> None:
    by_dn = {entry.dn: entry for entry in make_directory()}
    for person in (SYNC_ACCOUNT, a_person(0), a_person(459)):
        attributes = by_dn[person.dn].attributes
        assert attributes["userPassword"] == (person.password,)
        assert attributes["userPrincipalName"] == (person.user_principal_name.encode(),)
