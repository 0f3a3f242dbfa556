"""The people, groups and contacts of a made-up tenant, with all that has happened to them.

What happens is written to a journal. A delta query tells what the journal has behind a certain place; the rest of Graph
tells how things are now. Objects are values: a change puts another one in the place of the old one, so that the journal
can keep what was so without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

Properties: TypeAlias = Mapping[str, Any]


class Kind(StrEnum):
    """A collection of Graph, by its name in URLs."""

    users = "users"
    groups = "groups"
    contacts = "contacts"


# The annotation by which Graph says what a link leads to.
ODATA_TYPE: Final = {
    Kind.users: "#microsoft.graph.user",
    Kind.groups: "#microsoft.graph.group",
    Kind.contacts: "#microsoft.graph.orgContact",
}

# The relationship that a delta query of the collection can follow.
RELATION: Final = {Kind.users: "manager", Kind.groups: "members", Kind.contacts: None}


class Removal(StrEnum):
    """How an object went, in the words of `@removed`: it can be restored, or it cannot."""

    soft = "changed"
    hard = "deleted"


@dataclass(frozen=True, slots=True)
class TenantObject:
    """An object of the tenant. properties: what was ever set, None for what was set to null since. removed: None while
    it is there."""

    id: str
    kind: Kind
    properties: Properties
    removed: Removal | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """An entry of the journal: the object is so from now on. reported: whether a delta query tells it."""

    object: TenantObject
    reported: bool = True


@dataclass(frozen=True, slots=True)
class Linked:
    """An entry of the journal: a link of the object at `source` was made, or it ended."""

    source: str
    kind: Kind
    target: str
    present: bool


Entry: TypeAlias = Changed | Linked


class Tenant:
    """A tenant that can be changed while somebody reads it.

    objects: by id, also those that were removed; what was removed for good is not among them. links: by the object's id
    the ids that its relation leads to, in order; also those of objects that are gone. journal: all that has happened.
    """

    def __init__(self) -> None:
        self.objects: dict[str, TenantObject] = {}
        self.links: dict[str, dict[str, None]] = {}
        self.journal: list[Entry] = []

    def add(self, kind: Kind, id: str, properties: Properties) -> TenantObject:
        if id in self.objects:
            raise ValueError(f"{id} is there already")
        return self._put(TenantObject(id, kind, properties))

    def change(self, id: str, properties: Properties) -> None:
        """properties: what is set, None for null; the others stay."""
        old = self.objects[id]
        self._put(replace(old, properties={**old.properties, **properties}))

    def remove(self, id: str) -> None:
        """A removal from which the object can come back. Its links and those to it stay, and no delta query tells of
        them."""
        self._put(replace(self.objects[id], removed=Removal.soft))

    def restore(self, id: str, *, reported: bool = True) -> None:
        self._put(replace(self.objects[id], removed=None), reported=reported)

    def purge(self, id: str) -> None:
        """A removal for good."""
        gone = replace(self.objects.pop(id), removed=Removal.hard)
        self.links.pop(id, None)
        for targets in self.links.values():
            targets.pop(id, None)
        self.journal.append(Changed(gone))

    def link(self, source: str, target: str) -> None:
        """Makes `target` a member of the group, or the manager of the person, at `source`."""
        found = self.objects[source]
        targets = self.links.setdefault(source, {})
        if target in targets:
            return
        if found.kind is Kind.users:
            for old in list(targets):
                self.unlink(source, old)
        targets[target] = None
        self.journal.append(Linked(source, found.kind, target, True))

    def unlink(self, source: str, target: str) -> None:
        del self.links[source][target]
        self.journal.append(Linked(source, self.objects[source].kind, target, False))

    def present(self, kind: Kind) -> Iterator[TenantObject]:
        """Those that Graph lists, in the order in which they were made."""
        return (each for each in self.objects.values() if each.kind is kind and each.removed is None)

    def type_of(self, id: str) -> str:
        """The annotation for a link to the object; one that is gone for good was a person."""
        found = self.objects.get(id)
        return ODATA_TYPE[Kind.users if found is None else found.kind]

    def _put(self, found: TenantObject, *, reported: bool = True) -> TenantObject:
        self.objects[found.id] = found
        self.journal.append(Changed(found, reported))
        return found
