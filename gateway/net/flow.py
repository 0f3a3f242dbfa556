"""Back-pressure: what waits for a peer, how much of it may, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.net.reactor import Reactor, Timer, Transport

# What the transport is given at once, in octets; Twisted's own buffer counts as full beyond as much.
_SHARE: Final = 65_536


class WriteWindow:
    """Writes to one peer, and is the producer of its transport.

    What the transport cannot take waits here, and goes on in shares: each one that the peer has taken shows that it is
    still there. window: octets that may wait before full. changed: called when full has changed. patience: seconds that
    a peer may take nothing of what waits for it; stalled: called once it has not.
    """

    __slots__ = (
        "_begun",
        "_changed",
        "_has_room",
        "_patience",
        "_queue",
        "_reactor",
        "_stalled",
        "_taken",
        "_timer",
        "_transport",
        "_waiting",
        "_window",
        "full",
    )

    def __init__(
        self,
        transport: Transport,
        window: int,
        changed: Callable[[], None],
        patience: float,
        stalled: Callable[[], None],
        reactor: Reactor,
    ) -> None:
        self.full = False
        self._transport = transport
        self._window = window
        self._changed = changed
        self._patience = patience
        self._stalled = stalled
        self._reactor = reactor
        self._queue: list[bytes] = []
        # Octets of the queue, and those of its first piece that are gone.
        self._waiting = 0
        self._begun = 0
        self._has_room = True
        # When the peer last took something while the transport had no room.
        self._taken = 0.0
        self._timer: Timer | None = None
        transport.registerProducer(self, True)

    def write(self, data: bytes) -> None:
        if self._has_room and not self._queue and len(data) <= _SHARE:
            self._transport.write(data)
            return
        self._queue.append(data)
        self._waiting += len(data)
        self._go_on()
        if self._waiting > self._window and not self.full:
            self.full = True
            self._changed()

    @property
    def drained(self) -> bool:
        """Whether the transport has everything, and room for more."""
        return self._has_room and not self._queue

    def close(self) -> None:
        """The transport takes everything that waits, whatever it has room for, and is left to itself."""
        while self._queue:
            self._transport.write(self._share())
        self.stopProducing()
        self._transport.unregisterProducer()

    # From the transport.

    def pauseProducing(self) -> None:
        self._has_room = False
        self._taken = self._reactor.seconds()
        if self._timer is None:
            self._timer = self._reactor.callLater(self._patience, self._look)

    def resumeProducing(self) -> None:
        self._has_room = True
        self._go_on()
        if self.full and self._waiting <= self._window // 2:
            self.full = False
            self._changed()

    def stopProducing(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _go_on(self) -> None:
        while self._queue and self._has_room:
            self._transport.write(self._share())

    def _share(self) -> bytes:
        """The next octets, at most _SHARE of them."""
        first = self._queue[0]
        if len(first) - self._begun > _SHARE:
            share = first[self._begun : self._begun + _SHARE]
            self._begun += _SHARE
        else:
            size, count = len(first) - self._begun, 1
            while count < len(self._queue) and size + len(self._queue[count]) <= _SHARE:
                size += len(self._queue[count])
                count += 1
            share = b"".join((first[self._begun :], *self._queue[1:count]))
            del self._queue[:count]
            self._begun = 0
        self._waiting -= len(share)
        return share

    def _look(self) -> None:
        """One timer, moved only forward in time: that the peer took something is noticed when it fires."""
        self._timer = None
        if self._has_room:
            return
        left = self._taken + self._patience - self._reactor.seconds()
        if left > 0:
            self._timer = self._reactor.callLater(left, self._look)
        else:
            self._stalled()
