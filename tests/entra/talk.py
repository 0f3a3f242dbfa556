"""A conversation with the responder without its socket, and what is said on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from gateway.entra.conversation import Conversation
from gateway.entra.published import PublishedEntry
from gateway.entra.readings import Readings
from gateway.entra.searching import SearchedCopy
from gateway.ldap.controls import Control, PagedResults, paged_results
from gateway.ldap.decoding import decode_response
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    BindRequest,
    LDAPMessage,
    Operation,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SimpleAuthentication,
)
from gateway.ldap.results import LDAPResult
from tests.entra.copies import BASE, make_copy

# A mark of tests/emitted.py is in it.
TOKEN = "Entra-Responder-Passw0rd-of-the-tests"


class Talk:
    """A connection of the gateway: asks, and gives back what was answered. limit: seconds of refuse_after."""

    def __init__(self, store: Path, token_file: Path, refuse_after: float = 86_400.0, readings: Readings | None = None):
        self.readings = Readings(store, refuse_after) if readings is None else readings
        self.conversation = Conversation(SearchedCopy(parse(BASE), self.readings), token_file)
        self._framer = Framer(2**30)
        self._ids = count(1)

    def say(self, operation: Operation, *controls: Control) -> int:
        """Sends a request; returns its message ID."""
        message_id = next(self._ids)
        self.conversation.received(encode(LDAPMessage(message_id, operation, controls)))
        return message_id

    def hear(self) -> list[LDAPMessage]:
        """All that is answered by now."""
        while self.conversation.has_work:
            self._framer.feed(self.conversation.work())
        found = []
        while (octets := self._framer.next_message()) is not None:
            found.append(decode_response(octets))
        return found

    def result(self, operation: Operation, *controls: Control) -> LDAPResult:
        """The result of a request that has one answer."""
        self.say(operation, *controls)
        (answer,) = self.hear()
        result: LDAPResult = answer.operation.result  # type: ignore[union-attr]
        return result

    def bind(self, name: str = "CN=gateway", password: str = TOKEN) -> LDAPResult:
        return self.result(BindRequest(3, name, SimpleAuthentication(password.encode())))

    def search(self, request: SearchRequest, *controls: Control) -> tuple[list[SearchResultEntry], LDAPMessage]:
        self.say(request, *controls)
        *entries, done = self.hear()
        return [each.operation for each in entries if isinstance(each.operation, SearchResultEntry)], done

    def found(self, filter: str, base: str = BASE, scope: int = 2, attributes: Iterable[str] = ("1.1",)) -> list[str]:
        """The DNs of all that a search finds, which must succeed."""
        entries, done = self.search(SearchRequest(base, scope, parse_filter(filter), tuple(attributes)))
        assert isinstance(done.operation, SearchResultDone)
        assert done.operation.result.code == 0, done.operation.result.diagnostic
        return [each.dn for each in entries]

    def shown(self, dn: str, attributes: Iterable[str] = (), *, types_only: bool = False) -> dict[str, Sequence[bytes]]:
        """What one entry shows of itself."""
        request = SearchRequest(dn, 0, parse_filter("(objectClass=*)"), tuple(attributes), types_only=types_only)
        (entry,), _ = self.search(request)
        return {each.type: each.values for each in entry.attributes}

    def page(
        self, request: SearchRequest, size: int, cookie: bytes = b""
    ) -> tuple[list[str], LDAPResult, PagedResults | None]:
        """One page: the DNs, the result, and the control that came with it."""
        entries, done = self.search(request, PagedResults(size, cookie).to_control(critical=True))
        assert isinstance(done.operation, SearchResultDone)
        control = paged_results(done.controls[0]) if done.controls else None
        return [each.dn for each in entries], done.operation.result, control


@contextmanager
def talk_of(entries: Iterable[PublishedEntry], directory: Path) -> Iterator[Talk]:
    """A conversation that is signed in, about a copy of these entries that was published just now."""
    (directory / "token").write_text(TOKEN)
    writer = make_copy(directory / "copy.db", entries, int(time.time()))
    talk = Talk(directory / "copy.db", directory / "token")
    try:
        assert talk.bind().code == 0
        yield talk
    finally:
        talk.readings.close()
        writer.close()
