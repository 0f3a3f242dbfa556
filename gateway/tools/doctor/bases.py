"""The containers that a client is permitted to read: whether they are there, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from gateway.ask.account import refusal
from gateway.ask.attributes import texts
from gateway.ask.connection import Connection
from gateway.ask.findings import Section
from gateway.ldap.dn import DN, RDN, DNError, escape_value, parse
from gateway.ldap.filters import EqualityMatch, Or, Present
from gateway.ldap.kinds import Kind, kind_of
from gateway.ldap.messages import (
    BASE_OBJECT,
    NO_ATTRIBUTES,
    SINGLE_LEVEL,
    WHOLE_SUBTREE,
    SearchRequest,
    SearchResultEntry,
)
from gateway.ldap.results import ResultCode
from gateway.policy.base_spelling import shown_apart

_CONTAINER_FILTER: Final = Or(
    tuple(EqualityMatch("objectClass", kind.encode()) for kind in ("organizationalUnit", "container", "organization"))
)

# How many names one line shows.
_SHOWN: Final = 5


@dataclass(slots=True)
class Contents:
    """Entries below a base, itself included. containers: names of containers that RFC 4514 escapes."""

    entries: int = 0
    people: int = 0
    groups: int = 0
    contacts: int = 0
    escaped: dict[str, None] = field(default_factory=dict)

    def count(self, entry: SearchResultEntry) -> None:
        self.entries += 1
        kind = kind_of(texts(entry, "objectClass"))
        if kind is Kind.group:
            self.groups += 1
        elif kind is Kind.contact:
            self.contacts += 1
        elif kind is Kind.user:
            self.people += 1
        elif kind is Kind.container:
            self._note_name(entry.dn)

    def _note_name(self, dn: str) -> None:
        try:
            name = parse(dn)
        except DNError:
            return
        if name.rdns and needs_escaping(name.rdns[0]):
            self.escaped[str(DN(name.rdns[:1]))] = None


async def check_base(section: Section, connection: Connection, base: DN, page_size: int, *, whole: bool) -> None:
    """Reads all of it, names and classes only. page_size: 0 reads without paging. whole: it is one of the server's
    naming contexts, and nothing in it is excluded. Raises ConnectionFailed."""
    contents = Contents()
    request = SearchRequest(str(base), WHOLE_SUBTREE, Present("objectClass"), ("objectClass",))
    if page_size:
        answer = await connection.search_paged(request, page_size, contents.count)
    else:
        answer = await connection.search(request, read=contents.count)
    if answer.result.code == ResultCode.noSuchObject:
        advice = await nearest(connection, base)
        section.failed("exists", "there is no entry of this name, or the account may not see it", advice)
        section.skipped("it does not exist", "spelling", "contents")
        return
    section.ok("exists", "yes")
    itself = await connection.search(_itself(base))
    if itself.complete and itself.entries:
        check_spelling(section, base, itself.entries[0].dn)
    else:
        section.skipped("the account may not read the entry of the base itself", "spelling")
    if whole:
        section.warning(
            "scope",
            "it is the whole directory: accounts of services and administrators are in it as well",
            "list the containers of those whom the service is to know, or exclude the others by excluded_base_dns",
        )
    counts = f"{contents.people} people, {contents.groups} groups, {contents.contacts} contacts"
    counts += f"; {contents.entries} entries in all, {_pages(answer.pages)}"
    if not answer.complete:
        said, advice = refusal(answer.result)
        section.failed("contents", f"not complete: {said}, after {contents.entries} entries", advice)
    elif not contents.people + contents.groups + contents.contacts:
        section.warning(
            "contents",
            f"empty: {counts}",
            "is it the right container, and may the account read what is in it?",
        )
    else:
        section.ok("contents", counts)
    if contents.escaped:
        listed = [f"`{name}`" for name in contents.escaped]
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        section.ok(
            "special characters",
            f"{len(listed)} containers need escaping: {' '.join(listed[:_SHOWN])}{more}",
            "write them like this, backslashes included, wherever a DN is asked for",
        )


async def check_exists(section: Section, connection: Connection, base: DN, what: str) -> None:
    """what: the key that it stands in. Raises ConnectionFailed."""
    answer = await connection.search(_itself(base))
    if answer.complete and answer.entries:
        section.ok("exists", f"as one of {what}")
        check_spelling(section, base, answer.entries[0].dn)
    else:
        said = "there is no entry of this name" if answer.complete else refusal(answer.result)[0]
        section.failed("exists", f"{said}; it is one of {what}", await nearest(connection, base))


def _itself(base: DN) -> SearchRequest:
    """The read of the entry that a base names."""
    return SearchRequest(str(base), BASE_OBJECT, Present("objectClass"), (NO_ATTRIBUTES,))


def check_spelling(section: Section, base: DN, answered: str) -> None:
    """answered: the name of the entry that the server gave for this base."""
    try:
        theirs = parse(answered)
    except DNError as error:
        section.failed("spelling", f"the server answers with a name that is no DN: {error}", "see the server's own log")
        return
    if theirs.same(base):
        section.ok("spelling", "the server has it as the configuration does")
    elif theirs.same_loosely(base):
        mine, its = shown_apart(base, theirs)
        section.warning("spelling", f"the configuration has {mine}, and the server has {its}", f'write "{its}"')
    else:
        section.failed(
            "spelling",
            f"the server answers with an entry of another name: {theirs}",
            f'write "{theirs}" if that entry is meant: what is below it counts as outside',
        )


async def nearest(connection: Connection, base: DN) -> str:
    """What to write instead: the names that are there, below the lowest container above that exists."""
    above, missing = base, base
    while above.rdns:
        above, missing = above.parent(), above
        names = await _containers(connection, above)
        if names is None:
            continue
        wanted = str(DN(missing.rdns[:1])).lower()
        close = get_close_matches(wanted, [name.lower() for name in names], n=1, cutoff=0.6)
        if close:
            right = next(name for name in names if name.lower() == close[0])
            return f'did you mean "{right},{above}"?'
        listed = "  ".join(sorted(names)[:_SHOWN])
        return f'below "{above}" there are: {listed}' if names else f'there is no container below "{above}"'
    return "compare it with the server's naming contexts"


async def _containers(connection: Connection, above: DN) -> list[str] | None:
    """The RDNs of the containers right below a name; None where that does not exist."""
    names: list[str] = []

    def take(entry: SearchResultEntry) -> None:
        try:
            names.append(str(DN(parse(entry.dn).rdns[:1])))
        except DNError:
            return

    if not above.rdns:
        return None
    request = SearchRequest(str(above), SINGLE_LEVEL, _CONTAINER_FILTER, (NO_ATTRIBUTES,), size_limit=200)
    answer = await connection.search(request, read=take)
    return names if answer.complete or answer.result.code == ResultCode.sizeLimitExceeded else None


def _pages(count: int) -> str:
    return "not paged" if count == 0 else f"in {count} page{'s' if count > 1 else ''}"


def needs_escaping(rdn: RDN) -> bool:
    """Whether a name is written in another way than its container is called."""
    return any(isinstance(ava.value, str) and escape_value(ava.value) != ava.value for ava in rdn)
