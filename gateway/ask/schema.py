"""The attribute types that a directory knows (RFC 4512 4.2), and the nearest ones to a name that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from gateway.ask.attributes import texts
from gateway.ask.connection import Connection
from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest

# AttributeTypeDescription of RFC 4512 4.1.2, its beginning: OID and names, one or several.
_DESCRIPTION: Final = re.compile(r"\s*\(\s*(\S+)\s+NAME\s+(?:'([^']+)'|\(([^)]*)\))")
_QUOTED: Final = re.compile(r"'([^']+)'")
_SUPERTYPE: Final = re.compile(r"\sSUP\s+([^\s()]+)")


class Schema:
    """The attribute types of a directory's schema.

    names: as the directory writes them, by each name in lower case and by OID. supertypes: of each type that has one,
    by canonical names.
    """

    def __init__(self, descriptions: Iterable[str]) -> None:
        self.names: dict[str, str] = {}
        self.supertypes: dict[str, str] = {}
        for description in descriptions:
            found = _DESCRIPTION.match(description)
            if found is None:
                continue
            oid, single, several = found.groups()
            names = [single] if single else _QUOTED.findall(several or "")
            self.names.update({name.lower(): name for name in names})
            self.names.setdefault(oid, names[0] if names else oid)
            above = _SUPERTYPE.search(_QUOTED.sub("", description))
            if above is not None and names:
                self.supertypes[canonical_type(names[0])] = canonical_type(above[1])

    def knows(self, name: str) -> bool:
        """Under any of the names that the gateway takes for the same type."""
        return name.lower() in self.names or canonical_type(name) in self.names

    def subtypes(self, name: str) -> tuple[str, ...]:
        """All types that the directory derives from this one, in its spelling, in their order there."""
        kind = canonical_type(name)
        return tuple(self.names.get(each, each) for each in self.supertypes if self._is_below(each, kind))

    def _is_below(self, kind: str, other: str) -> bool:
        # RFC 4512 2.5.1 has no circles; a server might.
        for _ in range(len(self.supertypes)):
            above = self.supertypes.get(kind)
            if above is None or above == other:
                return above is not None
            kind = above
        return False

    def nearest(self, name: str, count: int = 2) -> tuple[str, ...]:
        close = get_close_matches(name.lower(), self.names, n=count, cutoff=0.7)
        return tuple(dict.fromkeys(self.names[each] for each in close))


async def read_schema(connection: Connection, subschema: str) -> Schema | None:
    """subschema: the root DSE's subschemaSubentry. None where it cannot be read. Raises ConnectionFailed."""
    request = SearchRequest(subschema, BASE_OBJECT, Present("objectClass"), ("attributeTypes",))
    answer = await connection.search(request)
    if not answer.complete or not answer.entries:
        return None
    schema = Schema(texts(answer.entries[0], "attributeTypes"))
    return schema if schema.names else None
