"""One line, the standing connection of an agent with an outside, as a state machine at either end.

Octets and events in, commands out (gateway/link/commands.py). Every method that reports an event takes the time of a
monotonic clock in seconds; `due` says when the next tick is needed. A line never raises for anything that the other
end does. After End there are no more commands.

How a line lives: the agent sends HELLO and waits. The outside answers with WELCOME, or with REFUSED and the end. From
then on both ends send what they have to say, in any order: STATE of each client, the outside WANT, either DRAIN, and
PING wherever an end has sent nothing else for a while. An answer to a ping counts as nothing sent, so both ends ping,
and each knows the round trip. An end that hears nothing gives the line up and closes it: what is only held to be dead
holds a place at the other end for ever (rathole #470, Teleport #3935).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Final

from gateway.link.commands import Cause, Command, Draining, End, Proven, Send, Told, Wanted, Welcomed
from gateway.link.frames import (
    Drain,
    Frame,
    FrameError,
    FrameReader,
    LineHello,
    LookHello,
    NotWelcome,
    Ping,
    Pong,
    Refused,
    State,
    Want,
    Welcome,
    encode,
    frame_name,
)
from gateway.link.pings import Pings

# Seconds. 5 and 15 are what others have found to be neither deaf nor nervous (Camunda #25615).
FIRST_FRAME: Final = 5.0
PING_AFTER: Final = 5.0
SILENCE: Final = 15.0
# How soon an agent has to show that it is here when a second process comes with its key.
CHALLENGE: Final = 2.0
# How long a tool may look.
LOOK: Final = 15.0

# Clients that either end may speak of on one line. What is known of them then takes some 5 MB at most.
MOST_CLIENTS: Final = 500
# Frames in so many seconds. At the beginning a frame for each client comes at once; later two in 5 s are usual.
_MOST_FRAMES: Final = 2_000
_WINDOW: Final = 5.0

_GONE: Final = "it is no client of this link any more"


@dataclass(frozen=True, slots=True)
class Who:
    """One end, as it names itself. version: of its software. instance: of its process, 32 hexadecimal digits."""

    version: str
    instance: str


class _Rate:
    """How many frames come: each PING makes an answer, and one who reads none of them is not to fill a buffer."""

    def __init__(self, now: float) -> None:
        self._since, self._frames = now, 0

    def count(self, now: float) -> None:
        """Raises FrameError for one too many."""
        if now >= self._since + _WINDOW:
            self._since, self._frames = now, 0
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise FrameError(f"more than {_MOST_FRAMES} frames in {_WINDOW:.0f} s")


class _Line:
    """What both ends of a line do. other: the other end, as texts name it."""

    def __init__(self, other: str, now: float) -> None:
        self.closed = False
        # Whether the other end, and whether this one, has said that it begins no session any more.
        self.drains = False
        self._draining = False
        self._reader = FrameReader()
        self._rate = _Rate(now)
        self._other = other
        self._pings = Pings()
        self._up = False
        self._heard = self._sent = now
        self._ours: dict[str, State] = {}
        self._theirs: dict[str, State] = {}

    @property
    def states(self) -> Mapping[str, State]:
        """What the other end has said of each client, by the client's name."""
        return MappingProxyType(self._theirs)

    @property
    def round_trip(self) -> float | None:
        """Seconds from a ping to its answer, the last time; None before the first answer."""
        return self._pings.round_trip

    @property
    def due(self) -> float:
        """When the next tick is needed, on the clock of the events; infinity for never."""
        if self.closed:
            return inf
        if not self._up:
            return self._heard + FIRST_FRAME
        return min(self._sent + PING_AFTER, self._silent_from())

    def received(self, octets: bytes, now: float) -> list[Command]:
        if self.closed:
            return []
        self._reader.feed(octets)
        commands: list[Command] = []
        try:
            while not self.closed and (frame := self._reader.next()) is not None:
                self._heard = now
                self._rate.count(now)
                commands += self._take(frame, now)
        except FrameError as error:
            commands += self.end(Cause.protocol, f"{self._other} sent {error}")
        return commands

    def tick(self, now: float) -> list[Command]:
        """May come at any time; it must come when it is due."""
        if self.closed:
            return []
        if not self._up:
            late = now >= self._heard + FIRST_FRAME
            return self.end(Cause.silent, f"{self._other} did not answer within {FIRST_FRAME:.0f} s") if late else []
        if now >= self._silent_from():
            return self.end(Cause.silent, f"{self._other} was silent for {SILENCE:.0f} s")
        return self._send(self._pings.ask(now), now) if now >= self._sent + PING_AFTER else []

    def lost(self, now: float) -> list[Command]:
        """The connection has ended."""
        return self.end(Cause.closed, f"{self._other} closed the line, or the way to it broke")

    def end(self, cause: Cause, said: str) -> list[Command]:
        """Also for this end's own reasons, such as `dropped`."""
        if self.closed:
            return []
        self.closed = True
        return [End(cause, said)]

    def tell(self, state: State, now: float) -> list[Command]:
        """What this end has to say of a client. It is sent where it is new, and once the line is up; on a look the
        agent's end has nothing to say. Raises ValueError for more than MOST_CLIENTS, and for a state that no frame can
        hold."""
        if self.closed or self._ours.get(state.client) == state:
            return []
        if state.client not in self._ours and len(self._ours) == MOST_CLIENTS:
            raise ValueError(f"a link has more than {MOST_CLIENTS} clients")
        octets = encode(state)
        self._ours[state.client] = state
        return self._write(octets, now) if self._up else []

    def tell_all(self, states: Iterable[State], now: float) -> list[Command]:
        """What this end has to say of all of its clients: what is new of them, and that it has no others any more. Ends
        the line where that has no room for all that it has spoken of by now."""
        said = {each.client: each for each in states}
        gone = [State(name, False, _GONE, {}) for name in self._ours.keys() - said.keys()]
        if len(said) + len(gone) > MOST_CLIENTS:
            return self.end(Cause.dropped, "one line has no room for all clients that it has spoken of by now")
        return [command for state in [*said.values(), *gone] for command in self.tell(state, now)]

    def drain(self, now: float) -> list[Command]:
        """This end begins and takes no session any more. It is sent once, and once the line is up."""
        if self.closed or self._draining:
            return []
        self._draining = True
        return self._send(Drain(), now) if self._up else []

    def _take(self, frame: Frame, now: float) -> list[Command]:
        """A frame that either end may send while the line is up."""
        if isinstance(frame, Ping):
            return [Send(encode(Pong(frame.n)))]
        if isinstance(frame, Pong):
            if not self._pings.answered(frame, now):
                raise FrameError("an answer to a PING that waited for none")
            return []
        if isinstance(frame, State):
            return self._told(frame)
        if isinstance(frame, Drain):
            news: list[Command] = [] if self.drains else [Draining()]
            self.drains = True
            return news
        raise FrameError(f"a {frame_name(frame)} frame, which has no place here")

    def _told(self, state: State) -> list[Command]:
        if self._theirs.get(state.client) == state:
            return []
        if state.client not in self._theirs and len(self._theirs) == MOST_CLIENTS:
            raise FrameError(f"states of more than {MOST_CLIENTS} clients")
        self._theirs[state.client] = state
        return [Told(state)]

    def _silent_from(self) -> float:
        """When the other end is to be given up: it says nothing, or it never reads what it is asked."""
        waiting = self._pings.waiting_since
        return SILENCE + (self._heard if waiting is None else min(self._heard, waiting))

    def _begin(self, states: Iterable[State], now: float) -> list[Command]:
        """The line is up."""
        self._up = True
        self._heard = now
        commands: list[Command] = []
        for state in states:
            commands += self._send(state, now)
        if self._draining:
            commands += self._send(Drain(), now)
        return commands

    def _send(self, frame: Frame, now: float) -> list[Command]:
        return self._write(encode(frame), now)

    def _write(self, octets: bytes, now: float) -> list[Command]:
        self._sent = now
        return [Send(octets)]


class OutsideLine(_Line):
    """The outside's end of a line or a look, in the place of the arrival that had its HELLO. agent: its name."""

    def __init__(self, hello: LineHello | LookHello, agent: str, now: float) -> None:
        super().__init__(f"agent {agent}", now)
        self.hello = hello
        self._parked = 0
        self._look_until = now + LOOK if isinstance(hello, LookHello) else inf
        # The ping that is to prove that the agent is here, and until when.
        self._challenge: Ping | None = None
        self._prove_until = inf

    @property
    def due(self) -> float:
        return inf if self.closed else min(super().due, self._look_until, self._prove_until)

    def welcome(
        self, who: Who, token: str, parked: int, states: Iterable[State], clock: float, now: float
    ) -> list[Command]:
        """The first thing to call. token: 32 hexadecimal digits, for the hellos of this line's berths. parked: how many
        berths should wait. states: of each client that this end would ask sessions for. clock: seconds since the
        epoch. Raises ValueError for what no frame can hold."""
        told = list(states)
        greeting = encode(Welcome(who.version, who.instance, token, parked, len(told), int(clock)))
        self._parked = parked
        commands = self._write(greeting, now)
        for state in told:
            self.tell(state, now)
        return commands + self._begin(told, now)

    def want(self, parked: int, now: float) -> list[Command]:
        """How many berths should wait from now on. It is sent where it is new."""
        if self.closed or parked == self._parked:
            return []
        commands = self._send(Want(parked), now)
        self._parked = parked
        return commands

    def challenge(self, now: float) -> list[Command]:
        """Another process has come with the agent's key. Proven follows, or End with Cause.twice, within CHALLENGE
        seconds; one challenge answers for all who come meanwhile."""
        if self.closed or self._challenge is not None:
            return []
        self._challenge = self._pings.ask(now)
        self._prove_until = now + CHALLENGE
        return self._send(self._challenge, now)

    def tick(self, now: float) -> list[Command]:
        if now >= self._prove_until:
            return self.end(Cause.twice, f"{self._other} did not answer, and another process has come with its key")
        if now >= self._look_until:
            return self.end(Cause.dropped, f"{self._other} has looked for {LOOK:.0f} s")
        return super().tick(now)

    def _take(self, frame: Frame, now: float) -> list[Command]:
        if isinstance(self.hello, LookHello) and not isinstance(frame, Ping | Pong):
            raise FrameError(f"a {frame_name(frame)} frame, and said that it would only look")
        commands = super()._take(frame, now)
        if self._challenge is not None and isinstance(frame, Pong) and frame.n == self._challenge.n:
            self._challenge, self._prove_until = None, inf
            commands.append(Proven())
        return commands


class InsideLine(_Line):
    """The agent's end of a line, or of a look. host: the address that it called, as texts name it."""

    def __init__(self, hello: LineHello | LookHello, host: str, now: float) -> None:
        super().__init__(f"the gateway at {host}", now)
        self._hello = hello
        self._awaited = 0

    @property
    def up(self) -> bool:
        return self._up and not self.closed

    @property
    def told_all(self) -> bool:
        """Whether the outside has said of each client that it would ask for that it would."""
        return self._up and len(self._theirs) >= self._awaited

    def begin(self, now: float) -> list[Command]:
        """The first thing to call, once TLS is up."""
        return self._send(self._hello, now)

    def lost(self, now: float) -> list[Command]:
        if self._up:
            return super().lost(now)
        # In TLS 1.3 this end has finished before the outside has judged its certificate.
        said = f"{self._other} closed the connection before it said welcome: is this agent's key known there?"
        return self.end(Cause.unwelcome, said)

    def _take(self, frame: Frame, now: float) -> list[Command]:
        if not self._up:
            return self._answered(frame, now)
        if isinstance(frame, Want):
            return [Wanted(frame.parked)]
        return super()._take(frame, now)

    def _answered(self, frame: Frame, now: float) -> list[Command]:
        if isinstance(frame, Welcome):
            self._awaited = frame.clients
            return [Welcomed(frame), *self._begin(list(self._ours.values()), now)]
        if isinstance(frame, Refused):
            self.closed = True
            return [End(Cause.refused, f"{self._other} refuses: {_MEANINGS[frame.why]}", frame.why)]
        raise FrameError(f"a {frame_name(frame)} frame before it said welcome")


_MEANINGS: Final[Mapping[NotWelcome, str]] = {
    NotWelcome.already_here: "another process with this agent's key is there; one key is for one agent",
    NotWelcome.unknown_line: "it does not know this agent's line any more",
    NotWelcome.too_many: "this agent has too many connections there",
    NotWelcome.stopping: "it is stopping",
}
