"""What a search shows of an entry: the attributes that it asks for (RFC 4511 4.5.1.8), as they go out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gateway.entra.packed import Packed, pack, split_values
from gateway.entra.schema import TYPES, find_type, served_type
from gateway.ldap import ber
from gateway.ldap.attribute_types import split_description
from gateway.ldap.messages import NO_ATTRIBUTES, SEARCH_ENTRY

_ALL: Final = "*"
_OPERATIONAL: Final = "+"
_BINARY: Final = "binary"
# MS-ADTS 3.1.1.3.1.3.3: values from one number to another one, the last one included.
_RANGE: Final = re.compile(r"range=([0-9]{1,9})-([0-9]{1,9}|\*)\Z", re.IGNORECASE)
_SUBSCHEMA: Final = served_type("subschemaSubentry")


class Selection:
    """The attributes that one search asks for.

    names: as they stand in the request; an empty list asks for all but the operational ones. types_only: no values are
    shown. subschema: the name of the entry that holds the schema, which each entry has as an operational attribute.
    """

    def __init__(self, names: Iterable[str], types_only: bool, subschema: str) -> None:
        listed = [name for name in names if name != NO_ATTRIBUTES]
        self._types_only = types_only
        self._all = _ALL in listed or (not listed and NO_ATTRIBUTES not in names)
        self._operational = _OPERATIONAL in listed
        # Of each description that asks for an attribute by its name: its options, by the type.
        self._named: dict[int, set[str]] = {}
        for name in listed:
            parts = split_description(name)
            type = None if parts is None else find_type(parts[0])
            if parts is not None and type is not None:
                self._named.setdefault(type.number, set()).add(";".join(parts[1]).lower())
        self._own = Packed(pack([(_SUBSCHEMA, [subschema.encode()])]))

    def write(self, dn: str, entry: Packed) -> bytes:
        """The SearchResultEntry of an entry."""
        if self._all and not self._named and not self._operational and not self._types_only:
            shown = entry.whole()
        else:
            shown = b"".join([*self._shown(entry), *self._shown_own(entry)])
        return ber.element(SEARCH_ENTRY, ber.text(dn) + ber.element(ber.SEQUENCE, shown))

    def _shown(self, entry: Packed) -> Iterable[bytes]:
        wanted: Iterable[int] = entry.numbers if self._all or self._operational else self._named
        for number in wanted:
            if number not in entry:
                continue
            options = self._named.get(number)
            if options is None:
                if self._all or (self._operational and TYPES[number].operational):
                    yield self._whole(entry, number)
                continue
            for option in options:
                yield self._with_option(entry, number, option)

    def _shown_own(self, entry: Packed) -> Iterable[bytes]:
        number = _SUBSCHEMA.number
        if (self._operational or number in self._named) and number not in entry:
            yield self._whole(self._own, number)

    def _whole(self, entry: Packed, number: int) -> bytes:
        return _partial(TYPES[number].name, b"") if self._types_only else entry.partial(number)

    def _with_option(self, entry: Packed, number: int, option: str) -> bytes:
        """b"" for an option that no value here has."""
        if not option:
            return self._whole(entry, number)
        name, contents = TYPES[number].name, entry.values_octets(number)
        if option == _BINARY:
            return _partial(f"{name};{_BINARY}", b"" if self._types_only else contents)
        found = _RANGE.match(option)
        if found is None or not TYPES[number].multiple:
            return b""
        values = split_values(contents)
        first = int(found[1])
        last = len(values) - 1 if found[2] == "*" else int(found[2])
        if not values[first : last + 1]:
            return b""
        end = "*" if last >= len(values) - 1 else str(last)
        part = b"" if self._types_only else b"".join([ber.octets(value) for value in values[first : last + 1]])
        return _partial(f"{name};range={first}-{end}", part)


def _partial(description: str, contents: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.text(description) + ber.element(ber.SET, contents))
