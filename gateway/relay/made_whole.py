"""Entries that were put aside because the server gave some of their attributes in ranges: read to the end, and sent."""

from __future__ import annotations

from collections.abc import Generator

from gateway.ldap.decoding import decode_response
from gateway.ldap.entry_stream import Tally
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import SearchResultEntry
from gateway.ldap.results import ResultCode
from gateway.policy.policy import Policy
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.aside import PutAside
from gateway.relay.ranges import EntryChanged, RangedEntry
from gateway.relay.search_failed import SearchFailed
from gateway.relay.steps import Answer, Deliver, Found, Look, Step


def deliver_whole(policy: Policy, aside: PutAside, most: int, tally: Tally) -> Generator[Step, Answer, None]:
    """Reads what is missing of the entries that were put aside, and sends them whole. most: octets that they may have
    together. tally: where they count. Raises SearchFailed."""
    while aside.messages:
        try:
            entry = decode_response(aside.messages.popleft()).operation
            if not isinstance(entry, SearchResultEntry):
                raise TypeError("something else than an entry was put aside")
            ranged = RangedEntry(entry, policy.entries.permits_attribute)
        except DecodeError as error:
            text = "the directory sent an entry that cannot be read"
            raise SearchFailed(Reason.server_undecodable, ResultCode.unavailable, text, str(error)) from None
        while (request := ranged.next_request()) is not None:
            answer = yield Look(request, maximum=1)
            if not aside.grow(_added(ranged, answer)):
                text = f"entries with ranged attributes need more than {most} octets"
                raise SearchFailed(Reason.expanded_entry_too_large, ResultCode.adminLimitExceeded, text)
        whole = ranged.whole()
        for attribute in whole.attributes:
            tally.count(policy.entries.attribute_number(attribute.type), len(attribute.values))
        tally.sent += 1
        yield Deliver(whole, tally)
    aside.clear()


def _added(ranged: RangedEntry, answer: Answer) -> int:
    """The octets of the values that an answer added."""
    if isinstance(answer, Found) and answer.result.code == ResultCode.success and answer.count == 1:
        try:
            return ranged.add(answer.entries[0])
        except EntryChanged:
            pass
    raise SearchFailed(Reason.entry_changed, ResultCode.unavailable, REASONS[Reason.entry_changed].meaning)
