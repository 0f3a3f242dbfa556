"""The response path: raw SearchResultEntry messages in, allowed attributes out.

Values never become Python objects. Every tag and length is checked; DN, attribute types and values are
copied as octets, and all lengths are written anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.ldap import ber
from gateway.ldap.controls import Control, read_controls, write_controls
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import SEARCH_ENTRY, Envelope

# Spellings of attribute descriptions whose decision is remembered; a directory has a few hundred.
REMEMBERED_TYPES: Final = 1000

MAX_RESPONSE_CONTROLS: Final = 64


# What rewrite gives in place of a message.
HELD_BACK: Final = b""
RANGED: Final = b"\0"


class Tally:
    """What one search has sent, by the number that permits_attribute gives: entries that had an attribute, and
    values of it. sent: entries in all. octets: of the messages that they were sent in."""

    __slots__ = ("entries", "octets", "sent", "values")

    def __init__(self, attributes: int) -> None:
        self.sent: int = 0
        self.octets: int = 0
        self.entries: list[int] = [0] * attributes
        self.values: list[int] = [0] * attributes

    def count(self, number: int, values: int) -> None:
        """One entry more that has so many values of an attribute."""
        if values:
            self.entries[number] += 1
            self.values[number] += values


class EntryFilter:
    """attribute_number: of an attribute description, from 0; -1 for one that is not permitted. permits_dn: of an
    entry's DN; raises DecodeError where it cannot tell. keep_controls: those of an entry's controls that go on."""

    def __init__(
        self,
        attribute_number: Callable[[str], int],
        permits_dn: Callable[[str], bool],
        keep_controls: Callable[[tuple[Control, ...]], tuple[Control, ...]],
    ) -> None:
        self._attribute_number = attribute_number
        self._permits_dn = permits_dn
        self._keep_controls = keep_controls
        # Of a description in the server's spelling: its number, and whether it is a range of values.
        self._decided: dict[bytes, tuple[int, bool]] = {}

    def rewrite(self, data: bytes, envelope: Envelope, message_id: int, tally: Tally, ranges: bool) -> bytes:
        """The whole message for the client, under its message ID, counted in tally.

        data is one whole message with a SearchResultEntry in it. HELD_BACK stands for an entry that the client
        may not see; RANGED for one that it may see and that has a permitted attribute in ranges (MS-ADTS
        3.1.1.3.1.3.3), unless ranges says that these pass as they are. Raises DecodeError.
        """
        body = ber.Reader(data, envelope.start, envelope.end)
        dn = body.octets()
        attributes = body.enter(ber.SEQUENCE)
        body.finish()
        kept: list[bytes] = []
        counts: list[tuple[int, int]] = []
        ranged = False
        while not attributes.at_end():
            item = attributes.enter(ber.SEQUENCE)
            description = item.octets()
            values = item.enter(ber.SET)
            item.finish()
            copied, count = _copy_values(values)
            number, is_range = self._decide(description)
            if number < 0:
                continue
            if is_range and not ranges:
                ranged = True
            kept.append(ber.element(ber.SEQUENCE, ber.octets(description) + ber.element(ber.SET, copied)))
            counts.append((number, count))
        rest = ber.Reader(data, envelope.end)
        controls = read_controls(rest, MAX_RESPONSE_CONTROLS)
        rest.finish()
        if not self._permits_dn(_text(dn)):
            return HELD_BACK
        if ranged:
            return RANGED
        tally.sent += 1
        for number, count in counts:
            tally.count(number, count)
        entry = ber.element(SEARCH_ENTRY, ber.octets(dn) + ber.element(ber.SEQUENCE, b"".join(kept)))
        contents = ber.integer(message_id) + entry
        if controls:
            contents += write_controls(self._keep_controls(controls))
        return ber.element(ber.SEQUENCE, contents)

    def _decide(self, description: bytes) -> tuple[int, bool]:
        known = self._decided.get(description)
        if known is not None:
            return known
        decided = (self._attribute_number(_text(description)), b";range=" in description.lower())
        if len(self._decided) >= REMEMBERED_TYPES:
            self._decided.clear()
        self._decided[description] = decided
        return decided


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise DecodeError("a DN or an attribute description is not UTF-8")


def _copy_values(values: ber.Reader) -> tuple[bytes, int]:
    """The contents of a SET OF values, each checked, its length in the shortest form; and how many they are."""
    data = values.data
    pos = first = values.pos
    end = values.end
    canonical = True
    count = 0
    while pos < end:
        count += 1
        tag, start, after = ber.read_header(data, pos, end)
        if tag != ber.OCTET_STRING:
            raise DecodeError(f"tag 0x{tag:02x} where a value was expected, at octet {pos}")
        if start - pos != 2 and after - start < 0x80:
            canonical = False
        elif start - pos > 3:
            canonical = canonical and (after - start) >> (8 * (start - pos - 3)) != 0
        pos = after
    if canonical:
        return data[first:end], count
    copied: list[bytes] = []
    pos = first
    while pos < end:
        _, start, after = ber.read_header(data, pos, end)
        copied.append(ber.octets(data[start:after]))
        pos = after
    return b"".join(copied), count
