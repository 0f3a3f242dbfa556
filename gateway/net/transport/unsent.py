"""What the kernel has not taken yet of one connection, and the producer that waits meanwhile."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any


class Unsent:
    """The octets that wait for the kernel. pieces: of these, the first one first; the stream looks at them by itself,
    since mostly there are none. A producer is paused as long as there are any."""

    __slots__ = ("_producer", "_producer_waits", "pieces")

    def __init__(self) -> None:
        self.pieces: deque[memoryview] = deque()
        self._producer: Any = None
        self._producer_waits = False

    def add(self, piece: memoryview) -> None:
        self.pieces.append(piece)
        self._hold_producer()

    def send(self, connection: socket.socket) -> int:
        """Gives the kernel what it takes now; how many octets that were. Raises OSError where the peer has gone."""
        pieces, sent = self.pieces, 0
        while pieces:
            piece = pieces[0]
            try:
                taken = connection.send(piece)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                if sent == 0:
                    raise
                # What went before counts; the next call meets the same.
                break
            sent += taken
            if taken < len(piece):
                pieces[0] = piece[taken:]
                break
            pieces.popleft()
        return sent

    def end_wait(self) -> None:
        """All has gone: the producer goes on, which may add more at once."""
        if self._producer_waits:
            self._producer_waits = False
            self._producer.resumeProducing()

    def register(self, producer: Any) -> None:
        self._producer = producer
        if self.pieces:
            self._hold_producer()

    def unregister(self) -> None:
        self._producer = None
        self._producer_waits = False

    def _hold_producer(self) -> None:
        if self._producer is not None and not self._producer_waits:
            self._producer_waits = True
            self._producer.pauseProducing()
