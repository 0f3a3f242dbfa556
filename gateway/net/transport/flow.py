"""Back-pressure: what waits for a peer, how much of it may, and for how long.

It lies between a session's answers and the stream that sends them. When a client takes them more slowly than the server
gives them, this is where they wait, and where the session learns that it must stop reading from the server.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from gateway.net.transport.reactor import Reactor, Timer, Transport

# What the transport is given at once, in octets.
_SHARE: Final = 65_536

# How often within its patience a watch looks whether a peer goes on taking: so much later than due, in parts of it, is
# the end of one that has stopped.
LOOKS: Final = 4


class Watch:
    """Whether a peer goes on taking what waits for it.

    It takes what its system acknowledges. That the kernel has room for more shows only once a third of its buffer is
    free, which may be megabytes, and a slow reader needs minutes for these. patience: seconds that it may take nothing;
    longest: that all may last; stalled: called once it has not, or it has.
    """

    __slots__ = (
        "_acknowledged",
        "_begun",
        "_longest",
        "_patience",
        "_reactor",
        "_stalled",
        "_taken",
        "_timer",
        "_transport",
        "_watching",
    )

    def __init__(
        self,
        transport: Transport,
        patience: float,
        stalled: Callable[[], object],
        reactor: Reactor,
        longest: float = inf,
    ) -> None:
        self._transport = transport
        self._patience = patience
        self._longest = longest
        self._stalled = stalled
        self._reactor = reactor
        self._watching = False
        self._begun = 0.0
        # When it was last seen to have taken something, and how much it had taken then.
        self._taken = 0.0
        self._acknowledged = 0
        self._timer: Timer | None = None

    def begin(self) -> None:
        """From now on something waits for it."""
        self._watching = True
        self._begun = self._taken = self._reactor.seconds()
        self._acknowledged = self._transport.acknowledged
        if self._timer is None:
            self._timer = self._reactor.callLater(self._patience / LOOKS, self._look)

    def rest(self) -> None:
        """Nothing waits for it for a while: cheaper than end, since the timer is left to itself."""
        self._watching = False

    def end(self) -> None:
        self._watching = False
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if not self._watching:
            return
        now, acknowledged = self._reactor.seconds(), self._transport.acknowledged
        if acknowledged > self._acknowledged:
            self._acknowledged, self._taken = acknowledged, now
        left = min(self._taken + self._patience, self._begun + self._longest) - now
        if left > 0:
            self._timer = self._reactor.callLater(min(left, self._patience / LOOKS), self._look)
        else:
            self._watching = False
            self._stalled()


class WriteWindow:
    """The octets that wait for one peer; the producer of its transport.

    What the transport cannot take waits here, and goes on in shares. window: octets that may wait before full. changed:
    called when full has changed. patience: seconds that a peer may take nothing of what waits for it; stalled: called
    once it has not.
    """

    __slots__ = (
        "_begun",
        "_changed",
        "_has_room",
        "_queue",
        "_transport",
        "_waiting",
        "_watch",
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
        self._watch = Watch(transport, patience, stalled, reactor)
        self._queue: list[bytes] = []
        # Octets of the queue, and those of its first piece that are gone.
        self._waiting = 0
        self._begun = 0
        self._has_room = True
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
        self._watch.begin()

    def resumeProducing(self) -> None:
        self._has_room = True
        self._watch.rest()
        self._go_on()
        if self.full and self._waiting <= self._window // 2:
            self.full = False
            self._changed()

    def stopProducing(self) -> None:
        self._watch.end()

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
