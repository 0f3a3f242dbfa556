"""What is visible of a copy, as it is written: whole publishes, changes, and what is refused."""

import sqlite3
import stat
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.entra.packed import Packed, split_values
from gateway.entra.published import (
    LAYOUT_KEY,
    PUBLISHED_AT,
    CopyError,
    create_tables,
    read_meta,
    replace_all,
    write_entries,
)
from gateway.entra.schema import TYPES, find_type
from gateway.entra.store_file import open_for_reading, open_for_writing
from gateway.entra.syntaxes import indexed, stored_key
from tests.entra.copies import BASE, USERS, containers, entry, group, make_copy, person
from tests.examples import examples

NOW = 1_790_000_000


@pytest.fixture
def copy(tmp_path):
    connection = make_copy(tmp_path / "copy.db", [*containers(), person("Ann", mail=["ann@corp.example"])], NOW)
    yield connection
    connection.close()


def change(connection, changed=(), removed=()):
    connection.execute("BEGIN IMMEDIATE")
    try:
        write_entries(connection, changed, removed)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def held(connection):
    """Each entry's attributes by its DN."""
    found = {}
    for dn, octets in connection.execute("SELECT dn, attributes FROM entry"):
        packed = Packed(octets)
        found[dn] = {TYPES[number].name: split_values(packed.values_octets(number)) for number in packed.numbers}
    return found


def index(connection):
    """The rows of the index, by DN."""
    rows = connection.execute("SELECT dn, attribute, value.key FROM value JOIN entry ON entry = number")
    return sorted(rows.fetchall())


def index_made_anew(connection):
    return sorted(
        {
            (dn, find_type(name).number, indexed(stored_key(find_type(name), value)))
            for dn, attributes in held(connection).items()
            for name, values in attributes.items()
            if find_type(name).indexed
            for value in values
        }
    )


def test_the_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "copy.db"
    path.touch(0o644)
    connection = make_copy(path, containers(), NOW)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    connection.close()
    assert modes == {"copy.db": 0o600, "copy.db-wal": 0o600, "copy.db-shm": 0o600}


def test_an_entry_is_held_with_its_own_name(copy):
    ann = held(copy)[f"CN=Ann,{USERS}"]
    assert ann["mail"] == [b"ann@corp.example"]
    assert ann["distinguishedName"] == [f"CN=Ann,{USERS}".encode()]


def test_a_change_replaces_the_whole_entry(copy):
    change(copy, [person("Ann", sn=["Ash"])])
    ann = held(copy)[f"CN=Ann,{USERS}"]
    assert "mail" not in ann
    assert ann["sn"] == [b"Ash"]
    assert index(copy) == index_made_anew(copy)


def test_one_of_two_values_with_one_key_may_go(copy):
    change(copy, [person("Ann", proxyAddresses=["SMTP:a@corp.example", "smtp:A@corp.example"])])
    change(copy, [person("Ann", proxyAddresses=["smtp:A@corp.example"])])
    assert index(copy) == index_made_anew(copy)


def test_two_entries_may_change_names(copy):
    ann, bob = person("Ann"), person("Bob")
    change(copy, [bob])
    change(copy, [ann._replace(dn=bob.dn), bob._replace(dn=ann.dn)])
    assert sorted(held(copy)) == sorted([*(each.dn for each in containers()), ann.dn, bob.dn])
    assert index(copy) == index_made_anew(copy)


def test_what_is_removed_is_gone_and_what_was_not_there_is_no_fault(copy):
    ann = person("Ann")
    change(copy, removed=[ann.id, person("Nobody").id])
    assert ann.dn not in held(copy)
    assert index(copy) == index_made_anew(copy)


def test_a_whole_publish_removes_what_it_does_not_name(copy):
    copy.execute("BEGIN IMMEDIATE")
    replace_all(copy, [*containers(), person("Bob")])
    copy.execute("COMMIT")
    assert sorted(held(copy)) == sorted([*(each.dn for each in containers()), f"CN=Bob,{USERS}"])
    assert index(copy) == index_made_anew(copy)


def test_what_is_as_it_was_costs_no_write(copy):
    before = copy.total_changes
    change(copy, [person("Ann", mail=["ann@corp.example"])])
    assert copy.total_changes == before


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(f"CN=A,OU=None,{BASE}", objectClass=["top"])], "the entry above is not published"),
        ([person("Ann"), entry(f"CN=Ann,{USERS}", str(person("Bob").id), objectClass=["top"])], "have this name"),
        ([person("Bob"), person("Bob")], "the same id stands twice"),
        ([person("Bob", noSuchAttribute=["1"])], "has no attribute noSuchAttribute"),
        ([person("Bob", thumbnailPhoto=["1"])], "has no attribute thumbnailPhoto"),
        ([person("Bob", userAccountControl=["SECRET-x"])], "a value of userAccountControl is none"),
        ([person("Bob", manager=["SECRET"])], "a value of manager is none"),
        ([person("Bob", surname=["B"], sn=["B"])], "sn stands there twice"),
        ([entry(f"CN=Bob,{USERS}")], "without objectClass"),
        ([person("Bob")._replace(dn=f"cn=Bob, {USERS}")], "this is not how the name is written"),
        ([person("Bob")._replace(dn="Bob")], "the name cannot be read"),
        ([person("Bob")._replace(dn="")], "the root"),
        ([person("Bob")._replace(id="4711")], "no UUID"),
    ],
)
def test_what_cannot_be_published_is_refused_and_nothing_of_it_is_seen(copy, entries, said):
    before = held(copy), index(copy)
    with pytest.raises(CopyError, match=said) as refused:
        change(copy, entries)
    assert "SECRET" not in str(refused.value)
    assert (held(copy), index(copy)) == before


def test_a_part_of_a_copy_is_never_published(tmp_path):
    connection = open_for_writing(tmp_path / "copy.db")
    create_tables(connection)
    with pytest.raises(CopyError, match="a full publish has to come first"):
        change(connection, containers())
    connection.close()


def test_a_publish_without_a_transaction_is_refused(copy):
    with pytest.raises(CopyError, match="transaction"):
        replace_all(copy, containers())


def test_another_layout_is_not_visible_any_more(copy):
    copy.execute("UPDATE meta SET value = 'older' WHERE key = ?", (LAYOUT_KEY,))
    create_tables(copy)
    assert held(copy) == {}
    assert index(copy) == []
    assert read_meta(copy, PUBLISHED_AT) is None
    with pytest.raises(CopyError, match="a full publish has to come first"):
        change(copy, [person("Ann")])


def test_the_same_layout_stays(copy):
    before = held(copy)
    create_tables(copy)
    assert held(copy) == before
    assert read_meta(copy, PUBLISHED_AT) == str(NOW)


def test_a_reader_cannot_write(copy, tmp_path):
    reader = open_for_reading(tmp_path / "copy.db")
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM entry")
    reader.close()


def test_a_reader_goes_on_seeing_what_was_there_while_a_publish_goes_on(copy, tmp_path):
    reader = open_for_reading(tmp_path / "copy.db")
    reader.execute("BEGIN")
    before = held(reader)
    copy.execute("BEGIN IMMEDIATE")
    replace_all(copy, [*containers(), *(person(f"New {number}") for number in range(200))])
    assert held(reader) == before
    copy.execute("COMMIT")
    assert held(reader) == before
    reader.execute("COMMIT")
    assert len(held(reader)) == len(containers()) + 200
    reader.close()


names = st.sampled_from(["Ann", "Bob", "Čenek", "Doe\\, Jo", "E  E"])
people = st.builds(
    lambda name, proxies, mail, members: (
        group(name, mail=mail, proxyAddresses=proxies, member=members)
        if members
        else person(name, mail=mail, proxyAddresses=proxies)
    ),
    names,
    st.lists(st.sampled_from(["SMTP:a@x", "smtp:A@x", "smtp:b@x", "x500:" + "long" * 40]), max_size=3),
    st.lists(st.sampled_from(["a@x", "A@X", "Ünder@x"]), max_size=1),
    st.lists(names.map(lambda name: f"CN={name},{USERS}"), max_size=3),
)
copies = st.lists(people, max_size=6, unique_by=lambda each: each.id)


@given(st.lists(copies, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_changes_lead_to_what_a_whole_publish_leads_to(histories, random):
    """The index too is at any time what the attributes make of it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_tables(connection)
    present = {each.id: each for each in containers()}
    connection.execute("BEGIN")
    replace_all(connection, present.values())
    connection.execute("COMMIT")
    for wanted in histories:
        after = {each.id: each for each in [*containers(), *wanted]}
        changed = [each for each in after.values() if present.get(each.id) != each or random.random() < 0.2]
        random.shuffle(changed)
        connection.execute("BEGIN")
        write_entries(connection, changed, present.keys() - after.keys())
        connection.execute("COMMIT")
        present = after
        assert index(connection) == index_made_anew(connection)
    shown = held(connection)
    connection.execute("BEGIN")
    replace_all(connection, present.values())
    connection.execute("COMMIT")
    assert held(connection) == shown
    assert {dn: set(found) for dn, found in shown.items()} == {
        each.dn: {name for name, values in each.attributes.items() if values} | {"distinguishedName"}
        for each in present.values()
    }


def test_types_have_one_name_and_one_number():
    assert [each.number for each in TYPES] == list(range(len(TYPES)))
    assert all(find_type(each.name) is each for each in TYPES)
    assert all(find_type(each.oid) is each for each in TYPES if each.oid)
    # They have to fit into an octet (gateway/entra/packed.py).
    assert max(each.number for each in TYPES if each.oid) < 256


def test_a_publish_of_a_hundred_changes_looks_at_few_rows(tmp_path):
    """Its time is in `bench/`; here only that it does not go through the whole copy."""
    everybody = [person(f"Person {number}", mail=[f"p{number}@x"]) for number in range(examples(2000))]
    connection = make_copy(tmp_path / "copy.db", [*containers(), *everybody], int(time.time()))
    before = connection.total_changes
    change(connection, [person(f"Person {number}", mail=[f"new{number}@x"]) for number in range(100)])
    # The entry, and the old and the new row of its mail address.
    assert connection.total_changes - before == 300
    connection.close()
