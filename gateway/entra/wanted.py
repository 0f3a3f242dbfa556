"""What is wanted of a tenant: which collections, which properties, who has an entry, and which attributes it has.

Everything here follows from the settings of the copy. Two copies that want the same have the same `digest`; where it
differs from that of the file, everything is read anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from gateway.entra.mapping import (
    ATTRIBUTES,
    MANAGER,
    MEMBER,
    MEMBER_OF,
    WHEN_CHANGED,
    Document,
    Source,
    login_name,
    served,
)
from gateway.entra.names import Container, container_of
from gateway.entra.page import RELATIONS
from gateway.entra.properties import PROPERTIES, Collection
from gateway.entra.settings import CopySettings, GroupChoice

# Rises when the same properties become other entries, or other properties are asked for.
_MAPPING: Final = 1

# What an entry needs for its name, and what says whether it has one.
_NAMES: Final = ("displayName", "mailNickname")
_KIND: Final[Mapping[Collection, tuple[str, ...]]] = {
    Collection.users: ("userType",),
    Collection.groups: ("mailEnabled", "securityEnabled"),
    Collection.contacts: (),
}


class Wanted:
    """What is wanted of a tenant. collections: what is copied, in the order in which it is asked for."""

    def __init__(self, settings: CopySettings) -> None:
        self.settings = settings
        self.attributes = served(settings.attributes)
        if not settings.hide_from_lists:
            self.attributes -= {"msExchHideFromAddressLists"}
        self.collections = tuple(each for each in Collection if each is not Collection.contacts or settings.contacts)
        self.with_manager = MANAGER in self.attributes
        self.with_member = MEMBER in self.attributes
        self.with_member_of = MEMBER_OF in self.attributes
        self.with_when_changed = WHEN_CHANGED in self.attributes
        self.with_login_name = "sAMAccountName" in self.attributes
        self._kind = {
            collection: _KIND[collection]
            for collection in self.collections
            if collection is not Collection.groups or settings.groups is not GroupChoice.all
        }
        self._sources = {collection: self._sources_of(collection) for collection in self.collections}
        self._selects = {collection: self._select_of(collection) for collection in self.collections}
        self.digest = self._digest()

    def select(self, collection: Collection) -> tuple[str, ...]:
        """What a delta query asks for; `id` comes unasked."""
        return self._selects[collection]

    def sources(self, collection: Collection) -> list[tuple[str, Source]]:
        """The attributes that entries of the collection have, links aside."""
        return self._sources[collection]

    def shows(self, collection: Collection, document: Document) -> bool:
        """Whether the object has an entry."""
        if collection is Collection.users:
            return self.settings.guests or container_of(collection, document) is not Container.guests
        if collection is Collection.groups:
            if self.settings.groups is GroupChoice.mail:
                return document.get("mailEnabled") is True
            if self.settings.groups is GroupChoice.security:
                return document.get("securityEnabled") is True
        return True

    def kept(self, collection: Collection, document: Mapping[str, Any]) -> Document:
        """What is kept of a document: no nulls, and of one who has no entry only what says so."""
        kept = {name: value for name, value in document.items() if value is not None}
        if self.shows(collection, kept):
            return kept
        return {name: kept[name] for name in self._kind.get(collection, ()) if name in kept}

    def lacks(self, collection: Collection, document: Document) -> str | None:
        """A property without which the object cannot be shown: whether a member may sign in, Graph always tells."""
        name = "accountEnabled"
        if (
            name in self._selects[collection]
            and name not in document
            and container_of(collection, document) is Container.users
        ):
            return name
        return None

    def login_name(self, collection: Collection, document: Document) -> str | None:
        """What sAMAccountName would be, in the form in which two are the same; None where there is none."""
        if not self.with_login_name or collection is Collection.contacts:
            return None
        found = login_name(document)
        return None if found is None else found.casefold()

    def _sources_of(self, collection: Collection) -> list[tuple[str, Source]]:
        return [
            (name, sources[collection])
            for name, sources in ATTRIBUTES.items()
            if name in self.attributes and collection in sources
        ]

    def _select_of(self, collection: Collection) -> tuple[str, ...]:
        names = {*_NAMES, *self._kind.get(collection, ())}
        for _, source in self._sources[collection]:
            names.update(source.properties)
        relations = {
            Collection.users: self.with_manager,
            Collection.groups: self.with_member or self.with_member_of,
        }
        select = sorted(names & PROPERTIES[collection].keys())
        return (*select, RELATIONS[collection]) if relations.get(collection) else tuple(select)

    def _digest(self) -> str:
        said = {
            "mapping": _MAPPING,
            "base": str(self.settings.base_dn),
            "attributes": sorted(self.attributes),
            "guests": self.settings.guests,
            "groups": self.settings.groups,
            "select": {collection: self._selects[collection] for collection in self.collections},
        }
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
