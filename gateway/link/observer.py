"""What a link tells of itself to whoever counts it, and to the audit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from gateway.link.commands import Cause
from gateway.link.frames import NoSession, NotWelcome

# Why a gateway refused what the other end of a link wanted. Cause.protocol: it sent what the protocol does not have at
# that place, on a connection that was neither a line nor a session's.
Refusal: TypeAlias = NotWelcome | NoSession | Cause


class LinkEventKind(StrEnum):
    """What the audit has of a link: one closed set of words.

    risen, fallen: a line. refused: one end showed a right key, and the other one refused it something. stranger:
    somebody showed no key that is pinned here. key_added, key_changed, key_removed: of the certificates that are
    pinned, and of this end's own one.
    """

    risen = "risen"
    fallen = "fallen"
    refused = "refused"
    stranger = "stranger"
    key_added = "key-added"
    key_changed = "key-changed"
    key_removed = "key-removed"


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """An event of a link that the audit has a record of.

    peer: the agent, or the address that is called; "" for strangers and for this end's own key. why: the cause or the
    refusal in one word, "" where there is none. said: more, in words. count: how many there were since the last record
    of the same; 1 for this one alone.
    """

    link: str
    kind: LinkEventKind
    peer: str
    why: str = ""
    said: str = ""
    count: int = 1


class LinkObserver:
    """An observer that counts nothing, from which others inherit. It is called on the reactor's thread; no method may
    wait or raise. link: its name in the configuration. peer: an agent by its name, or the address that is called."""

    def rose(self, link: str, peer: str) -> None:
        """A line is up."""

    def fell(self, link: str, peer: str, cause: Cause) -> None:
        """A line that was up is lost."""

    def call_failed(self, link: str, peer: str, cause: Cause) -> None:
        """A call came to no line."""

    def refused(self, link: str, why: Refusal) -> None:
        """The other end showed a right key, and was refused a connection or a session."""

    def stranger_came(self, link: str) -> None:
        """Somebody was turned away who showed no key that is pinned."""

    def waited(self, link: str, seconds: float) -> None:
        """A session waited so long for a connection of an agent, whether it got one or not."""

    def happened(self, event: LinkEvent) -> None:
        """For the audit. What somebody can have happen as often as he likes is told some times a minute, with a
        count."""
