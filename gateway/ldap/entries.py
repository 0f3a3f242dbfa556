"""The response path: raw SearchResultEntry messages in, allowed attributes out.

Values never become Python objects. Every tag and length is checked; DN, attribute types and values are copied as
octets, and all lengths are written in their shortest form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from gateway.ldap import ber
from gateway.ldap.controls import read_controls
from gateway.ldap.decoding import Envelope
from gateway.ldap.dn import MAX_CHARACTERS
from gateway.ldap.entry_stream import EntryStream
from gateway.ldap.errors import DecodeError
from gateway.ldap.first_rdn import end_of_first_rdn
from gateway.ldap.framing import Framer, message_size
from gateway.ldap.messages import SEARCH_ENTRY

if TYPE_CHECKING:
    from mypy_extensions import i64

# Spellings of attribute descriptions whose decision is remembered; a directory has a few hundred.
REMEMBERED_TYPES: Final = 1000
# Containers whose decision is remembered, and the octets of such a name.
REMEMBERED_PARENTS: Final = 4096
LONGEST_PARENT: Final = 512

MAX_RESPONSE_CONTROLS: Final = 64

# What becomes of an entry. SENT; HELD_BACK: the client may not see it; RANGED: it may, and a permitted attribute is
# in ranges (MS-ADTS 3.1.1.3.1.3.3), which do not pass as they are, or such an entry came before it in a sorted search;
# TOO_MANY, TOO_LARGE: beyond a limit of its stream; CARRIED: for the client's next page; LOOSELY_INSIDE: its
# name is inside an allowed base by loose comparison alone, so whether the client may see it depends on the server.
SENT: Final = 0
HELD_BACK: Final = 1
RANGED: Final = 2
TOO_MANY: Final = 3
TOO_LARGE: Final = 4
CARRIED: Final = 5
LOOSELY_INSIDE: Final = 6

# What a DN means for its entry, and of the entries directly below it. HIDDEN: the client may not see it; SEEN: it may;
# LOOSE: the name is inside an allowed base by loose comparison alone; EACH_BY_ITSELF: it depends on the entry.
HIDDEN: Final = 0
SEEN: Final = 1
LOOSE: Final = 2
EACH_BY_ITSELF: Final = 3


@final
class _Description:
    """What is known of an attribute description in the server's spelling: its number, whether it is a range of values,
    and its encoding."""

    __slots__ = ("element", "number", "ranged")

    def __init__(self, number: int, ranged: bool, element: bytes) -> None:
        self.number: i64 = number
        self.ranged: bool = ranged
        self.element: bytes = element


@final
class EntryFilter:
    """The way of a client's entries, with what was decided on before remembered.

    attribute_number: of an attribute description, from 0; -1 for one that is not permitted. judge_dn: HIDDEN, SEEN or
    LOOSE, of an entry's DN; raises DecodeError where it cannot tell. judge_below: the same of the entries directly
    below a DN, or EACH_BY_ITSELF; raises DecodeError as well. No control that is understood comes with an entry, so
    none goes on.
    """

    def __init__(
        self,
        attribute_number: Callable[[str], int],
        judge_dn: Callable[[str], int],
        judge_below: Callable[[str], int],
    ) -> None:
        self._attribute_number = attribute_number
        self._judge_dn = judge_dn
        self._judge_below = judge_below
        self._descriptions: dict[bytes, _Description] = {}
        self._parents: dict[bytes, int] = {}

    def relay(self, framer: Framer, streams: dict[int, EntryStream], pieces: list[bytes]) -> bytes | None:
        """Passes entries on for as long as there is nothing but to send them or to hold them back.

        streams: by the server's message IDs. pieces: takes the octets for the client, counted in their streams.
        Returns the first message of another kind, or whose entry must be looked at by itself (see judge), None if more
        must arrive. Raises DecodeError for what cannot be a message; the stream of messages is then unusable.
        """
        if streams and framer.gather():
            framer.skip(self._pass_entries(framer.data, framer.pos, framer.limit, streams, pieces))
        return framer.next_message()

    def judge(self, data: bytes, envelope: Envelope, stream: EntryStream, pieces: list[bytes]) -> int:
        """Passes one whole message with a SearchResultEntry on, counted in its stream, or says why not.

        Nothing is added to pieces unless it is SENT. Raises DecodeError.
        """
        stream.received += 1
        rest = ber.Reader(data, envelope.end)
        read_controls(rest, MAX_RESPONSE_CONTROLS)
        rest.finish()
        before = len(pieces)
        try:
            outcome = self._entry(data, envelope.start, envelope.end, stream, pieces)
        except DecodeError:
            del pieces[before:]
            raise
        if outcome != SENT:
            del pieces[before:]
        if outcome in (RANGED, CARRIED):
            stream.passed += 1
        if outcome == CARRIED:
            stream.carried += 1
        return outcome

    def _pass_entries(
        self, data: bytes, pos: i64, limit: i64, streams: dict[int, EntryStream], pieces: list[bytes]
    ) -> i64:
        """Where the first message begins that is not done with. Each one is either done with or has left no trace.

        For speed this does once more what `Framer.next_message` and `read_envelope` do, without making a message or an
        envelope. Whatever it does not know it leaves to these two. `test_both_ways_do_the_same_with_mutants` and its
        neighbours in tests/ldap/test_entries.py hold the two ways equal.
        """
        end: i64 = len(data)
        while pos < end:
            kept = len(pieces)
            try:
                size = message_size(data, pos)
                if size == 0 or size > limit or size > end - pos:
                    break
                after = pos + size
                _, pos_id, _ = ber.read_header(data, pos, after)
                tag, start_id, end_id = ber.read_header(data, pos_id, after)
                message_id = _plain_integer(data, start_id, end_id) if tag == ber.INTEGER else -1
                stream = streams.get(message_id)
                if stream is None:
                    break
                tag, start, stop = ber.read_header(data, end_id, after)
                if tag != SEARCH_ENTRY or stop != after:
                    break
                outcome = self._entry(data, start, stop, stream, pieces)
            except DecodeError:
                # It is raised once more when the message is looked at by itself.
                del pieces[kept:]
                break
            if outcome != SENT:
                del pieces[kept:]
                if outcome != HELD_BACK:
                    break
            stream.received += 1
            pos = after
        return pos

    def _entry(self, data: bytes, start: i64, end: i64, stream: EntryStream, pieces: list[bytes]) -> i64:
        """Judges the SearchResultEntry whose contents are data[start:end]; counts and writes it if it is SENT.
        Otherwise, and where it raises DecodeError, what it has added to pieces is of no use."""
        tag, dn, dn_end = ber.read_header(data, start, end)
        if tag != ber.OCTET_STRING:
            raise _unexpected(tag, start)
        tag, pos, stop = ber.read_header(data, dn_end, end)
        if tag != ber.SEQUENCE or stop != end:
            raise _unexpected(tag, dn_end)
        head = len(pieces)
        pieces.append(b"")
        # Octets of the permitted attributes as they are written.
        size: i64 = 0
        # Where the permitted attributes begin that lie side by side and are copied as they are; -1 for none.
        run: i64 = -1
        numbers: list[int] = []
        counts: list[int] = []
        ranged = False
        while pos < stop:
            tag, inner, after = ber.read_header(data, pos, stop)
            if tag != ber.SEQUENCE:
                raise _unexpected(tag, pos)
            tag, name, name_end = ber.read_header(data, inner, after)
            if tag != ber.OCTET_STRING:
                raise _unexpected(tag, inner)
            tag, first, last = ber.read_header(data, name_end, after)
            if tag != ber.SET or last != after:
                raise _unexpected(tag, name_end)
            count: i64 = 0
            shortest = True
            value = first
            while value < last:
                tag, begin, value_end = ber.read_header(data, value, last)
                if tag != ber.OCTET_STRING:
                    raise _unexpected(tag, value)
                if begin - value != 2 and not _is_shortest(value, begin, value_end):
                    shortest = False
                count += 1
                value = value_end
            described = self._describe(data[name:name_end])
            if described.number < 0:
                if run >= 0:
                    pieces.append(data[run:pos])
                    run = -1
            else:
                numbers.append(described.number)
                counts.append(count)
                ranged = ranged or described.ranged
                if (
                    shortest
                    and _is_shortest(pos, inner, after)
                    and _is_shortest(inner, name, name_end)
                    and _is_shortest(name_end, first, last)
                ):
                    size += after - pos
                    if run < 0:
                        run = pos
                else:
                    if run >= 0:
                        pieces.append(data[run:pos])
                        run = -1
                    values = data[first:last] if shortest else _values_anew(data, first, last)
                    written = described.element + ber.header(ber.SET, len(values))
                    written = ber.header(ber.SEQUENCE, len(written) + len(values)) + written
                    size += len(written) + len(values)
                    pieces.append(written)
                    pieces.append(values)
            pos = after
        if run >= 0:
            pieces.append(data[run:stop])
        verdict = self._verdict(data, dn, dn_end)
        if verdict != SEEN:
            return LOOSELY_INSIDE if verdict == LOOSE else HELD_BACK
        if 0 <= stream.page <= stream.passed:
            return CARRIED
        if 0 <= stream.most <= stream.passed:
            return TOO_MANY
        if (ranged and not stream.ranges) or stream.waits:
            stream.waits = stream.in_order
            return RANGED
        opening = ber.octets(data[dn:dn_end]) + ber.header(ber.SEQUENCE, size)
        opening = stream.message_id + ber.header(SEARCH_ENTRY, len(opening) + size) + opening
        opening = ber.header(ber.SEQUENCE, len(opening) + size) + opening
        size += len(opening)
        tally = stream.tally
        if 0 < stream.octet_limit < tally.octets + size:
            return TOO_LARGE
        pieces[head] = opening
        for i in range(len(numbers)):
            tally.count(numbers[i], counts[i])
        tally.sent += 1
        tally.octets += size
        stream.passed += 1
        stream.sent += 1
        stream.octets += size
        return SENT

    def _describe(self, octets: bytes) -> _Description:
        known = self._descriptions.get(octets)
        if known is not None:
            return known
        number = self._attribute_number(_text(octets))
        known = _Description(number, b";range=" in octets.lower(), ber.octets(octets))
        if len(self._descriptions) >= REMEMBERED_TYPES:
            self._descriptions.clear()
        self._descriptions[octets] = known
        return known

    def _verdict(self, data: bytes, start: i64, end: i64) -> int:
        """HIDDEN, SEEN or LOOSE, of the entry whose DN is data[start:end]."""
        comma = end_of_first_rdn(data, start, end)
        if comma > 0 and end - comma <= LONGEST_PARENT and end - start <= MAX_CHARACTERS:
            parent = data[comma + 1 : end]
            below = self._parents.get(parent)
            if below is None:
                below = self._judge_parent(parent)
            if below != EACH_BY_ITSELF:
                return below
        return self._judge_dn(_text(data[start:end]))

    def _judge_parent(self, parent: bytes) -> int:
        below = self._judge_below(_text(parent))
        if len(self._parents) >= REMEMBERED_PARENTS:
            self._parents.clear()
        self._parents[parent] = below
        return below


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise DecodeError("a DN or an attribute description is not UTF-8")


def _plain_integer(data: bytes, start: i64, end: i64) -> i64:
    """An INTEGER from 0 to 2^31-1 in its shortest form; -1 for any other."""
    size = end - start
    if size < 1 or size > 4 or data[start] >= 0x80 or (size > 1 and data[start] == 0 and data[start + 1] < 0x80):
        return -1
    value: i64 = 0
    for i in range(start, end):
        value = value << 8 | data[i]
    return value


def _is_shortest(pos: i64, start: i64, end: i64) -> bool:
    """Whether the length of the element at pos, whose contents are data[start:end], is written so."""
    return start - pos == ber.header_size(end - start)


def _values_anew(data: bytes, pos: i64, end: i64) -> bytes:
    """The values in data[pos:end], which were checked, with their lengths in the shortest form."""
    written: list[bytes] = []
    while pos < end:
        _, start, after = ber.read_header(data, pos, end)
        written.append(ber.octets(data[start:after]))
        pos = after
    return b"".join(written)


def _unexpected(tag: i64, pos: i64) -> DecodeError:
    return DecodeError(f"tag 0x{tag:02x} is not what an entry has at octet {pos}, or it ends too early")
