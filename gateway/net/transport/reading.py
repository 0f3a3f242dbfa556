"""When one transport is read: not while it is held, and not for every few octets of a long answer.

It lies before the first step of what a server sends: it says when the stream takes octets from the socket at all.
"""

from __future__ import annotations

from typing import Final

from gateway.net.transport.reactor import Reactor, Timer, Transport

# A read of fewer octets is short. So many in a row, without a question in between, belong to a long answer; from then
# on a rest follows each, in seconds, in which more can come: a read costs the same for one entry and for fifty.
_SHORT: Final = 16_384
_LONG_ANSWER: Final = 32
_REST: Final = 0.001


class Reading:
    """What says when one transport is read, and when it rests."""

    __slots__ = ("_held", "_reactor", "_short_reads", "_timer", "_transport")

    def __init__(self, transport: Transport, reactor: Reactor) -> None:
        self._transport = transport
        self._reactor = reactor
        self._held = False
        self._short_reads = 0
        self._timer: Timer | None = None

    def hold(self) -> None:
        self._held = True
        self._transport.pauseProducing()

    def release(self) -> None:
        self._held = False
        if self._timer is None:
            self._transport.resumeProducing()

    def asked(self) -> None:
        """Something was written that has an answer: its beginning is to be read at once."""
        self._short_reads = 0
        self._end_rest()

    def read(self, octets: int) -> None:
        """So many came in one read."""
        if octets >= _SHORT:
            self._short_reads = 0
            return
        self._short_reads += 1
        if self._short_reads > _LONG_ANSWER and self._timer is None:
            self._transport.pauseProducing()
            self._timer = self._reactor.callLater(_REST, self._rested)

    def end(self) -> None:
        """It is closed; what still comes is of no interest, but its end is."""
        self._held = False
        self._end_rest()
        self._transport.resumeProducing()

    def lost(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _end_rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._rested()

    def _rested(self) -> None:
        self._timer = None
        if not self._held:
            self._transport.resumeProducing()
