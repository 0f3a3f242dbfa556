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


class EntryFilter:
    """permits_attribute: of an attribute description. permits_dn: of an entry's DN; raises DecodeError where it
    cannot tell. keep_controls: those of an entry's controls that go on."""

    def __init__(
        self,
        permits_attribute: Callable[[str], bool],
        permits_dn: Callable[[str], bool],
        keep_controls: Callable[[tuple[Control, ...]], tuple[Control, ...]],
    ) -> None:
        self._permits_attribute = permits_attribute
        self._permits_dn = permits_dn
        self._keep_controls = keep_controls
        self._decided: dict[bytes, bool] = {}

    def rewrite(self, data: bytes, envelope: Envelope, message_id: int) -> bytes | None:
        """The whole message for the client, under its message ID; None for an entry that it may not see.

        data is one whole message with a SearchResultEntry in it. Raises DecodeError.
        """
        body = ber.Reader(data, envelope.start, envelope.end)
        dn = body.octets()
        attributes = body.enter(ber.SEQUENCE)
        body.finish()
        kept: list[bytes] = []
        while not attributes.at_end():
            item = attributes.enter(ber.SEQUENCE)
            description = item.octets()
            values = item.enter(ber.SET)
            item.finish()
            copied = _copy_values(values)
            if self._permits(description):
                kept.append(ber.element(ber.SEQUENCE, ber.octets(description) + ber.element(ber.SET, copied)))
        rest = ber.Reader(data, envelope.end)
        controls = read_controls(rest, MAX_RESPONSE_CONTROLS)
        rest.finish()
        if not self._permits_dn(_text(dn)):
            return None
        entry = ber.element(SEARCH_ENTRY, ber.octets(dn) + ber.element(ber.SEQUENCE, b"".join(kept)))
        contents = ber.integer(message_id) + entry
        if controls:
            contents += write_controls(self._keep_controls(controls))
        return ber.element(ber.SEQUENCE, contents)

    def _permits(self, description: bytes) -> bool:
        known = self._decided.get(description)
        if known is not None:
            return known
        permitted = self._permits_attribute(_text(description))
        if len(self._decided) >= REMEMBERED_TYPES:
            self._decided.clear()
        self._decided[description] = permitted
        return permitted


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise DecodeError("a DN or an attribute description is not UTF-8")


def _copy_values(values: ber.Reader) -> bytes:
    """The contents of a SET OF values: each checked, its length in the shortest form."""
    data = values.data
    pos = first = values.pos
    end = values.end
    canonical = True
    while pos < end:
        tag, start, after = ber.read_header(data, pos, end)
        if tag != ber.OCTET_STRING:
            raise DecodeError(f"tag 0x{tag:02x} where a value was expected, at octet {pos}")
        if start - pos != 2 and after - start < 0x80:
            canonical = False
        elif start - pos > 3:
            canonical = canonical and (after - start) >> (8 * (start - pos - 3)) != 0
        pos = after
    if canonical:
        return data[first:end]
    copied: list[bytes] = []
    pos = first
    while pos < end:
        _, start, after = ber.read_header(data, pos, end)
        copied.append(ber.octets(data[start:after]))
        pos = after
    return b"".join(copied)
