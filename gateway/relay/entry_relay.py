"""Entries and references on their way from a server to a client, and what ends their operation."""

from __future__ import annotations

from gateway.ldap import messages
from gateway.ldap.decoding import Envelope, decode_response, read_envelope
from gateway.ldap.dn import DNError, parse
from gateway.ldap.encoding import encode
from gateway.ldap.entries import CARRIED, LOOSELY_INSIDE, RANGED, TOO_LARGE, TOO_MANY
from gateway.ldap.entry_stream import EntryStream
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import LDAPMessage
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.base_spelling import BaseSpellings
from gateway.policy.decision import Refuse
from gateway.policy.policy import Policy
from gateway.policy.reasons import REASONS, Reason
from gateway.relay.base_reading import KnownBases
from gateway.relay.operation import Operation
from gateway.relay.output import Output
from gateway.relay.settings import SessionLimits
from gateway.relay.steps import Deliver, Resume, Stream, Streamed


class EntryRelay:
    """The way of one session's entries. A Refuse that a method returns ends the operation with an error. filter: what
    they go through, which depends on how the session's server spells base DNs; bases: what is known of that."""

    def __init__(self, policy: Policy, limits: SessionLimits, bases: KnownBases, output: Output) -> None:
        self._policy = policy
        self._limits = limits
        self._output = output
        self.filter = policy.entry_filter
        self._bases = bases
        self._spellings: BaseSpellings = ()

    def stream(self, operation: Operation, step: Stream) -> EntryStream:
        """What is known of the entries of a request that is being sent to the server in the operation's record."""
        spellings = self._bases.spellings((operation.record.server, operation.record.account))
        if spellings is not self._spellings:
            self._spellings = spellings
            self.filter = self._policy.entry_filter_of(spellings)
        return EntryStream(
            operation.message_id,
            step.tally,
            step.aside is None,
            -1 if step.most is None else step.most,
            self._policy.settings.octet_limit,
            -1 if step.page is None else step.page,
            step.in_order,
        )

    def relay(self, step: Stream, stream: EntryStream, data: bytes, envelope: Envelope) -> Streamed | Refuse | None:
        """An entry that needs more than to be sent or held back. Streamed where no more of them are wanted."""
        try:
            outcome = self.filter.judge(data, envelope, stream, self._output.pieces)
            if outcome == LOOSELY_INSIDE:
                return _stray(step, stream, data)
        except DecodeError as error:
            return undecodable(error)
        if outcome == TOO_MANY:
            return Streamed(LDAPResult(ResultCode.sizeLimitExceeded), over_limit=True)
        if outcome == TOO_LARGE:
            return self._over_octet_limit()
        aside = step.aside if outcome == RANGED else step.carry if outcome == CARRIED else None
        return None if aside is None or aside.add(data) else self._no_room()

    def resume(self, operation: Operation, step: Resume) -> Streamed | Refuse:
        """Sends what was carried, as far as the client's page has room for it."""
        most = -1 if step.most is None else step.most
        octet_limit = self._policy.settings.octet_limit
        stream = EntryStream(
            operation.message_id, step.tally, step.aside is None, most, octet_limit, in_order=step.in_order
        )
        over_limit = False
        while step.carry.messages and stream.passed < step.page and not over_limit:
            data = step.carry.take()
            envelope = read_envelope(data)
            outcome = self.filter.judge(data, envelope, stream, self._output.pieces)
            if outcome == LOOSELY_INSIDE:
                # The server has spelled the base so when the entry came, and has changed that meanwhile.
                reason = Reason.base_spelled_otherwise
                return Refuse(reason, ResultCode.unavailable, REASONS[reason].meaning)
            over_limit = outcome == TOO_MANY
            if outcome == TOO_LARGE:
                return self._over_octet_limit()
            if outcome == RANGED and step.aside is not None and not step.aside.add(data):
                return self._no_room()
        record = operation.record
        record.received += stream.received
        record.sent += stream.sent
        record.octets += stream.octets
        code = ResultCode.sizeLimitExceeded if over_limit else ResultCode.success
        return Streamed(LDAPResult(code), (), stream.received, over_limit, stream.passed)

    def deliver(self, operation: Operation, step: Deliver) -> Refuse | None:
        """Sends an entry of the gateway's making."""
        data = encode(LDAPMessage(operation.message_id, step.entry))
        limit = self._policy.settings.octet_limit
        step.tally.octets += len(data)
        if limit and step.tally.octets > limit:
            return self._over_octet_limit()
        record = operation.record
        record.sent += 1
        record.octets += len(data)
        self._output.pieces.append(data)
        return None

    def refer(self, operation: Operation, step: Stream, reference: messages.SearchResultReference) -> None:
        """Sends what the client may see of a reference."""
        uris = () if step.drops_references else self._policy.entries.keep_references(reference.uris)
        record = operation.record
        if not uris:
            record.references_dropped += 1
            return
        data = encode(LDAPMessage(operation.message_id, messages.SearchResultReference(uris)))
        record.octets += len(data)
        self._output.pieces.append(data)
        if operation.awaited is not None and operation.awaited.stream is not None:
            operation.awaited.stream.referred = True

    def _over_octet_limit(self) -> Refuse:
        text = f"its entries have more than {self._policy.settings.octet_limit} octets"
        return Refuse(Reason.octet_limit_reached, ResultCode.adminLimitExceeded, text)

    def _no_room(self) -> Refuse:
        text = f"entries that wait need more than {self._limits.expanded_entry} octets"
        return Refuse(Reason.expanded_entry_too_large, ResultCode.adminLimitExceeded, text)


def _stray(step: Stream, stream: EntryStream, data: bytes) -> Streamed | None:
    """The end of a step at an entry that is in an allowed base by loose comparison alone; None where it is not in the
    base of its own search, so that it is held back like whatever else nobody asked for. Raises DecodeError."""
    entry = decode_response(data).operation
    if not isinstance(entry, messages.SearchResultEntry):
        raise TypeError("something else than an entry was judged")
    try:
        name = parse(entry.dn)
    except DNError:
        raise DecodeError("the DN of an entry") from None
    if not name.is_inside_loosely(parse(step.request.base)):
        return None
    untouched = stream.passed == 0 and not stream.referred
    if untouched:
        # It may be asked once more, and they come again.
        stream.received = 0
    return Streamed(LDAPResult(ResultCode.unavailable), stray=name, untouched=untouched)


def undecodable(error: DecodeError) -> Refuse:
    """The refusal of an answer that cannot be read."""
    text = "the directory sent an answer that cannot be read"
    return Refuse(Reason.server_undecodable, ResultCode.unavailable, text, str(error))
