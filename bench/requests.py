"""Prepared work for connections: paged reading of everything, and searches for one person each."""

import random
import time
from collections.abc import Sequence

from bench.wire import next_cookie
from gateway.ldap.controls import PagedResults
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import WHOLE_SUBTREE, LDAPMessage, SearchRequest
from tests.servers.windows import people

# Ten of the attributes that a person has here: what the gateway and slapd let out.
ATTRIBUTES = (
    *("objectClass", "objectGUID", "cn", "displayName", "givenName", "sn", "mail", "proxyAddresses"),
    *("sAMAccountName", "userAccountControl"),
)
EVERYTHING = parse_filter("(objectClass=*)")


def search_for_all(base: str = people.STAFF, attributes: Sequence[str] = ATTRIBUTES) -> SearchRequest:
    return SearchRequest(base, WHOLE_SUBTREE, EVERYTHING, tuple(attributes))


class PagedRead:
    """Everything below a base, page by page."""

    def __init__(
        self, page_size: int, attributes: Sequence[str] = ATTRIBUTES, *, request: SearchRequest | None = None
    ) -> None:
        """request: in place of one for everything below OU=Staff."""
        self._request = search_for_all(attributes=attributes) if request is None else request
        self._page_size = page_size
        self._sent = 100

    def first(self) -> bytes:
        return self._page(b"")

    def next(self, answer: bytes) -> bytes | None:
        cookie = next_cookie(answer)
        return self._page(cookie) if cookie else None

    def _page(self, cookie: bytes) -> bytes:
        self._sent += 1
        control = PagedResults(self._page_size, cookie).to_control(critical=True)
        return encode(LDAPMessage(self._sent, self._request, (control,)))


class Lookups:
    """Searches for people by mail address or account name, whom random names. seconds: of each, once answered."""

    def __init__(self, count: int, users: int, chance: random.Random) -> None:
        # Of equal length, so that a prepared request serves for all of them. Account names have five digits.
        numbers = (f"{chance.randint(1, min(users, 99_999)):05}".encode() for _ in range(count))
        self._requests = [_LOOKUPS[i % len(_LOOKUPS)].replace(_NUMBER, number) for i, number in enumerate(numbers)]
        self._requests.reverse()
        self._sent_at = 0.0
        self.seconds: list[float] = []

    def first(self) -> bytes:
        self._sent_at = time.perf_counter()
        return self._requests.pop()

    def next(self, answer: bytes) -> bytes | None:
        self.seconds.append(time.perf_counter() - self._sent_at)
        return self.first() if self._requests else None


_NUMBER = b"00000"


def _lookup(message_id: int, text: str) -> bytes:
    request = SearchRequest(people.STAFF, WHOLE_SUBTREE, parse_filter(text), ATTRIBUTES)
    return encode(LDAPMessage(message_id, request))


# Message IDs change, as those of a client do that has one operation at a time.
_LOOKUPS = [
    _lookup(message_id, text)
    for message_id in range(10, 60)
    for text in (f"(mail=u00000@{people.DOMAIN})", "(sAMAccountName=u00000)")
]
