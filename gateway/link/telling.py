"""What one end of a link says of itself: to the log, to whoever counts, and to the audit.

Whoever holds a right key may come, go and be refused as often as he likes, and so may strangers without one. The log
and the audit have each of these a few times a minute only, with how many there were. Each one is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Final

from twisted.logger import Logger

from gateway.link.commands import Cause, End
from gateway.link.frames import NoSession, NotWelcome
from gateway.link.keyring import Keyring, PinnedKeys
from gateway.link.observer import LinkEvent, LinkEventKind, LinkObserver, Refusal
from gateway.link.parity import named
from gateway.link.seldom import Seldom

log = Logger(__name__)

# How often a minute it is told that one line came up, or was lost: a network that fails for some seconds at a time is
# told as it is.
_LINES: Final = 10
# What happens at the beginning and the end of lines without anybody's fault: counted, and not told.
_USUAL: Final = frozenset({NotWelcome.unknown_line, NotWelcome.stopping})
# Characters of what the other end said that an event holds.
_MOST_SAID: Final = 300


class Telling:
    """The words of one end of a link. link: its name. observer: is told of each event."""

    def __init__(self, link: str, observer: LinkObserver) -> None:
        self._link = link
        self._observer = observer
        # By what they are of, and of which peer.
        self._seldom: dict[tuple[str, str], Seldom] = {}

    # At the end that waits.

    def agent_came(self, agent: str, version: str) -> None:
        self._observer.rose(self._link, agent)
        count = self._count("risen", agent, _LINES)
        if count:
            text = "link {link}: agent {agent} is here, version {version}{times}"
            log.info(text, link=self._link, agent=agent, version=version, times=_times(count))
            self._happened(LinkEventKind.risen, agent, "", f"version {version}", count)

    def agent_left(self, agent: str, end: End) -> None:
        self._observer.fell(self._link, agent, end.cause)
        count = self._count("fallen", agent, _LINES)
        if count:
            text = "link {link}: agent {agent} is not here any more: {said}{times}"
            log.warn(text, link=self._link, agent=agent, said=end.said, times=_times(count))
            self._happened(LinkEventKind.fallen, agent, end.cause.value, end.said, count)

    def connection_ended(self, agent: str, end: End) -> None:
        """A connection of an agent has ended before it was a line or a session's. It matters where it was refused, or
        spoke what has no place there."""
        if isinstance(end.why, NotWelcome):
            why: Refusal = end.why
        elif end.cause is Cause.protocol:
            why = end.cause
        else:
            return
        self._observer.refused(self._link, why)
        count = 0 if why in _USUAL else self._count(f"refused {why}", agent)
        if count:
            log.warn("link {link}: {said}{times}", link=self._link, said=end.said, times=_times(count))
            self._happened(LinkEventKind.refused, agent, why.value, end.said, count)

    def stranger(self, said: str) -> None:
        """Somebody was turned away who showed no key that is pinned. said: why."""
        self._observer.stranger_came(self._link)
        count = self._count("stranger", "")
        if count:
            text = "link {link}: connections of nobody that is known: {count}; the last one: {said}"
            log.info(text, link=self._link, count=count, said=said)
            self._happened(LinkEventKind.stranger, "", "", said, count)

    def waited(self, seconds: float) -> None:
        """A session waited so long for a connection of an agent."""
        self._observer.waited(self._link, seconds)

    def agent_differs(self, agent: str, keys: tuple[str, ...]) -> None:
        """keys: of this gateway's configuration, which the agent has otherwise; none where the two agree."""
        if not keys:
            text = "link {link}: the policies here and at agent {agent} agree"
            log.info(text, link=self._link, agent=agent)
            return
        log.warn(
            "link {link}: agent {agent} has not the same as this gateway in {keys}: what is listed here and not there "
            "is refused there; `ldap-gateway link export` prints what agrees with this gateway",
            link=self._link,
            agent=agent,
            keys=named(keys),
        )

    # At the end that calls.

    def line_came(self, host: str, version: str) -> None:
        self._observer.rose(self._link, host)
        text = "link {link}: the gateway at {host} is called, version {version}"
        log.info(text, link=self._link, host=host, version=version)
        self._happened(LinkEventKind.risen, host, "", f"version {version}")

    def line_ended(self, host: str, end: End, *, was_up: bool, wait: float) -> None:
        """A line, or a call that came to none. wait: seconds until the next call, which grow as calls fail."""
        if was_up:
            self._observer.fell(self._link, host, end.cause)
            self._happened(LinkEventKind.fallen, host, end.cause.value, end.said)
        else:
            self._observer.call_failed(self._link, host, end.cause)
            if isinstance(end.why, NotWelcome):
                self._happened(LinkEventKind.refused, host, end.why.value, end.said)
        log.warn(
            "link {link}: {what} the gateway at {host}: {said}; it is called again in {wait:.1f} seconds",
            link=self._link,
            what="lost" if was_up else "no line to",
            host=host,
            said=end.said,
            wait=wait,
        )

    def berth_failed(self, host: str, end: End) -> None:
        """No berth is dialled for a while now."""
        text = "link {link}: no further connection to the gateway at {host}: {said}"
        log.warn(text, link=self._link, host=host, said=end.said)

    def session_refused(self, host: str, client: str, why: NoSession) -> None:
        """client: as the gateway outside names it."""
        self._observer.refused(self._link, why)
        count = self._count("session", host)
        if count:
            log.warn(
                "link {link}: the gateway at {host} was refused sessions: {count}; the last one for client {client}: "
                "{why}",
                link=self._link,
                host=host,
                count=count,
                client=client,
                why=why.value,
            )
            self._happened(LinkEventKind.refused, host, why.value, f"client {client}", count)

    def host_differs(self, host: str, keys: tuple[str, ...]) -> None:
        """keys: of this gateway's configuration, which the one outside has otherwise; none where the two agree."""
        if not keys:
            text = "link {link}: the policies here and at the gateway at {host} agree"
            log.info(text, link=self._link, host=host)
            return
        log.warn(
            "link {link}: the gateway at {host} has not the same as this one in {keys}: what is listed there and not "
            "here is refused here; `ldap-gateway link export` at the outside prints what agrees with it",
            link=self._link,
            host=host,
            keys=named(keys),
        )

    # At either end.

    def pins_read(self, before: Mapping[str, PinnedKeys], after: Mapping[str, PinnedKeys]) -> None:
        """Other certificates may be pinned now."""
        for peer in sorted(before.keys() | after.keys()):
            old, new = before.get(peer), after.get(peer)
            keys = () if new is None else new.fingerprints
            if old is None:
                self._key(LinkEventKind.key_added, peer, keys)
            elif new is None:
                self._key(LinkEventKind.key_removed, peer, old.fingerprints)
            elif old.fingerprints != keys:
                self._key(LinkEventKind.key_changed, peer, keys)

    def own_key_read(self, before: Keyring | None, after: Keyring | None) -> None:
        """This end may show another certificate now. None where it calls nobody."""
        if before is not None and after is not None and before.fingerprint != after.fingerprint:
            self._key(LinkEventKind.key_changed, "", (after.fingerprint,))

    def _key(self, kind: LinkEventKind, peer: str, fingerprints: tuple[str, ...]) -> None:
        whose, keys = peer or "this end", ", ".join(fingerprints)
        text = "link {link}: {kind} of {whose}: {keys}"
        log.info(text, link=self._link, kind=kind.value, whose=whose, keys=keys)
        self._happened(kind, peer, "", keys)

    def _happened(self, kind: LinkEventKind, peer: str, why: str, said: str, count: int = 1) -> None:
        self._observer.happened(LinkEvent(self._link, kind, peer, why, said[:_MOST_SAID], count))

    def _count(self, what: str, peer: str, at_once: int = 1) -> int:
        seldom = self._seldom.get((what, peer))
        if seldom is None:
            seldom = self._seldom[what, peer] = Seldom(at_once)
        return seldom.note(monotonic())


def _times(count: int) -> str:
    return f" (and {count - 1} times more since this was last said)" if count > 1 else ""
