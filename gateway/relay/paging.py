"""Paged searches (RFC 2696): where they stand, and the cookies that clients hold.

A cookie of the gateway stands for a search of one session; a server's own cookie never leaves it. So a cookie is
of use only in the session and for the search that it was given for, and only on the server that has the pages.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import Final

from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.entry_stream import Tally
from gateway.policy.decision import SearchPlan
from gateway.relay.aside import PutAside
from gateway.relay.base_reading import KnownBases
from gateway.relay.load import SessionLoad

# Open paged searches of one session; beyond it the oldest is given up, as Samba does.
MOST_OPEN: Final = 10


class Search:
    """One search over all its parts and pages.

    part: which of plan.parts is being read. cookie: the server's, for the next page of that part. carried: entries that
    came before the client's page that they belong to. controls: those of the plan that this server is sent; answers:
    controls of each result, besides those of the server; said: those of the server's last result. weight: octets that
    it holds between two pages, estimated.
    """

    __slots__ = ("answers", "carried", "controls", "cookie", "part", "plan", "said", "tally", "weight")

    def __init__(self, plan: SearchPlan, attributes: int, carried: PutAside, weight: int) -> None:
        self.plan = plan
        self.carried = carried
        self.weight = weight
        self.part = 0
        self.cookie = b""
        self.controls: tuple[Control, ...] = ()
        self.answers = plan.answers
        self.said: tuple[Control, ...] = ()
        self.tally = Tally(attributes)

    def entries_left(self) -> int | None:
        """How many the client may still get; None for any number."""
        limit = self.plan.size_limit
        return None if limit == 0 else limit - self.tally.sent


class PagedSearches:
    """The searches of one session of which the client has a cookie. They are a part of its load."""

    def __init__(self, load: SessionLoad) -> None:
        self._open: dict[bytes, Search] = {}
        self._load = load
        self._octets = 0
        # A cookie of another session must not happen to be one of this session's.
        self._mark = token_bytes(8)
        self._given = 0

    def keep(self, search: Search) -> bytes:
        """A cookie for the search, of use once. The oldest others go where there are too many, or these hold too
        much."""
        self._load.add(search.weight)
        self._octets += search.weight
        while self._open and (len(self._open) >= MOST_OPEN or self._octets > self._load.most_between_pages):
            self._forget(next(iter(self._open))).carried.clear()
        self._given += 1
        cookie = self._mark + self._given.to_bytes(8, "big")
        self._open[cookie] = search
        return cookie

    def take(self, cookie: bytes, plan: SearchPlan) -> Search | None:
        """The search that the cookie was given for; None where it is unknown or was given for another search."""
        if cookie not in self._open:
            return None
        search = self._forget(cookie)
        if search.plan.parts != plan.parts or search.plan.controls != plan.controls:
            search.carried.clear()
            return None
        return search

    def clear(self) -> None:
        """The server has lost its pages: its connection is gone, or was bound again."""
        for cookie in list(self._open):
            self._forget(cookie).carried.clear()

    def _forget(self, cookie: bytes) -> Search:
        search = self._open.pop(cookie)
        self._load.remove(search.weight)
        self._octets -= search.weight
        return search


def next_cookie(controls: tuple[Control, ...]) -> bytes:
    """The server's cookie for the next page; b"" after the last one, and where it did not page. Raises DecodeError."""
    for control in controls:
        if control.oid == PAGED_RESULTS:
            return paged_results(control).cookie
    return b""


def page_response(cookie: bytes) -> Control:
    """Without an estimate of the size: what the server counts is not what the client may see."""
    return PagedResults(0, cookie).to_control(critical=False)


class ServerFacts:
    """What was learnt of a directory's servers, by URL: whether they are an Active Directory, which controls they
    support, and how they spell configured bases for whom. Shared by sessions."""

    def __init__(self) -> None:
        self.bases = KnownBases()
        self.is_active_directory: dict[str, bool] = {}
        self.controls: dict[str, frozenset[str]] = {}
