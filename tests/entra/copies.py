"""Made-up copies of a tenant, as the publisher hands them over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import NAMESPACE_DNS, UUID, uuid5

from gateway.entra.published import PublishedEntry, create_tables, note_success, replace_all
from gateway.entra.store_file import open_for_writing

BASE = "DC=corp,DC=example"
USERS = f"OU=Users,{BASE}"
GROUPS = f"OU=Groups,{BASE}"
CONTACTS = f"OU=Contacts,{BASE}"
PERSON_CATEGORY = f"CN=Person,CN=Schema,CN=Configuration,{BASE}"
GROUP_CATEGORY = f"CN=Group,CN=Schema,CN=Configuration,{BASE}"


def id_of(dn: str) -> UUID:
    """A container's or a made-up object's id."""
    return uuid5(NAMESPACE_DNS, dn)


def entry(dn: str, id: str = "", /, **attributes: Sequence[str | bytes]) -> PublishedEntry:
    """objectGUID is the id's octets."""
    made = UUID(id) if id else id_of(dn)
    values = {
        name: [value.encode() if isinstance(value, str) else value for value in given]
        for name, given in attributes.items()
    }
    return PublishedEntry(str(made), dn, {"objectGUID": [made.bytes_le], **values})


def containers() -> list[PublishedEntry]:
    units = [entry(dn, objectClass=["top", "organizationalUnit"]) for dn in (USERS, GROUPS, CONTACTS)]
    return [entry(BASE, objectClass=["top", "domain", "domainDNS"]), *units]


def person(name: str, **attributes: Sequence[str | bytes]) -> PublishedEntry:
    """A person in USERS; cn, name and objectCategory are made of the name."""
    given: dict[str, Sequence[str | bytes]] = {
        "objectClass": ["top", "person", "organizationalPerson", "user"],
        "objectCategory": [PERSON_CATEGORY],
        "cn": [name],
        "name": [name],
        **attributes,
    }
    return entry(f"CN={name},{USERS}", **given)


def group(name: str, **attributes: Sequence[str | bytes]) -> PublishedEntry:
    """A group in GROUPS; as person."""
    given: dict[str, Sequence[str | bytes]] = {
        "objectClass": ["top", "group"],
        "objectCategory": [GROUP_CATEGORY],
        "cn": [name],
        "name": [name],
        **attributes,
    }
    return entry(f"CN={name},{GROUPS}", **given)


def publish(connection: sqlite3.Connection, entries: Iterable[PublishedEntry], at: int) -> None:
    """A full publish. at: Unix seconds of its success."""
    create_tables(connection)
    connection.execute("BEGIN IMMEDIATE")
    replace_all(connection, entries)
    note_success(connection, at)
    connection.execute("COMMIT")


def make_copy(path: Path, entries: Iterable[PublishedEntry], at: int) -> sqlite3.Connection:
    """The writer's connection to a new file with these entries."""
    connection = open_for_writing(path)
    publish(connection, entries, at)
    return connection
