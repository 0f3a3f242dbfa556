"""Whole results of a search as they came, to be compared octet for octet: entries with their values as sets."""

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.ask.client import Disconnection, Entry, Event, Reference, SearchDone, next_page, page_control
from gateway.ldap.results import LDAPResult
from tests.servers.ldapsearch import ldapsearch
from tests.servers.raw_client import RawClient

ALL = "(objectClass=*)"


# Values by attribute by DN.
Entries = dict[str, dict[str, frozenset[bytes]]]


@dataclass
class Whole:
    """What a search gave, in the spelling that came. pages: entries in each."""

    result: LDAPResult | None = None
    entries: Entries = field(default_factory=dict)
    references: list[tuple[str, ...]] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)

    @property
    def code(self) -> int:
        assert self.result is not None, "no result yet"
        return self.result.code

    def take(self, event: Event) -> None:
        """An entry comes once, an attribute once in an entry, a value once in an attribute."""
        if isinstance(event, Reference):
            self.references.append(event.uris)
            return
        assert isinstance(event, Entry), event
        attributes: dict[str, frozenset[bytes]] = {}
        for attribute in event.entry.attributes:
            assert attribute.type not in attributes, attribute.type
            attributes[attribute.type] = frozenset(attribute.values)
            assert len(attributes[attribute.type]) == len(attribute.values), attribute.type
        assert event.entry.dn not in self.entries, "the same entry twice"
        self.entries[event.entry.dn] = attributes


def read(client: RawClient, bases: Iterable[str], attributes: Iterable[str], **how: Any) -> Whole:
    """Reads the subtrees one after another; ends at the first result that is no success.

    client: a RawClient that is bound. how: as for read_pages.
    """
    whole = Whole()
    for base in bases:
        for _ in read_pages(client, whole, base, attributes, **how):
            pass
        if whole.code != 0:
            break
    return whole


def read_pages(
    client: RawClient,
    whole: Whole,
    base: str,
    attributes: Iterable[str],
    *,
    page: int | None = None,
    text: str = ALL,
    critical: bool = True,
    watch: Callable[[int], object] | None = None,
) -> Iterator[SearchDone]:
    """Adds a subtree to whole; a generator that stops after each page.

    page: the size that is asked for, None to ask for no pages. critical: of the paged results control. watch: called
    with the number of entries, after each.
    """
    cookie: bytes | None = None
    while cookie != b"":
        controls = () if page is None else (page_control(page, cookie or b"", critical),)
        done = finish(client, whole, client.search(base, text, attributes, controls), watch)
        cookie = next_page(done)
        assert not cookie or done.result.code == 0
        yield done


def finish(
    client: RawClient, whole: Whole, message_id: int, watch: Callable[[int], object] | None = None
) -> SearchDone:
    """Takes what comes of one search up to its SearchDone, which it returns."""
    before = len(whole.entries)
    while True:
        event = client.event()
        assert event is not None, "closed without a result"
        assert not isinstance(event, Disconnection), event
        assert event.message_id == message_id
        if isinstance(event, SearchDone):
            whole.result = event.result
            whole.pages.append(len(whole.entries) - before)
            return event
        whole.take(event)
        if watch is not None:
            watch(len(whole.entries))


def read_ranges(client: RawClient, dn: str, name: str, step: int = 1499) -> tuple[set[bytes], list[str]]:
    """The values of an attribute of one entry, asked for so many at a time, and the descriptions that came."""
    values: set[bytes] = set()
    descriptions: list[str] = []
    while not descriptions or not descriptions[-1].endswith("-*"):
        whole = Whole()
        asked = f"{name};range={len(values)}-{len(values) + step - 1}"
        finish(client, whole, client.search(dn, ALL, [asked], scope=0))
        assert whole.code == 0
        ((description, found),) = ((key, value) for key, value in whole.entries[dn].items() if value)
        assert values.isdisjoint(found)
        values |= found
        descriptions.append(description)
    return values, descriptions


def read_directly(
    url: str,
    ca_file: str | Path,
    account: tuple[str, str],
    bases: Iterable[str],
    attributes: Iterable[str],
    page: int = 500,
) -> Entries:
    """The entries of a paged read with OpenLDAP's ldapsearch: neither the gateway nor its codec has seen them."""
    entries: Entries = {}
    for base in bases:
        done = ldapsearch(url, ca_file, account, "-E", f"pr={page}/noprompt", "-b", base, ALL, *attributes)
        assert done.returncode == 0, done.stderr
        entries |= parse_ldif(done.stdout)
    return entries


def parse_ldif(ldif: bytes) -> Entries:
    """As ldapsearch prints it, without folded lines (RFC 2849)."""
    entries: dict[str, dict[str, set[bytes]]] = {}
    for line in ldif.split(b"\n"):
        if not line or line.startswith(b"#"):
            continue
        name, _, rest = line.partition(b":")
        value = base64.b64decode(rest[2:]) if rest.startswith(b":") else rest.removeprefix(b" ")
        if name == b"dn":
            entry = entries.setdefault(value.decode(), {})
        else:
            entry.setdefault(name.decode(), set()).add(value)
    return {dn: {name: frozenset(values) for name, values in attributes.items()} for dn, attributes in entries.items()}
