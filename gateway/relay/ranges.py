"""Attributes that a server gives in ranges of their values, put together (MS-ADTS 3.1.1.3.1.3.3).

Windows gives at most 1,500 values at once: `member;range=0-1499`, and an empty `member` beside it. The others are
asked for as `member;range=1500-*`, until an answer ends in `-*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.ldap.dn import DNError, parse
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, Attribute, SearchRequest, SearchResultEntry

_RANGE = re.compile(r"range=([0-9]{1,10})-([0-9]{1,10}|\*)\Z", re.IGNORECASE)


def has_range(description: str) -> bool:
    return ";" in description and split_range(description) is not None


def split_range(description: str) -> tuple[str, int, bool] | None:
    """The description without its range, where the range begins, and whether it is the last; None without one."""
    options = description.split(";")
    for i, option in enumerate(options):
        match = _RANGE.match(option)
        if match is not None:
            return ";".join(options[:i] + options[i + 1 :]), int(match[1]), match[2] == "*"
    return None


class EntryChanged(Exception):
    """The server's answer does not continue the range: the attribute or the entry is not what it was."""


@dataclass(slots=True)
class _Values:
    description: str
    values: list[bytes] = field(default_factory=list, repr=False)
    complete: bool = False


class RangedEntry:
    """One entry, from its first answer until every permitted attribute is whole.

    permits: of an attribute description; attributes that are not permitted are not kept.
    """

    def __init__(self, entry: SearchResultEntry, permits: Callable[[str], bool]) -> None:
        """Raises DecodeError for an entry that no such answer can begin with."""
        try:
            self._dn = parse(entry.dn)
        except DNError as error:
            raise DecodeError(f"the DN of an entry: {error}") from None
        self._as_sent = entry.dn
        self._whole: list[Attribute] = []
        self._ranged: dict[str, _Values] = {}
        for attribute in entry.attributes:
            if not permits(attribute.type):
                continue
            found = split_range(attribute.type)
            if found is None:
                self._whole.append(attribute)
                continue
            description, first, last = found
            if first != 0 or description.lower() in self._ranged:
                raise DecodeError("a range of values that nobody asked for")
            self._ranged[description.lower()] = _Values(description, list(attribute.values), last)
        for attribute in list(self._whole):
            if attribute.type.lower() in self._ranged:
                if attribute.values:
                    raise DecodeError("an attribute both whole and in ranges")
                self._whole.remove(attribute)

    def next_request(self) -> SearchRequest | None:
        """Asks for the next values that are missing; None once the entry is whole."""
        for ranged in self._ranged.values():
            if not ranged.complete:
                name = f"{ranged.description};range={len(ranged.values)}-*"
                return SearchRequest(str(self._dn), BASE_OBJECT, Present("objectClass"), (name,))
        return None

    def add(self, answer: SearchResultEntry) -> int:
        """Takes the answer to next_request; returns the octets of the new values. Raises EntryChanged, also where the
        answer is another entry's: its values would pass for this one's."""
        if not self._is_of(answer.dn):
            raise EntryChanged
        ranged = next(ranged for ranged in self._ranged.values() if not ranged.complete)
        for attribute in answer.attributes:
            found = split_range(attribute.type)
            if found is None or found[0].lower() != ranged.description.lower():
                continue
            if found[1] != len(ranged.values) or not attribute.values:
                break
            ranged.values.extend(attribute.values)
            ranged.complete = found[2]
            return sum(map(len, attribute.values))
        raise EntryChanged

    def _is_of(self, dn: str) -> bool:
        try:
            return parse(dn).same(self._dn)
        except DNError:
            return False

    def whole(self) -> SearchResultEntry:
        ranged = [Attribute(ranged.description, tuple(ranged.values)) for ranged in self._ranged.values()]
        return SearchResultEntry(self._as_sent, (*self._whole, *ranged))
