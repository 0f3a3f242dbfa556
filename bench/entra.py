"""A copy of a large Entra ID tenant: what it takes to publish it, to read all of it, and to find one person."""

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from bench.measure import MB, Figure, PeakMemory, cpu_seconds, resident
from bench.requests import ATTRIBUTES, PagedRead
from bench.results import percentile
from bench.tenant_copy import BASE, DOMAIN, Tenant
from bench.wire import Connection, drive
from gateway.entra.published import create_tables, note_success, replace_all, write_entries
from gateway.entra.store_file import open_for_writing
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import WHOLE_SUBTREE, LDAPMessage, SearchRequest
from tests.entra.responder_process import ResponderProcess
from tests.entra.talk import TOKEN

# People of a publish, and how many publishes are measured.
CHANGED = 100
_PUBLISHES = 10
_LOOKUPS = 2000
_PAGE = 1000

# What issue and design ask for: seconds of a publish, seconds of one person by mail, entries a second, octets.
MOST_PUBLISH = 0.5
MOST_LOOKUP = 0.02
LEAST_BULK = 15_000
MOST_MEMORY = 300 * MB
MOST_OVERHEAD = 2000


# Figure, measured, goal, verdict.
_Row: TypeAlias = tuple[str, ...]


class MailLookups:
    """Searches for one person each by mail address, _LOOKUPS of them. seconds: of each, once answered."""

    def __init__(self, people: int) -> None:
        self._people = people
        self._chance = random.Random(0)
        self._sent_at = 0.0
        self.seconds: list[float] = []

    def first(self) -> bytes:
        sought = parse_filter(f"(mail=u{self._chance.randrange(self._people):06}@{DOMAIN})")
        request = encode(LDAPMessage(9, SearchRequest(BASE, WHOLE_SUBTREE, sought, ATTRIBUTES)))
        self._sent_at = time.perf_counter()
        return request

    def next(self, answer: bytes) -> bytes | None:
        self.seconds.append(time.perf_counter() - self._sent_at)
        return self.first() if self._goes_on() else None

    def _goes_on(self) -> bool:
        return len(self.seconds) < _LOOKUPS


class MailLookupsDuring(MailLookups):
    """The same for as long as a process runs."""

    def __init__(self, people: int, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(people)
        self._process = process

    def _goes_on(self) -> bool:
        return self._process.poll() is None


def measure(people: int) -> Iterator[Figure]:
    """people: of the tenant, which has a fifth as many groups and ten memberships of each person."""
    tenant = Tenant(people, people // 5)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entra-")))
        rows = [*_published(tenant, directory / "copy.db")]
        process = stack.enter_context(ResponderProcess(directory))
        with PeakMemory(process.process.pid) as memory:
            rows += _read(tenant, process)
            rows += _while_others_write(tenant, process)
        rows.append(_row("memory of the responder, at most, MB", memory.octets / MB, MOST_MEMORY / MB, 0))
    title = f"{tenant.people:,} people, {tenant.groups:,} groups, {tenant.memberships:,} memberships"
    yield Figure(
        "Copy of a tenant",
        f"{title}. Times of one person by mail are of one connection with one search at a time.",
        ("figure", "measured", "goal", ""),
        rows,
    )


def _row(
    name: str, value: float, most: float | None = None, digits: int = 2, *, least: bool = False
) -> tuple[str, ...]:
    if most is None:
        return name, f"{value:,.{digits}f}", "", ""
    met = value >= most if least else value <= most
    goal = f"at {'least' if least else 'most'} {most:,.{digits}f}"
    row = name, f"{value:,.{digits}f}", goal, "met" if met else "**not met**"
    print(" | ".join(row), file=sys.stderr, flush=True)
    return row


def _published(tenant: Tenant, path: Path) -> Iterator[_Row]:
    """Publishes the whole tenant, then some changed people again and again."""
    own = objects = 0
    for entry in tenant.entries():
        objects += 1
        own += len(entry.dn) + sum(len(value) for values in entry.attributes.values() for value in values)
    writer = open_for_writing(path)
    create_tables(writer)
    began, used = time.perf_counter(), time.process_time()
    writer.execute("BEGIN IMMEDIATE")
    replace_all(writer, tenant.entries())
    note_success(writer, int(time.time()))
    writer.execute("COMMIT")
    yield _row("first publish of all, s", time.perf_counter() - began, digits=1)
    yield _row("first publish of all, CPU-s", time.process_time() - used, digits=1)
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overhead = (path.stat().st_size - own) / objects
    yield _row("octets on disk per object beside its own data", overhead, MOST_OVERHEAD, 0)
    took = []
    for generation in range(1, _PUBLISHES + 1):
        began = time.perf_counter()
        _publish_some(writer, tenant, generation)
        took.append(time.perf_counter() - began)
    yield _row(f"publish of {CHANGED} changed people, at most, s", max(took), MOST_PUBLISH)
    writer.close()


def _publish_some(writer: sqlite3.Connection, tenant: Tenant, generation: int) -> None:
    writer.execute("BEGIN IMMEDIATE")
    step = tenant.people // CHANGED
    write_entries(writer, (tenant.person(step * each, generation) for each in range(CHANGED)), ())
    note_success(writer, int(time.time()))
    writer.execute("COMMIT")


@contextmanager
def _bound(process: ResponderProcess) -> Iterator[Connection]:
    with Connection.at(process.socket) as connection:
        connection.bind("CN=gateway", TOKEN)
        yield connection


def _read(tenant: Tenant, process: ResponderProcess) -> Iterator[_Row]:
    pid = process.process.pid
    with _bound(process) as connection:
        lookups = MailLookups(tenant.people)
        drive([(connection, lookups)])
        used = cpu_seconds(pid)
        lookups = MailLookups(tenant.people)
        drive([(connection, lookups)])
        used = cpu_seconds(pid) - used
    yield from _times("one person by mail", lookups.seconds)
    yield _row("one person by mail, CPU-us of the responder", used / _LOOKUPS * 1e6, digits=0)
    everybody = SearchRequest(BASE, WHOLE_SUBTREE, parse_filter(_SYNC_FILTER), ATTRIBUTES)
    with _bound(process) as connection:
        before, used = resident(pid), cpu_seconds(pid)
        seconds = drive([(connection, PagedRead(_PAGE, request=everybody))])
        used = cpu_seconds(pid) - used
        entries = connection.scanner.entries
    yield _row("all people in pages, entries/s", entries / seconds, LEAST_BULK, 0, least=True)
    yield _row("all people in pages, CPU-s per 100,000", used / entries * 100_000)
    yield _row("all people in pages, growth of the responder, MB", (resident(pid) - before) / MB, digits=1)


_SYNC_FILTER = "(&(objectCategory=person)(objectClass=user)(mail=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"


def _while_others_write(tenant: Tenant, process: ResponderProcess) -> Iterator[_Row]:
    """One person by mail, while another process publishes, and while another connection reads everything."""
    for name, whole in ((f"publishes of {CHANGED} people", "some"), ("a publish of all people", "all")):
        with _bound(process) as connection, _publisher(process.store, tenant.people, whole) as publisher:
            lookups = MailLookupsDuring(tenant.people, publisher)
            drive([(connection, lookups)])
        yield from _times(f"one person by mail during {name}", lookups.seconds)
    everybody = SearchRequest(BASE, WHOLE_SUBTREE, parse_filter(_SYNC_FILTER), ATTRIBUTES)
    with _bound(process) as connection, _bound(process) as other:
        beside = MailLookups(tenant.people)
        drive([(connection, beside), (other, PagedRead(_PAGE, request=everybody))])
    yield from _times("one person by mail while another connection reads all", beside.seconds)


def _times(name: str, seconds: list[float]) -> Iterator[_Row]:
    yield _row(f"{name}, p50, ms", percentile(seconds, 0.5) * 1000)
    yield _row(f"{name}, p99, ms", percentile(seconds, 0.99) * 1000, MOST_LOOKUP * 1000)


@contextmanager
def _publisher(store: Path, people: int, what: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-m", "bench.entra", str(store), str(people), what])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def main(store: str, people: str, what: str) -> None:
    """A publisher beside the responder. what: `all` publishes everybody with another title once, `some` a hundred
    people again and again."""
    tenant = Tenant(int(people), int(people) // 5)
    writer = open_for_writing(Path(store))
    if what == "all":
        writer.execute("BEGIN IMMEDIATE")
        replace_all(writer, tenant.entries(generation=99))
        writer.execute("COMMIT")
    else:
        for generation in range(100, 100 + _PUBLISHES):
            _publish_some(writer, tenant, generation)
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
