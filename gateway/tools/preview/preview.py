"""What a service will see: everything below a client's base DNs, read as its sync account through the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.ask.attributes import texts
from gateway.ask.connection import Connection, ConnectionFailed, EntryReader, SearchAnswer
from gateway.ldap.attribute_types import TypeSet
from gateway.ldap.controls import PAGED_RESULTS
from gateway.ldap.dn import DN, Key, key, parse
from gateway.ldap.filters import Filter, Present
from gateway.ldap.kinds import Kind, kind_filters, kind_of
from gateway.ldap.messages import NO_ATTRIBUTES, WHOLE_SUBTREE, SearchRequest, SearchResultEntry
from gateway.ldap.results import result_name
from gateway.net.sessions.settings import ClientSettings
from gateway.net.transport.reactor import Reactor
from gateway.policy.narrowing import outermost
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.settings import ClientPolicy, Paging
from gateway.relay.audit import AuditRecord
from gateway.relay.settings import SessionLimits
from gateway.tools.preview.census import AttributeUse, Census, KindCount, Mark, Seen
from gateway.tools.preview.session_link import connect_through_policy

# What a service asks that wants everything; the policy makes the listed attributes of it.
_EVERYTHING: Final = ("*",)

# Takes a base DN and how many entries have come from it so far.
Progress = Callable[[str, int], None]


class CannotSignIn(Exception):
    """The text says why; nothing was read."""


@dataclass(frozen=True, slots=True)
class BaseView:
    """One of base_dns.

    kinds: of what lies in it and in no other base DN below it. pages: that the service got. held_back: entries that
    the server gave and the policy does not let out. excluded: base DNs inside it that are the reason.
    problem: why the result is not complete, "" where it is.
    """

    base: str
    kinds: dict[Kind, KindCount] = field(default_factory=dict)
    pages: int = 0
    held_back: int = 0
    references_dropped: int = 0
    excluded: tuple[str, ...] = ()
    problem: str = ""

    @property
    def entries(self) -> int:
        return sum(count.entries for count in self.kinds.values())


@dataclass(frozen=True, slots=True)
class View:
    """What a preview found.

    marks: of each of seen, in the same order. shared: addresses of several entries, and the DNs of these.
    filtered: the required_filter is in force, so that the server does not even give what it leaves out.
    kinds_known: False where objectClass is neither listed nor usable in filters.
    """

    client: str
    account: str
    server: str
    bases: tuple[BaseView, ...]
    seen: tuple[Seen, ...]
    marks: tuple[frozenset[Mark], ...]
    attributes: tuple[AttributeUse, ...]
    shared: dict[str, tuple[str, ...]]
    filtered: bool = False
    kinds_known: bool = True

    @property
    def complete(self) -> bool:
        return not any(base.problem for base in self.bases)

    @property
    def never_filled(self) -> tuple[str, ...]:
        return tuple(use.name for use in self.attributes if not use.entries)


async def preview(
    client: ClientSettings,
    limits: SessionLimits,
    account: str,
    password: bytes,
    reactor: Reactor,
    progress: Progress = lambda _base, _count: None,
) -> View:
    """account: one of the client's sync_accounts. Raises CannotSignIn; OSError or ValueError for an unusable CA
    file."""
    records: list[AuditRecord] = []
    async with connect_through_policy(client, limits, reactor, records.append) as connection:
        await _sign_in(connection, account, password, records)
        return await _Reading(client.policy, connection, records, progress).all(account, records[-1].server)


async def _sign_in(connection: Connection, account: str, password: bytes, records: list[AuditRecord]) -> None:
    try:
        result = await connection.bind(account, password)
    except ConnectionFailed as error:
        raise CannotSignIn(_why(records, str(error))) from None
    if result.code:
        raise CannotSignIn(_why(records, result_name(result.code)))


def _why(records: list[AuditRecord], otherwise: str) -> str:
    """The gateway's own reason where it has one; the client hears no more than a result code."""
    for record in reversed(records):
        if record.server_meaning:
            return record.server_meaning
        if record.reason:
            detail = f" ({record.detail})" if record.detail else ""
            return f"{record.reason}: {REASONS[Reason(record.reason)].meaning}{detail}"
    return otherwise


class _Reading:
    def __init__(
        self, policy: ClientPolicy, connection: Connection, records: list[AuditRecord], progress: Progress
    ) -> None:
        self._policy = policy
        self._connection = connection
        self._records = records
        self._progress = progress
        self._census = Census(policy)
        self._reads_kinds = TypeSet(policy.attributes).find("objectClass") is not None
        self._kinds_known = True
        # The longest first: where bases nest, an entry is counted under the innermost.
        self._bases = sorted(policy.base_dns, key=lambda base: len(base.rdns), reverse=True)

    async def all(self, account: str, server: str) -> View:
        read = [await self._base(base) for base in outermost(self._policy.base_dns)]
        counts = self._census.counts()
        inner = [base for base in self._policy.base_dns if not any(str(base) == view.base for view in read)]
        views = [*read, *(BaseView(str(base)) for base in inner)]
        census = self._census
        return View(
            client=self._policy.name,
            account=account,
            server=server,
            bases=tuple(replace(view, kinds=counts.get(view.base, {})) for view in views),
            seen=tuple(census.seen),
            marks=tuple(map(census.marks, census.seen)),
            attributes=census.attributes(),
            shared=census.shared_addresses(),
            filtered=self._policy.required_filter is not None,
            kinds_known=self._kinds_known,
        )

    async def _base(self, base: DN) -> BaseView:
        begun = len(self._records)
        try:
            kinds = {} if self._reads_kinds else await self._kinds(base)
            begun = len(self._records)
            answer = await self._search(base, Present("objectClass"), _EVERYTHING, self._reader(base, kinds))
        except ConnectionFailed as error:
            return BaseView(str(base), problem=_why(self._records[begun:], str(error)))
        records = self._records[begun:]
        excluded = tuple(str(each) for each in self._policy.excluded_base_dns if each.is_inside_loosely(base))
        return BaseView(
            str(base),
            pages=answer.pages,
            held_back=sum(record.received - record.sent for record in records),
            references_dropped=sum(record.references_dropped for record in records),
            excluded=excluded,
            problem="" if answer.complete else _why(records, result_name(answer.result.code)),
        )

    def _reader(self, base: DN, kinds: dict[Key, Kind]) -> EntryReader:
        count = 0

        # The session has parsed each name already, and found it inside a base.
        def read(entry: SearchResultEntry) -> None:
            nonlocal count
            count += 1
            name = parse(entry.dn)
            kind = kind_of(texts(entry, "objectClass")) if self._reads_kinds else kinds.get(key(name), Kind.other)
            inside = next(each for each in self._bases if name.is_inside(each))
            self._census.add(entry, kind, str(inside))
            self._progress(str(base), count)

        return read

    async def _kinds(self, base: DN) -> dict[Key, Kind]:
        """The kinds of entries, as a service finds them out that may not read objectClass: by searches of their own."""
        kinds: dict[Key, Kind] = {}
        for kind, wanted in kind_filters():
            names: list[Key] = []
            answer = await self._search(base, wanted, (NO_ATTRIBUTES,), _name_reader(names))
            if not answer.complete:
                self._kinds_known = False
            for name in names:
                kinds.setdefault(name, kind)
        return kinds

    async def _search(self, base: DN, wanted: Filter, attributes: tuple[str, ...], read: EntryReader) -> SearchAnswer:
        request = SearchRequest(str(base), WHOLE_SUBTREE, wanted, attributes)
        if self._policy.paging is Paging.never or PAGED_RESULTS not in self._policy.controls:
            return await self._connection.search(request, read=read)
        return await self._connection.search_paged(request, self._policy.page_size, read)


def _name_reader(names: list[Key]) -> EntryReader:
    return lambda entry: names.append(key(parse(entry.dn)))
