"""The kind of an entry, told by its objectClass in Active Directory's, OpenLDAP's and Domino's schemas."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from gateway.ldap.filters import EqualityMatch, Filter, Or


class Kind(StrEnum):
    """A kind of entry that services look for.

    user: a person. contact: an address of somebody outside. container: what other entries lie in.
    """

    user = "user"
    group = "group"
    contact = "contact"
    computer = "computer"
    container = "container"
    other = "other"


# The first that fits: in Active Directory a computer is a user as well, and a contact a person.
_CLASSES: Final = (
    (Kind.computer, ("computer",)),
    (Kind.group, ("group", "groupOfNames", "groupOfUniqueNames", "posixGroup", "dominoGroup")),
    (Kind.contact, ("contact",)),
    (Kind.user, ("user", "person", "inetOrgPerson", "dominoPerson")),
    (Kind.container, ("organizationalUnit", "container", "organization", "country", "locality", "domain")),
)
_LOWERED: Final = tuple((kind, frozenset(name.lower() for name in names)) for kind, names in _CLASSES)


def kind_of(classes: Iterable[str]) -> Kind:
    """classes: all values of an entry's objectClass."""
    found = {name.lower() for name in classes}
    return next((kind for kind, names in _LOWERED if found & names), Kind.other)


def kind_filters() -> tuple[tuple[Kind, Filter], ...]:
    """For directories whose objectClass may be asked for only in filters: a kind is the first whose filter matches.
    Without negations, which are undefined where a server does not know a class (RFC 4511 4.5.1.7)."""
    return tuple(
        (kind, Or(tuple(EqualityMatch("objectClass", name.encode()) for name in names))) for kind, names in _CLASSES
    )
