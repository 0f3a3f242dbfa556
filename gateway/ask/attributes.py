"""Values of entries that a tool has read, as text."""

from __future__ import annotations

from gateway.ldap.attribute_types import base_type, canonical_type
from gateway.ldap.messages import SearchResultEntry


def texts(entry: SearchResultEntry, name: str) -> tuple[str, ...]:
    """All values of an attribute, under any of its names; octets that are not UTF-8 become U+FFFD."""
    wanted = canonical_type(name)
    return tuple(
        value.decode("utf-8", "replace")
        for attribute in entry.attributes
        if base_type(attribute.type) == wanted
        for value in attribute.values
    )


def text(entry: SearchResultEntry, name: str) -> str:
    """The first value, "" where there is none."""
    return next(iter(texts(entry, name)), "")
