"""The names of entries: a CN that its object keeps for good, in the container for its kind.

A CN ends in digits of the object's id, so that no other object ever gets it: not after a rename, not in a second copy
of the tenant, not in one that was made anew.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from uuid import NAMESPACE_X500, uuid5

from gateway.entra.mapping import Document
from gateway.entra.properties import Collection
from gateway.ldap.dn import AVA, DN, escape_value

# How many digits of the id a CN has: more where another object has the same first ones.
DIGITS: Final = (8, 16, 32)
# AD's limit is 64 characters; long enough for any name of Graph, which ends at 256.
_LONGEST: Final = 256
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


class Container(StrEnum):
    """An entry below the base, by its OU, that has the entries of one kind below it."""

    users = "Users"
    guests = "Guests"
    groups = "Groups"
    contacts = "Contacts"


def container_of(collection: Collection, document: Document) -> Container:
    """Where the object belongs. A person whose userType is missing is a member: so are those from before there were
    guests."""
    if collection is Collection.groups:
        return Container.groups
    if collection is Collection.contacts:
        return Container.contacts
    return Container.guests if document.get("userType") == "Guest" else Container.users


def container_dn(base: DN, container: Container) -> DN:
    return DN(((AVA("OU", container.value),), *base.rdns))


def plain_name(document: Document) -> str:
    """What a CN says before its digits; "" where the object has no name at all."""
    for name in ("displayName", "mailNickname"):
        found = " ".join(_CONTROL.sub(" ", document.get(name, "")).split())[:_LONGEST].strip()
        if found:
            return found
    return ""


def common_name(plain: str, digits: str) -> str:
    return f"{plain} ({digits})" if plain else f"({digits})"


def digits_of(id: str, number: int) -> str:
    return id.replace("-", "")[:number]


def entry_dn(cn: str, above: str) -> str:
    """The DN of an entry. above: the DN of its container."""
    return f"CN={escape_value(cn)},{above}"


def container_id(dn: str) -> str:
    """The id of an entry that no object of Graph is behind: made of its name, so that it is the same everywhere."""
    return str(uuid5(NAMESPACE_X500, dn.lower()))
