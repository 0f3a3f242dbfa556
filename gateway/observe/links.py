"""What the gateway remembers of its links, in memory: for the metrics, the status page and readiness.

Labels are names of the configuration and closed sets of words: what the other end of a link says is in none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from gateway.link.commands import Cause
from gateway.link.frames import NoSession, NotWelcome
from gateway.link.observer import LinkEvent, LinkObserver, Refusal
from gateway.link.standing import LinkStanding
from gateway.net.sessions.settings import ClientSettings
from gateway.observe.histogram import Histogram
from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord, CameBy

# Seconds that a session waits for a connection of an agent: one that is parked takes a round trip, and connect_timeout
# is 5 s.
WAIT_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# Why the gateway inside refuses what a gateway outside with the same configuration never sends: that one refuses it
# itself, and what it writes is well-formed. What the state of a gateway decides is none of these, nor is what the
# directory has to be asked for.
_OF_A_REQUEST: Final = frozenset(
    {reason.value for reason, kind in KINDS.items() if kind is Kind.request} | {Reason.message_malformed.value}
)
# The gateway outside verifies the secret of a mapped account before it sends the bind on.
_SECRET_WRONG: Final = Reason.secret_wrong.value
# A session for a client that no block of this end has on the link.
CLIENT_UNKNOWN: Final = NoSession.client_unknown.value
TRIPWIRES: Final = tuple(sorted({*_OF_A_REQUEST, _SECRET_WRONG}))

# What each end refuses.
REFUSED_OUTSIDE: Final[tuple[Refusal, ...]] = (*NotWelcome, Cause.protocol)
REFUSED_INSIDE: Final[tuple[Refusal, ...]] = tuple(NoSession)


class LinkedSettings(Protocol):
    """The part of a configuration (config.settings.GatewaySettings) that is looked at."""

    @property
    def clients(self) -> tuple[ClientSettings, ...]: ...


class LinksNow:
    """The links as they stand at one moment. all: in the order of the configuration. by_directory: the link that a
    directory is reached by, of those that are not reached directly."""

    def __init__(self, links: Sequence[LinkStanding], by_directory: Mapping[str, str]) -> None:
        self.all = links
        self.by_directory = by_directory
        self._by_name = {link.link: link for link in links}
        self._ready = {link.link: link.ready for link in links}
        # By the link and the client, what each agent that is here has against a session.
        self._against: dict[tuple[str, str], list[str]] = {}
        for link in links:
            for peer in link.peers:
                for client in peer.clients if peer.up else ():
                    self._against.setdefault((link.link, client.client), []).append(client.why)

    def serves(self, directory: str, client: str) -> bool:
        """Whether a session of the client, whose directory is reached by a link, would be taken now."""
        return client in self._ready.get(self.by_directory[directory], ())

    def why_not(self, directory: str, client: str) -> str:
        """What keeps each agent of the directory's link from it, in words."""
        link = self._by_name.get(self.by_directory[directory])
        peers = () if link is None else link.peers
        gone = [f"agent {peer.name} is not here: {peer.why}" for peer in peers if not peer.up]
        return "; ".join([*gone, *self._against.get((self.by_directory[directory], client), [])])


class LinkLedger(LinkObserver):
    """The figures of the links.

    standings: gives how each link of the configuration in force stands, in its order. tell: takes what the audit is to
    have. Whoever knows puts its own in the place of both. by_directory: the link that a directory is reached by.

    lost: lines, by link, peer and cause. calls: that came to a line, by link and peer; failed_calls: those that did
    not, also by cause. turned_away: who showed a right key, by link and why. strangers: by link. policy_refusals: by
    link, client and reason, of what the gateway outside should never have sent; the client is "" where this gateway has
    none of that name. waits: seconds of sessions for a connection of an agent, by link.
    """

    def __init__(self) -> None:
        self.standings: Callable[[], list[LinkStanding]] = list
        self.tell: Callable[[LinkEvent], None] = lambda event: None
        self.by_directory: Mapping[str, str] = {}
        self.lost: Counter[tuple[str, str, Cause]] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.failed_calls: Counter[tuple[str, str, Cause]] = Counter()
        self.turned_away: Counter[tuple[str, Refusal]] = Counter()
        self.strangers: Counter[str] = Counter()
        self.policy_refusals: Counter[tuple[str, str, str]] = Counter()
        self._waits: dict[str, Histogram] = {}

    def serve(self, settings: LinkedSettings) -> None:
        """A configuration is in force."""
        self.by_directory = {
            client.directory.name: client.directory.link for client in settings.clients if client.directory.link
        }

    def waits(self, link: str) -> Histogram:
        return self._waits.setdefault(link, Histogram(WAIT_BOUNDS))

    def add(self, came_by: CameBy, record: AuditRecord) -> None:
        """An operation of a session that came by a link was refused."""
        if record.reason == _SECRET_WRONG or (record.decision == "refuse" and record.reason in _OF_A_REQUEST):
            self.policy_refusals[came_by.link, record.client, record.reason] += 1

    def now(self) -> LinksNow:
        return LinksNow(self.standings(), self.by_directory)

    # From the links.

    def rose(self, link: str, peer: str) -> None:
        self.calls[link, peer] += 1

    def fell(self, link: str, peer: str, cause: Cause) -> None:
        self.lost[link, peer, cause] += 1

    def call_failed(self, link: str, peer: str, cause: Cause) -> None:
        self.failed_calls[link, peer, cause] += 1

    def refused(self, link: str, why: Refusal) -> None:
        self.turned_away[link, why] += 1
        if why is NoSession.client_unknown:
            self.policy_refusals[link, "", CLIENT_UNKNOWN] += 1

    def stranger_came(self, link: str) -> None:
        self.strangers[link] += 1

    def waited(self, link: str, seconds: float) -> None:
        self.waits(link).add(seconds)

    def happened(self, event: LinkEvent) -> None:
        self.tell(event)
