"""The paged searches of one connection (RFC 2696): all pages of a search come from one state of the copy."""

from __future__ import annotations

from hmac import compare_digest
from secrets import token_bytes
from typing import Final

from gateway.entra.readings import Reading
from gateway.ldap.messages import SearchRequest

# Octets that nobody guesses; each page has new ones.
_COOKIE_OCTETS: Final = 16
# Paged searches that one connection may have between two pages; the oldest is given up for a new one, as Active
# Directory and Samba do.
MOST: Final = 10


class PagedSearch:
    """A search between two of its pages. sent: entries on all pages so far. ahead: the entry that comes next."""

    __slots__ = ("ahead", "reading", "request", "sent")

    def __init__(self, request: SearchRequest, reading: Reading) -> None:
        self.request = request
        self.reading = reading
        self.sent = 0
        self.ahead = b""

    def is_of(self, request: SearchRequest) -> bool:
        """Whether a request asks for more of the same (RFC 2696 3)."""
        return self.request == request


class Pages:
    """The searches of a connection of which more pages are to come, by the cookie of the next one."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, PagedSearch] = {}

    def keep(self, search: PagedSearch) -> bytes:
        """The cookie for the next page."""
        for cookie in [cookie for cookie, other in self._waiting.items() if other.reading.ended]:
            del self._waiting[cookie]
        if len(self._waiting) >= MOST:
            self._waiting.pop(next(iter(self._waiting))).reading.end()
        cookie = token_bytes(_COOKIE_OCTETS)
        self._waiting[cookie] = search
        search.reading.waits = True
        return cookie

    def take(self, cookie: bytes) -> PagedSearch | None:
        """The search whose next page this is the cookie of; None where there is none any more. It counts once."""
        for known in self._waiting:
            if compare_digest(known, cookie):
                search = self._waiting.pop(known)
                search.reading.waits = False
                return None if search.reading.ended else search
        return None

    def end(self) -> None:
        while self._waiting:
            self._waiting.popitem()[1].reading.end()
