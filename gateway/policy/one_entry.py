"""The answer to a read of one entry by its name."""

from __future__ import annotations

from gateway.ldap.attribute_types import base_type
from gateway.ldap.dn import DNError, parse
from gateway.ldap.messages import SearchRequest, SearchResultEntry


def as_asked(entry: SearchResultEntry, request: SearchRequest) -> SearchResultEntry | None:
    """The entry with the attributes that the request names, under the request's base, however the server spells the
    name. None where the server answered with another entry."""
    try:
        if not parse(entry.dn).same_loosely(parse(request.base)):
            return None
    except DNError:
        return None
    wanted = {base_type(name) for name in request.attributes}
    kept = tuple(attribute for attribute in entry.attributes if base_type(attribute.type) in wanted)
    return SearchResultEntry(request.base, kept)
