"""A connection of an agent from the end of its handshake to its first frame, which says what it is for."""

from __future__ import annotations

from math import inf
from typing import Final

from gateway.link.commands import Arrived, Cause, Command, End, Send
from gateway.link.frames import (
    BerthHello,
    FrameError,
    FrameReader,
    LineHello,
    LookHello,
    NotWelcome,
    Refused,
    encode,
    frame_name,
)
from gateway.link.line import FIRST_FRAME

_MEANINGS: Final = {
    NotWelcome.already_here: "another process with the same key is here and answers: a copied machine, or a stolen key",
    NotWelcome.unknown_line: "its berth belongs to no line that is up",
    NotWelcome.too_many: "it has more connections here than it may have",
    NotWelcome.stopping: "this gateway is stopping",
}


class Arrival:
    """It hears one HELLO, and nothing behind it: the agent waits for an answer, or for its berth to be taken. Then
    whoever holds it refuses it, or puts a line or a berth in its place. agent: its name, by its certificate. Times are
    of a monotonic clock, in seconds."""

    def __init__(self, agent: str, now: float) -> None:
        self.closed = False
        self._reader = FrameReader()
        self._agent = agent
        self._due = now + FIRST_FRAME

    @property
    def due(self) -> float:
        """When the next tick is needed; infinity for never."""
        return inf if self.closed else self._due

    def received(self, octets: bytes, now: float) -> list[Command]:
        """Arrived, once, where the HELLO is whole."""
        if self.closed:
            return []
        self._reader.feed(octets)
        try:
            frame = self._reader.next() if self._due < inf else None
            if self._due < inf and frame is None:
                return []
            if frame is None or self._reader.rest():
                raise FrameError("something behind its HELLO, before it had an answer")
            if not isinstance(frame, LineHello | BerthHello | LookHello):
                raise FrameError(f"a {frame_name(frame)} frame where HELLO has its place")
        except FrameError as error:
            return self.end(Cause.protocol, f"agent {self._agent} sent {error}")
        self._due = inf
        return [Arrived(frame)]

    def tick(self, now: float) -> list[Command]:
        if self.closed or now < self._due:
            return []
        return self.end(Cause.silent, f"agent {self._agent} did not say within {FIRST_FRAME:.0f} s what it wants")

    def lost(self, now: float) -> list[Command]:
        """The connection has ended."""
        return self.end(Cause.closed, f"agent {self._agent} closed its connection before it had an answer")

    def refuse(self, why: NotWelcome) -> list[Command]:
        if self.closed:
            return []
        self.closed = True
        said = f"agent {self._agent} is refused: {_MEANINGS[why]}"
        return [Send(encode(Refused(why))), End(Cause.refused, said, why)]

    def end(self, cause: Cause, said: str) -> list[Command]:
        if self.closed:
            return []
        self.closed = True
        return [End(cause, said)]
