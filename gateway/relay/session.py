"""A session of a client as a sans-I/O state machine: bytes and events in, commands out.

A session is one client connection and at most one server connection at a time, opened when a bind needs it. Its parts
are its sides: from_client (octets to requests), requests (judged, begun or refused), operations (from step to step, to
the final answer), to_server (requests at the server, and its answers). Every method that reports an event takes the
time of a monotonic clock in seconds and returns the commands that follow from it, in order. The session never raises
for anything that a peer does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from gateway.ldap import messages
from gateway.ldap.encoding import encode
from gateway.ldap.errors import RequestFault
from gateway.ldap.results import ResultCode
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.commands import CloseClient, Command
from gateway.relay.entry_relay import EntryRelay
from gateway.relay.from_client import FromClient, Malformed
from gateway.relay.load import GatewayLoad, SessionLoad
from gateway.relay.open_operations import OpenOperations
from gateway.relay.operations import Operations
from gateway.relay.output import Output
from gateway.relay.pace import Pace, Rates
from gateway.relay.paging import PagedSearches, ServerFacts
from gateway.relay.questions import Reply
from gateway.relay.requests import Ending, Requests
from gateway.relay.searches import Searches
from gateway.relay.server_events import Gone, ServerEvent
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Peer, Standing
from gateway.relay.to_server import ToServer


class Session:
    """The parts of one session, and the time that they share.

    peer: the client's end. facts: of the directory's servers, shared by its sessions. rates: None for any. goes_on:
    whether one more request of the client may be handled now, asked before each; None for always. in_all: the load of
    the gateway that the session is one of.

    client, server: the session's sides, of which the holder of the two connections may ask what it needs. standing:
    who is bound, and whether the session goes on.
    """

    def __init__(
        self,
        peer: Peer,
        policy: Policy,
        limits: SessionLimits,
        facts: ServerFacts,
        now: float,
        *,
        rates: Rates | None = None,
        goes_on: Callable[[], bool] | None = None,
        in_all: GatewayLoad | None = None,
    ) -> None:
        self.policy = policy
        self.standing = standing = Standing(peer, policy.settings.name, now)
        self.load = load = SessionLoad(in_all or GatewayLoad(), limits, len(policy.entries.attribute_names))
        self._output = output = Output()
        patience = min(limits.search, policy.settings.time_limit or inf)
        places = OpenOperations(limits.operations, patience, load)
        entries = EntryRelay(policy, limits, facts.bases, output)
        self.client = client = FromClient(limits, standing, places, load, goes_on)
        self.server = server = ToServer(limits, entries, places.open, PagedSearches(load), output, standing)
        self.operations = operations = Operations(policy, limits, places, entries, client, server, output, standing)
        searches = Searches(policy, limits, facts, server, standing, patience)
        self._requests = Requests(policy, client, operations, searches, Pace(load, rates), load, output, standing)

    @property
    def closed(self) -> bool:
        return self.standing.closed

    @property
    def busy(self) -> bool:
        """Whether an operation has not ended."""
        return self.operations.places.busy

    def deadline(self) -> float | None:
        """When tick must be called, unless an event comes earlier; None for never. An awaited answer is overdue then,
        an operation too late, a refused bind may be answered, or the client has not done something in time."""
        first, ends_by = self.server.due(), self.operations.places.ends_by()
        if first is None or (ends_by is not None and ends_by < first):
            first = ends_by
        clock = None if self.closed else self.client.expires()
        return first if clock is None or (first is not None and first < clock[0]) else clock[0]

    # Events.

    def client_data(self, data: bytes, now: float) -> list[Command]:
        self.standing.now = now
        if not self.closed:
            self.client.feed(data)
        return self._go_on()

    def turn_comes(self, now: float) -> list[Command]:
        """More requests of the client may be handled now."""
        self.standing.now = now
        self.client.turn_comes()
        return self._go_on()

    def client_lost(self, now: float) -> list[Command]:
        """The client connection is gone, whoever ended it."""
        self.standing.now = now
        if not self.closed:
            self._end_silently()
        return self._go_on()

    def server_connected(self, url: str, now: float, patience: float | None = None, session: str = "") -> list[Command]:
        """The server connection is open and its TLS verified. patience: seconds for the first answer, where it was
        opened earlier and may have broken since; a bind that gets none is then sent once more. session: what the server
        calls this session, where it is another gateway."""
        self.standing.now = now
        self.server.connected(url, patience, session)
        return self._go_on()

    def server_failed(self, detail: str, now: float) -> list[Command]:
        """No server of the directory could be reached."""
        self.standing.now = now
        self._heard(self.server.unreachable(detail))
        return self._go_on()

    def server_data(self, data: bytes, now: float) -> list[Command]:
        self.standing.now = now
        self.server.feed(data)
        while (event := self.server.next()) is not None:
            self._heard(event)
        return self._go_on()

    def server_lost(self, detail: str, now: float) -> list[Command]:
        """The server connection is gone, and the session had not asked for that."""
        self.standing.now = now
        self._heard(self.server.lost(detail))
        return self._go_on()

    def answered(self, key: int, reply: Reply, now: float) -> list[Command]:
        """The reply to the question that a PoseQuestion of this key asked."""
        self.standing.now = now
        self.operations.answered(key, reply)
        return self._go_on()

    def tick(self, now: float) -> list[Command]:
        """The deadline has come."""
        self.standing.now = now
        due = self.deadline()
        if due is None or due > now:
            return []
        clock = None if self.closed else self.client.expires()
        if clock is not None and clock[0] <= now:
            expired = clock[1]
            if expired.reason is not Reason.idle:
                record = self.standing.record("session", 0)
                self._output.audit(record, "refuse", expired.reason, expired.code, now)
            self._disconnect(expired.code, expired.reason, expired.text)
        else:
            self._heard(self.server.expire())
            self.operations.expire()
        return self._go_on()

    def stop(self, now: float) -> list[Command]:
        """No new requests from here on; the session closes itself once the open operations are answered."""
        self.standing.now = now
        self.standing.draining = True
        # A session that waits for no turn ends now: with half a message it would be asked whether it may go on.
        return self._go_on(takes=False)

    def abort(self, reason: Reason, text: str, now: float) -> list[Command]:
        """Ends every open operation with an error, and the session with it. A bind that a server has been sent goes on
        until it is answered, unless the gateway stops: else there would be no end of guesses."""
        self.standing.now = now
        if not self.closed:
            self._disconnect(ResultCode.unavailable, reason, text)
        elif reason is Reason.stopping:
            self.operations.fail_all(reason, text)
        return self._go_on()

    # What follows.

    def _heard(self, event: ServerEvent | None) -> None:
        """Something of the server's; None for nothing."""
        if isinstance(event, Gone):
            # RFC 4511 4.4.1: every open operation is answered, then the client is told and disconnected.
            self.operations.fail_all(event.reason, event.text, event.detail)
            self._disconnect(ResultCode.unavailable, event.reason, event.text)
        elif event is not None:
            self.operations.heard(event)

    def _go_on(self, takes: bool = True) -> list[Command]:
        """Handles what the client has sent, as far as that goes now, and begins what waits. All that follows from the
        event, in order. takes: False where nothing of the client can be handled that could not be before."""
        if takes:
            self._take_requests()
        held_back = not self.client.takes_requests()
        self.operations.go_on()
        while held_back and self.client.takes_requests():
            # Operations have ended as soon as it was their turn.
            self._take_requests()
            held_back = not self.client.takes_requests()
            self.operations.go_on()
        if self.standing.draining and not self.busy and self.client.has_turn:
            # Not as soon as the last operation ends: what came with it wants an answer as well.
            self._disconnect(ResultCode.unavailable, Reason.stopping, "the gateway is stopping")
        return self._output.take()

    def _take_requests(self) -> None:
        while (received := self.client.next()) is not None:
            if isinstance(received, Malformed):
                ending: Ending = received
            elif isinstance(received, RequestFault):
                ending = self._requests.take_fault(received)
            else:
                ending = self._requests.take(received)
            if isinstance(ending, Malformed):
                record = self.standing.record("malformed", 0)
                record.detail = ending.detail
                code, reason = ResultCode.protocolError, Reason.message_malformed
                self._output.audit(record, "refuse", reason, code, self.standing.now)
                self._disconnect(code, reason, ending.detail)
            elif ending is not None:
                self._end_silently()

    # The end.

    def _disconnect(self, code: ResultCode, reason: Reason, text: str) -> None:
        """Answers what is open, sends the notice of disconnection (RFC 4511 4.4.1) and closes both sides."""
        if self.closed:
            return
        self.standing.closed = True
        # A process that stops hears no answer any more.
        if reason is Reason.stopping or not self.operations.tries_password():
            self.operations.fail_all(reason, text)
        self.operations.desert(reason)
        self._output.pieces.append(encode(messages.notice_of_disconnection(code, f"{reason}: {text}")))
        self._output.command(CloseClient())

    def _end_silently(self) -> None:
        """The client wants no more answers: unbind, or a lost connection."""
        self.standing.closed = True
        self.operations.desert(Reason.client_gone)
        self._output.command(CloseClient())
