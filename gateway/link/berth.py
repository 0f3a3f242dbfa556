"""One berth, a connection that waits for a session, as a state machine at either end.

Octets and events in, commands out, as with lines (gateway/link/line.py). A berth is parked until the outside sends GO
on it, once. The inside answers with ACCEPT, and every octet behind that is LDAP, both ways; or with REFUSE and the end.

Two ends that act at the same time meet in one place only, around GO: a PONG that was under way when GO was sent comes
before ACCEPT and is dropped (Envoy took it for data, #43666); and where either end closes a berth before ACCEPT,
nothing has happened inside, so the session may be tried on another one.

A way that forgets idle connections, such as a proxy or a firewall, does not tell. So the outside pings, either end
closes what it does not hear, and each berth is replaced after some minutes anyhow. Times are drawn from a range, so
that berths that were opened together are not pinged and replaced together.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final, TypeAlias

from gateway.link.commands import Asked, Cause, Command, End, Send, Taken
from gateway.link.frames import (
    Accept,
    BerthHello,
    Frame,
    FrameError,
    FrameReader,
    Go,
    NoSession,
    Ping,
    Pong,
    Refuse,
    Refused,
    encode,
    frame_name,
)
from gateway.link.pings import Pings

# Seconds. Proxies cut tunnels that are idle for 60 s and more; users behind such ask for a ping every 15 to 30 s
# (aws/session-manager-plugin #15).
PING_EVERY: Final = 20.0
_PING_SPREAD: Final = 0.25
PONG_WITHIN: Final = 10.0
# Two pings may get lost on the way before the inside gives a berth up.
SILENCE: Final = 60.0
PARKED: Final = 600.0
_PARKED_SPREAD: Final = 0.2

# Pings that the inside answers on one berth: several times what an outside sends while it may be parked.
_MOST_PINGS: Final = 200

# A number from the range between the two, like random.uniform.
Draw: TypeAlias = Callable[[float, float], float]


class Stage(Enum):
    """How far a berth is. asked: GO is sent or has come, and neither ACCEPT nor REFUSE is. taken: it is the connection
    of a session, and no octet is the berth's any more."""

    parked = "parked"
    asked = "asked"
    taken = "taken"
    closed = "closed"


class _Berth:
    """What both ends of a berth do. other: the other end, as texts name it."""

    def __init__(self, other: str, now: float, draw: Draw) -> None:
        self.stage = Stage.parked
        self._other = other
        self._reader = FrameReader()
        self._old = now + draw(*_range(PARKED, _PARKED_SPREAD))

    @property
    def parked(self) -> bool:
        return self.stage is Stage.parked

    def received(self, octets: bytes, now: float) -> list[Command]:
        """Raises RuntimeError for octets of a session."""
        if self.stage is Stage.closed:
            return []
        if self.stage is Stage.taken:
            raise RuntimeError("these octets are the session's")
        self._reader.feed(octets)
        commands: list[Command] = []
        try:
            while self.stage in (Stage.parked, Stage.asked) and (frame := self._reader.next()) is not None:
                commands += self._take(frame, now)
        except FrameError as error:
            commands += self.end(Cause.protocol, f"{self._other} sent {error}")
        return commands

    def lost(self, now: float) -> list[Command]:
        """The connection has ended. Once the berth is taken that is a matter of the session, and nothing follows."""
        return self.end(Cause.closed, f"{self._other} closed a berth, or the way to it broke")

    def end(self, cause: Cause, said: str) -> list[Command]:
        """Also for this end's own reasons, such as the end of the line. A session's berth goes on."""
        if self.stage in (Stage.taken, Stage.closed):
            return []
        self.stage = Stage.closed
        return [End(cause, said)]

    def _take(self, frame: Frame, now: float) -> list[Command]:
        raise NotImplementedError


class OutsideBerth(_Berth):
    """The outside's end of a berth, in the place of the arrival that had its HELLO. agent: its name."""

    def __init__(self, agent: str, now: float, draw: Draw) -> None:
        super().__init__(f"agent {agent}", now, draw)
        self._draw = draw
        self._pings = Pings()
        self._ping_at = now + draw(*_range(PING_EVERY, _PING_SPREAD))
        self._answer_by = inf

    @property
    def due(self) -> float:
        """When the next tick is needed, on the clock of the events; infinity for never."""
        if self.stage is Stage.asked:
            return self._answer_by
        if self.stage is not Stage.parked:
            return inf
        waiting = self._pings.waiting_since
        return min(self._ping_at if waiting is None else waiting + PONG_WITHIN, self._old)

    def tick(self, now: float) -> list[Command]:
        """May come at any time; it must come when it is due."""
        if self.stage is Stage.asked and now >= self._answer_by:
            return self.end(Cause.silent, f"{self._other} did not accept a session in time")
        if self.stage is not Stage.parked:
            return []
        waiting = self._pings.waiting_since
        if waiting is not None and now >= waiting + PONG_WITHIN:
            return self.end(Cause.silent, f"{self._other} did not answer on a berth within {PONG_WITHIN:.0f} s")
        if now >= self._old:
            return self.end(Cause.aged, f"a berth of {self._other} was parked for long")
        if waiting is None and now >= self._ping_at:
            return [Send(encode(self._pings.ask(now)))]
        return []

    def go(self, go: Go, patience: float, now: float) -> list[Command]:
        """A session takes the berth. Taken or End follows, at the latest after so many seconds. Raises RuntimeError
        where it is not parked, and ValueError for what no frame can hold."""
        if self.stage is not Stage.parked:
            raise RuntimeError("only a berth that is parked can be taken")
        octets = encode(go)
        self.stage = Stage.asked
        self._answer_by = now + patience
        return [Send(octets)]

    def _take(self, frame: Frame, now: float) -> list[Command]:
        if isinstance(frame, Pong):
            if not self._pings.answered(frame, now):
                raise FrameError("an answer to a PING that waited for none")
            self._ping_at = now + self._draw(*_range(PING_EVERY, _PING_SPREAD))
            return []
        if self.stage is Stage.asked and isinstance(frame, Accept):
            self.stage = Stage.taken
            return [Taken(frame.session, self._reader.rest())]
        if self.stage is Stage.asked and isinstance(frame, Refuse):
            self.stage = Stage.closed
            return [End(Cause.refused, f"{self._other} refuses the session: {_REFUSED[frame.why]}", frame.why)]
        raise FrameError(f"a {frame_name(frame)} frame, which has no place here")


class InsideBerth(_Berth):
    """The agent's end of a berth. host: the address that it called, as texts name it."""

    def __init__(self, hello: BerthHello, host: str, now: float, draw: Draw) -> None:
        super().__init__(f"the gateway at {host}", now, draw)
        self._hello = hello
        self._heard = now
        self._pinged = 0

    @property
    def due(self) -> float:
        """When the next tick is needed, on the clock of the events; infinity for never."""
        return min(self._heard + SILENCE, self._old) if self.stage is Stage.parked else inf

    def tick(self, now: float) -> list[Command]:
        """May come at any time; it must come when it is due."""
        if self.stage is not Stage.parked:
            return []
        if now >= self._heard + SILENCE:
            return self.end(Cause.silent, f"{self._other} was silent on a berth for {SILENCE:.0f} s")
        if now >= self._old:
            return self.end(Cause.aged, f"a berth at {self._other} was parked for long")
        return []

    def begin(self) -> list[Command]:
        """The first thing to call, once TLS is up."""
        return [Send(encode(self._hello))]

    def received(self, octets: bytes, now: float) -> list[Command]:
        if self.stage is Stage.asked:
            return self.end(Cause.protocol, f"{self._other} sent {_TOO_EARLY}")
        return super().received(octets, now)

    def accept(self, session: str) -> list[Command]:
        """The answer to Asked: the session that has this name here is served, and all that comes from now on is its
        own. Raises RuntimeError where nothing was asked, or the berth is closed, and ValueError for a name that no
        frame can hold."""
        return [self._answer(Accept(session), Stage.taken)]

    def refuse(self, why: NoSession) -> list[Command]:
        """The answer to Asked. Raises RuntimeError as accept does."""
        said = f"a session for {self._other} was refused: {_REFUSED[why]}"
        return [self._answer(Refuse(why), Stage.closed), End(Cause.refused, said, why)]

    def _answer(self, frame: Accept | Refuse, stage: Stage) -> Send:
        if self.stage is not Stage.asked:
            raise RuntimeError("no session waits for an answer on this berth")
        octets = encode(frame)
        self.stage = stage
        return Send(octets)

    def _take(self, frame: Frame, now: float) -> list[Command]:
        self._heard = now
        if self.stage is Stage.parked and isinstance(frame, Ping):
            self._pinged += 1
            if self._pinged > _MOST_PINGS:
                raise FrameError(f"more than {_MOST_PINGS} PINGs on one berth")
            return [Send(encode(Pong(frame.n)))]
        if self.stage is Stage.parked and isinstance(frame, Refused):
            self.stage = Stage.closed
            return [End(Cause.refused, f"{self._other} has no place for a berth: {frame.why}", frame.why)]
        if self.stage is Stage.parked and isinstance(frame, Go):
            if self._reader.rest():
                raise FrameError(_TOO_EARLY)
            self.stage = Stage.asked
            return [Asked(frame)]
        raise FrameError(f"a {frame_name(frame)} frame, which has no place here")


_TOO_EARLY: Final = "something behind its GO, before the session was accepted"
_REFUSED: Final = {
    NoSession.client_unknown: "no client block of that name lists this link",
    NoSession.not_ready: "no server of the client's directory is up",
    NoSession.too_many: "there are as many sessions as there may be",
    NoSession.draining: "the agent is stopping",
}


def _range(middle: float, share: float) -> tuple[float, float]:
    return middle * (1 - share), middle * (1 + share)
