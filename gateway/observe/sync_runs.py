"""Sync runs: which searches of a client belong together, and whether they gave it everything.

A service says nowhere when a sync begins or ends. A run is what a client's sync accounts search with gaps shorter
than its sync_gap; it is complete if each of its searches ended in success on its last page. What failed and was asked
again with success within the run counts as complete; what was refused does not, for the service did not get it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from gateway.ldap.filter_kinds import kind_of_filter
from gateway.ldap.filters import write_filter
from gateway.ldap.kinds import Kind
from gateway.ldap.results import ResultCode, result_name
from gateway.net.sessions.settings import DEFAULT_SYNC_GAP
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord

# Searches of one run that wait for their success, and different problems that are told apart. A run with more is not
# complete, whatever becomes of them.
_MOST_UNFINISHED: Final = 1_000
_MOST_PROBLEMS: Final = 20

# Different attributes of one run that are counted as held back: twice as many as a request may name.
_MOST_ATTRIBUTES: Final = 1_000

# No search of a sync account: before its bind, or after a bind as somebody else.
_NOT_OF_A_SYNC: Final = frozenset({Reason.not_bound.value, Reason.login_may_only_bind.value})

# Without the look-up of an enum's member, which each record would cost.
_SUCCESS: Final = ResultCode.success.value


@dataclass(frozen=True, slots=True)
class SyncRun:
    """A sync run, as far as it has come.

    began, ended: of the first search and of the last one so far, in seconds since the epoch. searches: operations, so
    that a search in three pages counts three times. entries: sent. pages: that the servers were asked for. problems:
    how often a search was refused or failed, by reason, or by the result's name where there is none. complete: the
    client was sent everything that it asked for. attributes_held_back: different ones that were asked for and not
    forwarded. kinds: of the entries sent those that a search asked for by kind (gateway/ldap/filter_kinds.py): users,
    groups and contacts. unfinished: different searches that never had their success. cut_short: the gateway stopped
    before the gap had passed.
    """

    client: str
    began: float
    ended: float
    searches: int
    entries: int
    entries_held_back: int
    pages: int
    octets: int
    problems: Mapping[str, int]
    complete: bool
    attributes_held_back: int = 0
    kinds: Mapping[Kind, int] = field(default_factory=dict)
    unfinished: int = 0
    cut_short: bool = False

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def why_not(self) -> str:
        """Why it is not complete; "" where it is."""
        if self.complete:
            return ""
        searches = "1 search" if self.unfinished == 1 else f"{self.unfinished} searches"
        causes = ", ".join(f"{problem} ({count})" for problem, count in self.problems.items())
        return f"{searches} without an end: {causes or 'pages were left unread'}"


class SyncRuns:
    """The sync runs of all clients.

    gaps: seconds, by client; a client that is not in it has DEFAULT_SYNC_GAP. It may be replaced at any time.

    A client that reads single entries only is not syncing, so that the test button of a service does not pass for a
    sync: such runs are never given out.
    """

    def __init__(self, gaps: Mapping[str, float]) -> None:
        self.gaps = gaps
        self._running: dict[str, _Running] = {}

    def add(self, record: AuditRecord, now: float) -> SyncRun | None:
        """now: the end of the operation, in seconds since the epoch. Returns the run that this record shows to have
        been over before."""
        if record.operation != "search" or not record.decision or not record.account or record.reason in _NOT_OF_A_SYNC:
            return None
        began = now - record.seconds
        running = self._running.get(record.client)
        over = None
        if running is None or began - running.ended >= self._gap(record.client):
            over = running
            running = self._running[record.client] = _Running(record.client, began)
        running.add(record, began, now)
        return None if over is None else over.so_far()

    def over(self, now: float, searching: Collection[str] = ()) -> list[SyncRun]:
        """Forgets and returns the runs that have ended by now. searching: clients with an open search, whose runs go
        on: of a search that takes long, no record is there yet."""
        ended = [
            client
            for client, running in self._running.items()
            if client not in searching and now - running.ended >= self._gap(client)
        ]
        runs = [self._running.pop(client).so_far() for client in ended]
        return [run for run in runs if run is not None]

    def cut_short(self) -> list[SyncRun]:
        """Forgets and returns the runs that are under way."""
        runs = [running.so_far(cut_short=True) for running in self._running.values()]
        self._running.clear()
        return [run for run in runs if run is not None]

    def running(self, client: str) -> SyncRun | None:
        """What the client's run has come to so far; None where none is under way."""
        running = self._running.get(client)
        return None if running is None else running.so_far()

    def _gap(self, client: str) -> float:
        return self.gaps.get(client, DEFAULT_SYNC_GAP)


@dataclass(slots=True)
class _Running:
    client: str
    began: float
    ended: float = 0.0
    searches: int = 0
    entries: int = 0
    entries_held_back: int = 0
    # In lower case: another spelling is no other attribute (RFC 4512 2.5).
    attributes_held_back: set[str] = field(default_factory=set)
    kinds: dict[Kind, int] = field(default_factory=dict)
    pages: int = 0
    octets: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    # A digest of each: a filter may have half a megabyte.
    unfinished: set[bytes] = field(default_factory=set)
    # A search of more than one entry has been there.
    syncs: bool = False
    too_many: bool = False

    def add(self, record: AuditRecord, began: float, now: float) -> None:
        if began < self.began:
            self.began = began
        if now > self.ended:
            self.ended = now
        self.searches += 1
        self.entries += record.sent
        self.entries_held_back += record.entries_held_back
        if record.held_back and len(self.attributes_held_back) < _MOST_ATTRIBUTES:
            self.attributes_held_back.update(map(str.lower, record.held_back))
        if record.sent and record.filter is not None:
            kind = kind_of_filter(record.filter)
            if kind is not None:
                self.kinds[kind] = self.kinds.get(kind, 0) + record.sent
        self.pages += record.pages
        self.octets += record.octets
        self.syncs = self.syncs or record.scope != "base"
        succeeded = record.code == _SUCCESS
        if not succeeded:
            self._count_problem(record)
        if succeeded and not record.more:
            if self.unfinished:
                self.unfinished.discard(_search(record))
        elif len(self.unfinished) < _MOST_UNFINISHED:
            self.unfinished.add(_search(record))
        else:
            self.too_many = True

    def so_far(self, cut_short: bool = False) -> SyncRun | None:
        if not self.syncs:
            return None
        return SyncRun(
            self.client,
            self.began,
            self.ended,
            self.searches,
            self.entries,
            self.entries_held_back,
            self.pages,
            self.octets,
            dict(self.problems),
            complete=not self.unfinished and not self.too_many,
            attributes_held_back=len(self.attributes_held_back),
            kinds=dict(self.kinds),
            unfinished=len(self.unfinished),
            cut_short=cut_short,
        )

    def _count_problem(self, record: AuditRecord) -> None:
        problem = record.reason or ("unanswered" if record.code is None else result_name(record.code))
        if problem in self.problems or len(self.problems) < _MOST_PROBLEMS:
            self.problems[problem] = self.problems.get(problem, 0) + 1


def _search(record: AuditRecord) -> bytes:
    """The digest that a search's pages share, and a later try of the search on another connection."""
    named = json.dumps([record.base, record.scope, record.asked]).encode()
    searched = b"" if record.filter is None else write_filter(record.filter)
    return blake2b(named + searched, digest_size=16).digest()
