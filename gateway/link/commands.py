"""What a line, a berth or an arrival asks of whoever holds its connection, and tells him of, in this order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from gateway.link.frames import Go, Hello, NoSession, NotWelcome, State, Welcome


class Cause(StrEnum):
    """Why a connection of the link ended: one closed set of words, for metrics.

    closed: the other end closed it, or the way broke. unwelcome: the same before the outside said welcome. silent: the
    other end said nothing in time. protocol: the other end said something that version 1 does not have at that place.
    refused: one end refused the connection, or the session on it. twice: another process has taken the agent's place.
    aged: a berth was parked for as long as one may be. dropped: this end has no use for it any more.
    """

    closed = "closed"
    unwelcome = "unwelcome"
    silent = "silent"
    protocol = "protocol"
    refused = "refused"
    twice = "twice"
    aged = "aged"
    dropped = "dropped"


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection, once what was sent before has gone out, where it is not closed yet. Nothing follows.

    said: a sentence without its end, which names the other end. why: the word of the end that refused.
    """

    cause: Cause
    said: str
    why: NotWelcome | NoSession | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """An agent has said what its connection is for; nothing more may come of it before it has an answer."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The line is up, as its inside end sees it."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Told:
    """The other end has something new to say of a client."""

    state: State


@dataclass(frozen=True, slots=True)
class Wanted:
    """The outside says how many berths should be parked from now on."""

    parked: int


@dataclass(frozen=True, slots=True)
class Draining:
    """The other end begins no session any more, and takes none. Those that are open finish."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The agent has answered the challenge: it is here, and whoever else comes with its key is a second one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The outside asks for a session on this berth. It waits for accept or refuse."""

    go: Go


@dataclass(frozen=True, slots=True)
class Taken:
    """The inside serves the session, and the berth is its connection from here on: no octet that comes is for the
    berth any more. session: the inside's own name of it. octets: those that came behind ACCEPT, the session's first.
    They are in no repr, so that no log can show them."""

    session: str
    octets: bytes = field(repr=False)


Command: TypeAlias = Send | End | Arrived | Welcomed | Told | Wanted | Draining | Proven | Asked | Taken
