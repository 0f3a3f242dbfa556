"""The entries of the copy, as attributes of LDAP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from gateway.entra.identifiers import guid_octets
from gateway.entra.mapping import MANAGER, MEMBER, MEMBER_OF, Document
from gateway.entra.names import Container, container_dn, container_id, plain_name
from gateway.entra.properties import Collection
from gateway.entra.wanted import Wanted
from gateway.ldap.dn import DN, HexValue

Attributes: TypeAlias = dict[str, Sequence[bytes]]
# Classes, and the category by its first name.
_Above: TypeAlias = tuple[tuple[bytes, ...], str]

_CLASSES: Final[Mapping[Collection, tuple[bytes, ...]]] = {
    Collection.users: (b"top", b"person", b"organizationalPerson", b"user"),
    Collection.groups: (b"top", b"group"),
    Collection.contacts: (b"top", b"person", b"organizationalPerson", b"contact"),
}
_CATEGORIES: Final[Mapping[Collection, str]] = {
    Collection.users: "Person",
    Collection.groups: "Group",
    Collection.contacts: "Person",
}
# By the type of an RDN what an entry above the objects is.
_ABOVE: Final[Mapping[str, _Above]] = {
    "dc": ((b"top", b"domain", b"domainDNS"), "Domain-DNS"),
    "ou": ((b"top", b"organizationalUnit"), "Organizational-Unit"),
    "o": ((b"top", b"organization"), "Organization"),
}
_CONTAINER: Final[_Above] = ((b"top", b"container"), "Container")


@dataclass(frozen=True, slots=True)
class Links:
    """What the links of an object lead to, and come from, as DNs of entries that are shown."""

    manager: Sequence[bytes] = ()
    members: Sequence[bytes] = ()
    member_of: Sequence[bytes] = ()


def generalized_seconds(moment: float) -> bytes:
    """Seconds since the epoch as GeneralizedTime in AD's form."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y%m%d%H%M%S.0Z").encode()


class EntryMaker:
    """Makes the attributes of entries, all but whenChanged."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._base = wanted.settings.base_dn
        schema = f"CN=Schema,CN=Configuration,{self._base}"
        self._category = {name: f"CN={name},{schema}".encode() for name in (*_CATEGORIES.values(), "Container")}
        self._category |= {name: f"CN={name},{schema}".encode() for _, name in _ABOVE.values()}

    def containers(self) -> dict[str, tuple[str, Attributes]]:
        """By id the DN and the attributes of the entries above the objects, the base first."""
        names = [self._base]
        names += [container_dn(self._base, each) for each in Container if self._has(each)]
        return {container_id(str(dn)): (str(dn), self._above(dn)) for dn in names}

    def make(self, collection: Collection, id: str, document: Document, cn: str, dn: str, links: Links) -> Attributes:
        """cn: that of the RDN. What the object is called now is the first value of `cn`."""
        name, plain = cn.encode(), plain_name(document)
        made: Attributes = {
            "objectClass": _CLASSES[collection],
            "objectCategory": (self._category[_CATEGORIES[collection]],),
            "cn": (plain.encode(), name) if plain else (name,),
            "name": (name,),
            "distinguishedName": (dn.encode(),),
            "objectGUID": (guid_octets(id),),
        }
        for attribute, source in self._wanted.sources(collection):
            values = source.values(id, document)
            if values:
                made[attribute] = values
        if links.manager:
            made[MANAGER] = links.manager
        if links.members:
            made[MEMBER] = links.members
        if links.member_of:
            made[MEMBER_OF] = links.member_of
        return made

    def _has(self, container: Container) -> bool:
        if container is Container.guests:
            return self._wanted.settings.guests
        return container is not Container.contacts or self._wanted.settings.contacts

    def _above(self, dn: DN) -> Attributes:
        classes, category = _CONTAINER
        made: Attributes = {}
        if dn.rdns:
            first = dn.rdns[0][0]
            kind = first.type.lower()
            classes, category = _ABOVE.get(kind, _CONTAINER)
            value = b"" if isinstance(first.value, HexValue) else first.value.encode()
            made = {kind: (value,), "name": (value,)}
        return {
            "objectClass": classes,
            "objectCategory": (self._category[category],),
            "distinguishedName": (str(dn).encode(),),
            "objectGUID": (UUID(container_id(str(dn))).bytes_le,),
            **made,
        }
