"""What a publish shows: names for good, and whose login nobody else has."""

from __future__ import annotations

import pytest

from gateway.demo.tenant.model import Kind
from gateway.entra.settings import DAY
from tests.entra.played import Played, uuid


@pytest.fixture
def played(tmp_path):
    return Played(tmp_path)


def names(played):
    return sorted(dn.split(",")[0] for dn in played.shown() if dn.startswith("CN="))


def entry(played, number):
    (found,) = [each for dn, each in played.shown().items() if f"({number:08x}" in dn]
    return found


def test_a_name_stays_when_people_read_another_one(played):
    played.person(1, displayName="Ada Müller")
    played.once()
    played.tenant.change(uuid(1), {"displayName": "Ada Weiß"})
    played.once()
    assert names(played) == ["CN=Ada Müller (00000001)"]
    found = entry(played, 1)
    assert found["cn"] == [b"Ada Wei\xc3\x9f", b"Ada M\xc3\xbcller (00000001)"]
    assert found["displayName"] == [b"Ada Wei\xc3\x9f"]
    played.tenant.remove(uuid(1))
    played.once()
    played.time.seconds += 7 * DAY
    played.once()
    played.tenant.restore(uuid(1))
    played.once()
    assert names(played) == ["CN=Ada Müller (00000001)"]


def test_two_whose_ids_begin_alike_have_names_of_their_own(played):
    ids = [f"0000000a-0000-4000-8000-00000000000{digit}" for digit in "123"]
    for id in ids:
        played.tenant.add(Kind.users, id, {"displayName": "Ada", "accountEnabled": True})
    played.once()
    assert names(played) == [
        "CN=Ada (0000000a)",
        "CN=Ada (0000000a00004000)",
        "CN=Ada (0000000a000040008000000000000003)",
    ]
    before = played.shown()
    played.tenant.change(ids[1], {"displayName": "Ben"})
    played.once(full=True)
    assert set(played.shown()) == set(before)


def test_a_guest_who_becomes_a_member_moves_and_is_still_a_member_of_groups(played):
    played.person(1, userType="Guest")
    played.group(11, [uuid(1)])
    played.copying(guests=True)
    played.once()
    assert entry(played, 11)["member"] == [b"CN=Person 1 (00000001),OU=Guests,DC=corp,DC=example"]
    played.tenant.change(uuid(1), {"userType": "Member"})
    played.once()
    assert entry(played, 11)["member"] == [b"CN=Person 1 (00000001),OU=Users,DC=corp,DC=example"]


def test_a_login_that_two_would_have_nobody_has(played):
    played.person(1, mailNickname="Ada")
    played.person(2, mailNickname="ada")
    played.group(11, mailNickname="ben")
    played.contact(21, mailNickname="ben")
    played.once()
    assert "sAMAccountName" not in entry(played, 1)
    assert "sAMAccountName" not in entry(played, 2)
    assert entry(played, 11)["sAMAccountName"] == [b"ben"]
    played.tenant.change(uuid(2), {"mailNickname": "ben"})
    played.once()
    assert entry(played, 1)["sAMAccountName"] == [b"Ada"]
    assert "sAMAccountName" not in entry(played, 2)
    assert "sAMAccountName" not in entry(played, 11)
    played.tenant.purge(uuid(11))
    played.once()
    assert entry(played, 2)["sAMAccountName"] == [b"ben"]


def test_a_group_in_a_group_is_its_member(played):
    played.group(11)
    played.group(12, [uuid(11)])
    played.tenant.link(uuid(11), uuid(12))
    played.once()
    for one, other in ((11, 12), (12, 11)):
        dn = f"CN=Group {other} ({other:08x}),OU=Groups,DC=corp,DC=example".encode()
        assert entry(played, one)["member"] == entry(played, one)["memberOf"] == [dn]


def test_who_goes_and_comes_back_is_in_the_groups_as_before(played):
    played.person(1)
    played.person(2)
    played.group(11, [uuid(1), uuid(2)])
    played.once()
    before = played.shown()
    played.tenant.remove(uuid(1))
    played.once()
    assert len(entry(played, 11)["member"]) == 1
    played.tenant.restore(uuid(1))
    played.once()
    assert {dn: each.get("member") for dn, each in played.shown().items()} == {
        dn: each.get("member") for dn, each in before.items()
    }


def test_a_group_that_goes_and_comes_back_has_its_members(played):
    played.person(1)
    played.group(11, [uuid(1)])
    played.once()
    played.tenant.remove(uuid(11))
    played.once()
    assert "memberOf" not in entry(played, 1)
    played.tenant.restore(uuid(11))
    played.once()
    assert len(entry(played, 11)["member"]) == 1
    assert len(entry(played, 1)["memberOf"]) == 1


def test_only_one_manager_whatever_graph_says_of_the_one_before(played):
    for number in (1, 2, 3):
        played.person(number)
    played.tenant.link(uuid(1), uuid(2))
    played.once()
    # Graph tells the new manager, and not that the old one is it no more.
    played.tenant.links[uuid(1)].clear()
    played.tenant.link(uuid(1), uuid(3))
    played.once()
    assert entry(played, 1)["manager"] == [b"CN=Person 3 (00000003),OU=Users,DC=corp,DC=example"]
