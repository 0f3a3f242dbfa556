"""The attribute types that a directory knows (RFC 4512 4.2), and the nearest ones to a name that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest
from gateway.probe.attributes import texts
from gateway.probe.connection import Connection

# AttributeTypeDescription of RFC 4512 4.1.2, its beginning: OID and names, one or several.
_DESCRIPTION: Final = re.compile(r"\s*\(\s*(\S+)\s+NAME\s+(?:'([^']+)'|\(([^)]*)\))")
_QUOTED: Final = re.compile(r"'([^']+)'")


class Schema:
    """names: as the directory writes them."""

    def __init__(self, descriptions: Iterable[str]) -> None:
        self.names: dict[str, str] = {}
        for description in descriptions:
            found = _DESCRIPTION.match(description)
            if found is None:
                continue
            oid, single, several = found.groups()
            names = [single] if single else _QUOTED.findall(several or "")
            self.names.update({name.lower(): name for name in names})
            self.names.setdefault(oid, names[0] if names else oid)

    def knows(self, name: str) -> bool:
        """Under any of the names that the gateway takes for the same type."""
        return name.lower() in self.names or canonical_type(name) in self.names

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
