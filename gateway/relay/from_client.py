"""The client's side of a session: from octets to requests, one at a time, and what the client has to do in time.

The first part of a request's way. Behind it gateway/relay/requests.py says what becomes of the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, final

from gateway.ldap.decoding import decode_request
from gateway.ldap.errors import DecodeError, RequestFault
from gateway.ldap.framing import Framer
from gateway.ldap.messages import LDAPMessage
from gateway.relay.clocks import ClientClocks, Expired
from gateway.relay.load import SessionLoad
from gateway.relay.open_operations import OpenOperations
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Standing

# What may wait in the client's framer while nothing is taken from it before reading from the client pauses, in octets.
PIPELINED_OCTETS: Final = 65_536


@final
class Malformed:
    """Octets that are no message of LDAP, or a message that ends the session: RFC 4511 4.1.1. detail: for the audit."""

    __slots__ = ("detail",)

    def __init__(self, detail: str) -> None:
        self.detail = detail


# What comes next of a client. A request with a value that it may not have is a fault: it gets an error, and the others
# go on (RFC 4511 4.1.1).
Received: TypeAlias = LDAPMessage | RequestFault | Malformed


class FromClient:
    """The requests of one session's client, in their order.

    goes_on: whether one more may be handled now, asked before each; None for always. octets: of the message that came
    last. clocks: what the client has to do in time.
    """

    def __init__(
        self,
        limits: SessionLimits,
        standing: Standing,
        places: OpenOperations,
        load: SessionLoad,
        goes_on: Callable[[], bool] | None,
    ) -> None:
        self.goes_on = goes_on
        self.octets = 0
        self.clocks = ClientClocks(limits, standing.now)
        self._limits = limits
        self._standing = standing
        self._places = places
        self._load = load
        self._framer = Framer(limits.message_before_bind)
        self._waits_for_turn = False

    def feed(self, data: bytes) -> None:
        self._framer.feed(data)

    def next(self) -> Received | None:
        """The next request; None where more must arrive, something else must end first or others are to have their
        turn."""
        if self._standing.closed or self._waits_for_turn or not self.takes_requests():
            return None
        if self._framer.buffered() and self.goes_on is not None and not self.goes_on():
            self._waits_for_turn = True
            return None
        try:
            data = self._framer.next_message()
            if data is None:
                self.clocks.awaits_rest(self._framer.buffered() > 0, self._standing.now)
                return None
            message = decode_request(data, self._limits.request)
        except RequestFault as fault:
            self.clocks.request(self._standing.now)
            return fault
        except DecodeError as error:
            return Malformed(str(error))
        self.clocks.request(self._standing.now)
        self.octets = len(data)
        return message

    def takes_requests(self) -> bool:
        """Not while a bind runs (RFC 4511 4.2.1), nor while the session holds as much as it may: that falls as its
        operations end."""
        return self._standing.binding is None and not (self._load.full and self._places.busy)

    def buffered(self) -> int:
        """Octets that have come and are not handled yet."""
        return self._framer.buffered()

    @property
    def reads(self) -> bool:
        """Whether more from the client is wanted now: not while nothing is taken and enough waits."""
        takes = self.takes_requests() and not self._waits_for_turn
        return takes or self._framer.buffered() < PIPELINED_OCTETS

    def waits_for_turn(self) -> int:
        """Octets of the next request, which is to be handled when the session's turn comes; 0 for none."""
        return self._framer.next_size() if self._waits_for_turn and not self._standing.closed else 0

    @property
    def has_turn(self) -> bool:
        """Whether what waits may be handled."""
        return not self._waits_for_turn

    def turn_comes(self) -> None:
        self._waits_for_turn = False

    @property
    def awaits_first_request(self) -> bool:
        """Whether TLS is up, the session goes on, and the client has asked for nothing behind that TLS yet."""
        return self._standing.encrypted and not self._standing.closed and self.clocks.first_awaited

    def expires(self) -> tuple[float, Expired] | None:
        """What the client has to do first, and by when; None for nothing."""
        return self.clocks.next(idle=not self._places.busy)

    def bind_ended(self, bound: bool) -> None:
        """A bind has its result: what one message may have depends on it, and what time the client has."""
        self._framer.limit = self._limits.message_after_bind if bound else self._limits.message_before_bind
        self.clocks.bind_ended(bound, self._standing.now)
