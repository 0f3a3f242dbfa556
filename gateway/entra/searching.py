"""A search, from the request to its end: what is refused at once, the entries, and the result."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from time import monotonic, time
from typing import Final

from gateway.entra.finding import Sought, TooMuch, find
from gateway.entra.matching import Matching
from gateway.entra.own_entries import root_dse, subschema, subschema_dn
from gateway.entra.packed import Packed
from gateway.entra.pages import PagedSearch, Pages
from gateway.entra.readings import OLDEST, Reading, Readings, Unavailable, explained
from gateway.entra.selection import Selection
from gateway.entra.snapshot import Snapshot
from gateway.entra.subjects import MadeEntry
from gateway.entra.syntaxes import dn_key
from gateway.ldap import ber
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import BASE_OBJECT, LDAPMessage, SearchRequest, SearchResultDone
from gateway.ldap.results import LDAPResult, ResultCode

# Octets of answers that are put together before they go out.
_TOGETHER: Final = 32_768

# Octets as they go out; b"" where it is somebody else's turn.
Answer = Generator[bytes, None, None]


class Refused(Exception):
    """A search that ends with this result."""

    def __init__(self, code: ResultCode, diagnostic: str, matched_dn: str = "") -> None:
        super().__init__(diagnostic)
        self.result = LDAPResult(int(code), matched_dn, diagnostic)


@dataclass(frozen=True, slots=True)
class SearchedCopy:
    """What searches are about. base: of the copy, as it is published."""

    base: DN
    readings: Readings


class Searching:
    """The searches of one connection."""

    def __init__(self, copy: SearchedCopy) -> None:
        self._copy = copy
        self._subschema = subschema_dn(copy.base)
        self._pages = Pages()

    def end(self) -> None:
        self._pages.end()

    def answer(self, message_id: int, request: SearchRequest, controls: tuple[Control, ...], bound: bool) -> Answer:
        """All messages that answer a search. bound: the connection may read more than the root DSE."""
        done: tuple[Control, ...] = ()
        try:
            paging = _paging(controls)
            if request.scope == BASE_OBJECT and not request.base:
                yield from self._made(message_id, request, "", root_dse(self._copy.base, time()))
            elif not bound:
                raise Refused(ResultCode.insufficientAccessRights, "a search needs a bind with the token")
            else:
                cookie = yield from self._entries(message_id, request, paging)
                if paging is not None:
                    done = (PagedResults(0, cookie).to_control(critical=False),)
            result = LDAPResult(int(ResultCode.success))
        except Refused as refused:
            result = refused.result
        except Unavailable as unavailable:
            code = ResultCode.busy if unavailable.busy else ResultCode.unavailable
            result = LDAPResult(int(code), "", str(unavailable))
        yield encode(LDAPMessage(message_id, SearchResultDone(result), done))

    def _entries(
        self, message_id: int, request: SearchRequest, paging: PagedResults | None
    ) -> Generator[bytes, None, bytes]:
        """The entries of a search, or of one page of it; returns the cookie for the next page, b"" for the last one."""
        search = self._next_page(request, paging)
        try:
            if search.reading.found is None:
                own = self._begin(search.reading, request)
                if own is not None:
                    yield from self._made(message_id, request, str(self._subschema), own)
                    return b""
            more = yield from _page(message_id, search, paging)
            return self._pages.keep(search) if more else b""
        except sqlite3.Error as error:
            raise explained(error) from None
        except TooMuch:
            said = "the links that the filter follows lead to too many entries"
            raise Refused(ResultCode.adminLimitExceeded, said) from None
        finally:
            if not search.reading.waits:
                search.reading.end()

    def _next_page(self, request: SearchRequest, paging: PagedResults | None) -> PagedSearch:
        if paging is None or not paging.cookie:
            if paging is not None and paging.size == 0:
                raise Refused(ResultCode.unwillingToPerform, "a page of no entries begins no search")
            return PagedSearch(request, self._copy.readings.begin())
        search = self._pages.take(paging.cookie)
        if search is None:
            raise Refused(ResultCode.unwillingToPerform, "no search of this connection waits for this cookie any more")
        if paging.size == 0:
            # RFC 2696 3: nothing more of it is wanted.
            search.reading.end()
        elif not search.is_of(request):
            search.reading.end()
            raise Refused(ResultCode.unwillingToPerform, "the cookie belongs to a search with other parameters")
        return search

    def _begin(self, reading: Reading, request: SearchRequest) -> Packed | None:
        """Sets out to find entries; the subschema, where that is what is asked for."""
        try:
            base = parse(request.base)
        except DNError as error:
            raise Refused(ResultCode.invalidDNSyntax, f"the base: {error}") from None
        if base.same(self._subschema) and request.scope == BASE_OBJECT:
            return subschema(self._copy.base)
        key = dn_key(base)
        row = reading.snapshot.entry(key)
        if row is None:
            raise Refused(ResultCode.noSuchObject, "no entry has this name", _nearest(reading.snapshot, base))
        selection = self._selection(request)
        sought = Sought(row, key, request.scope, request.filter, self._copy.base)
        reading.found = find(reading.snapshot, sought, selection)
        return None

    def _made(self, message_id: int, request: SearchRequest, dn: str, entry: Packed) -> Iterator[bytes]:
        """An entry that is made up here, if it matches. Clients ask in different ways for all that it has."""
        if Matching(self._copy.base).compile(request.filter).test(MadeEntry(entry)):
            yield _message(message_id, self._selection(request, made=True).write(dn, entry))

    def _selection(self, request: SearchRequest, *, made: bool = False) -> Selection:
        names = request.attributes
        if made and "+" in names:
            names = ("*", *names)
        return Selection(names, request.types_only, str(self._subschema))


def _page(message_id: int, search: PagedSearch, paging: PagedResults | None) -> Generator[bytes, None, bool]:
    """Sends what there is, or as much of it as fits on a page; returns whether more is to come."""
    found, request = search.reading.found, search.request
    if found is None or search.reading.ended:
        return False
    until = monotonic() + request.time_limit if request.time_limit else None
    together: list[bytes] = []
    size = on_page = 0
    while True:
        entry = search.ahead or next(found, None)
        search.ahead = b""
        if entry is None:
            break
        if entry:
            if paging is not None and on_page == paging.size:
                search.ahead = entry
                break
            if request.size_limit and search.sent == request.size_limit:
                yield b"".join(together)
                raise Refused(ResultCode.sizeLimitExceeded, f"more than {request.size_limit} entries match")
            together.append(_message(message_id, entry))
            size += len(entry)
            on_page += 1
            search.sent += 1
            if size < _TOGETHER:
                continue
        yield b"".join(together)
        together, size = [], 0
        if search.reading.ended:
            raise Refused(ResultCode.adminLimitExceeded, f"a search may take {OLDEST:g} seconds")
        if until is not None and monotonic() > until:
            raise Refused(ResultCode.timeLimitExceeded, f"the search takes more than {request.time_limit} seconds")
    yield b"".join(together)
    return entry is not None


def _message(message_id: int, operation: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(message_id) + operation)


def _paging(controls: tuple[Control, ...]) -> PagedResults | None:
    found = [control for control in controls if control.oid == PAGED_RESULTS]
    if not found:
        return None
    try:
        if len(found) == 1:
            return paged_results(found[0])
        said = "it stands there twice"
    except DecodeError as error:
        said = str(error)
    raise Refused(ResultCode.protocolError, f"the paged results control: {said}")


def _nearest(snapshot: Snapshot, dn: DN) -> str:
    """The name of the nearest entry above (RFC 4511 4.1.9, matchedDN)."""
    while dn.rdns:
        dn = dn.parent()
        row = snapshot.entry(dn_key(dn))
        if row is not None:
            return row[2]
    return ""
