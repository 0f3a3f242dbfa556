"""One connection: binds, searches, pages, and the faults that a test asked for."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from ssl import SSLError
from typing import Any

from tests.servers.windows import requests
from tests.servers.windows.ber import BadMessage, Writer, message_length
from tests.servers.windows.faults import RESPONSE_TAGS, Faults
from tests.servers.windows.filters import compile_filter
from tests.servers.windows.names import BadName, dn_key, is_inside
from tests.servers.windows.people import DOMAIN, NETBIOS_DOMAIN, SUFFIX
from tests.servers.windows.replies import Replies, Result
from tests.servers.windows.requests import PAGED_RESULTS, Control, Message, Paging, Search
from tests.servers.windows.rootdse import root_dse
from tests.servers.windows.tree import Node, RangeError, Rights, Tree

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """AD's LDAP policies of these names. max_result_sets is per connection (MaxResultSetsPerConn)."""

    max_page_size: int = 1000
    max_val_range: int = 1500
    max_result_sets: int = 10


@dataclass
class Directory:
    """What the connections share. received: every request, for the test to look at."""

    tree: Tree
    limits: Limits
    writer: Writer
    faults: Faults = field(default_factory=Faults)
    received: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0

    def set_faults(self, faults: Faults) -> None:
        self.faults = faults
        self.tree.rights = Rights(
            [dn_key(dn) for dn in faults.hidden_subtrees],
            frozenset(name.lower() for name in faults.hidden_attributes),
        )


@dataclass
class _Run:
    """What is left of one paged search."""

    search: Search
    rest: list[Node]
    sent: int = 0
    page: int = 0


class _Dropped(Exception):
    """The connection was closed on purpose."""


class Connection:
    def __init__(self, directory: Directory, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        directory.connections += 1
        self._number = directory.connections
        self._directory = directory
        self._reader = reader
        self._writer = writer
        self._replies = Replies(directory.writer)
        self._bound: Node | None = None
        self._runs: dict[bytes, _Run] = {}
        self._searches: dict[int, asyncio.Task[None]] = {}
        self._faults = directory.faults
        self._entries_sent = 0

    async def serve(self) -> None:
        try:
            await self._read()
        except BadMessage as problem:
            self._received("malformed", problem=str(problem))
            self._writer.write(self._replies.disconnection(Result(2, "malformed request")))
        except (ConnectionError, SSLError, _Dropped):
            pass
        finally:
            for task in self._searches.values():
                task.cancel()
            self._writer.close()

    async def _read(self) -> None:
        data = bytearray()
        while received := await self._reader.read(_CHUNK):
            data += received
            while (length := message_length(data[:6])) is not None and len(data) >= length:
                message = requests.read_message(bytes(data[:length]))
                del data[:length]
                if message.tag == requests.UNBIND:
                    return
                self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        if message.tag == requests.BIND:
            self._bind(message)
        elif message.tag == requests.SEARCH:
            task = asyncio.get_running_loop().create_task(self._search(message))
            self._searches[message.id] = task
            task.add_done_callback(lambda _: self._searches.pop(message.id, None))
        elif message.tag == requests.ABANDON:
            number = requests.read_abandon(message.content)
            self._received("abandon", id=number)
            if number in self._searches:
                self._searches[number].cancel()
        elif message.tag == requests.EXTENDED:
            self._extended(message)
        elif (response := self._replies.response_tag(message.tag)) is not None:
            self._received("write", tag=message.tag)
            refusal = Result(50, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0")
            self._writer.write(self._replies.result(message.id, response, refusal))
        else:
            raise BadMessage(f"unknown request {message.tag:02x}")

    def _received(self, operation: str, **what: Any) -> None:
        self._directory.received.append({"connection": self._number, "operation": operation, **what})

    def _bind(self, message: Message) -> None:
        bind = requests.read_bind(message.content)
        self._received("bind", name=bind.name)
        # Nothing of the identity from before goes on, paged searches included.
        for task in self._searches.values():
            task.cancel()
        self._runs.clear()
        self._bound = None
        self._writer.write(self._replies.result(message.id, 0x61, self._judge(bind)))

    def _judge(self, bind: requests.Bind) -> Result:
        if bind.version != 3 or bind.password is None:
            return Result(7 if bind.version == 3 else 2, "only simple binds of version 3 here\0")
        if not bind.password:
            # RFC 4513 5.1.2 advises against it; AD makes an anonymous session of it and says success.
            return Result(0)
        who = self._directory.tree.who(bind.name)
        if who is None or who.password is None or who.password.encode() != bind.password:
            return _bad_credentials("52e")
        if int(who.text("useraccountcontrol")) & 2:
            return _bad_credentials("533")
        self._bound = who
        return Result(0)

    def _extended(self, message: Message) -> None:
        oid = requests.read_extended(message.content)
        self._received("extended", oid=oid)
        if oid == "1.3.6.1.4.1.4203.1.11.3":
            account = self._bound.text("samaccountname") if self._bound is not None else ""
            authorization = f"u:{NETBIOS_DOMAIN}\\{account}" if account else ""
            self._writer.write(self._replies.extended(message.id, Result(0), authorization))
        else:
            problem = Result(2, "0000203D: LdapErr: DSID-0C090C7D, comment: Unknown extended request OID, data 0\0")
            self._writer.write(self._replies.extended(message.id, problem))

    async def _search(self, message: Message) -> None:
        try:
            search = requests.read_search(message.content)
            await self._answer(message, search)
        except BadMessage as problem:
            self._received("malformed", problem=str(problem))
            self._writer.write(self._replies.disconnection(Result(2, "malformed request")))
            self._writer.close()
        except (ConnectionError, _Dropped):
            self._writer.close()

    async def _answer(self, message: Message, search: Search) -> None:
        paging, problem = _read_controls(message.controls)
        self._received(
            "search",
            base=search.base,
            scope=search.scope,
            attributes=list(search.attributes),
            size_limit=search.size_limit,
            page_size=paging.size if paging is not None else None,
            continues=bool(paging is not None and paging.cookie),
        )
        if problem is None and search.base == "" and search.scope == "base":
            await self._answer_root_dse(message, search)
            return
        problem = problem or self._where(search)
        if problem is not None:
            self._done(message.id, problem)
            return
        run = self._start(search) if paging is None or not paging.cookie else self._resume(search, paging.cookie)
        if run is None:
            comment = "Error processing control, data 0, v4563"
            self._done(message.id, Result(12, f"00000057: LdapErr: DSID-0C090A37, comment: {comment}\0"))
            return
        run.page += 1
        if paging is not None and run.page == self._directory.faults.fail_page:
            self._done(message.id, Result(self._directory.faults.fail_code, "the page could not be read\0"))
            return
        await self._send(message, run, paging)

    async def _answer_root_dse(self, message: Message, search: Search) -> None:
        entry = root_dse(self._directory.writer, self._bound, search.attributes)
        await self._write(self._replies.entry(message.id, self._directory.writer.octets(""), entry))
        self._done(message.id, Result(0))

    def _where(self, search: Search) -> Result | None:
        """Why a search cannot be answered at its base; None where it can."""
        if self._bound is None:
            comment = "In order to perform this operation a successful bind must be completed on the connection."
            return Result(1, f"000004DC: LdapErr: DSID-0C090A5C, comment: {comment}, data 0, v4563\0")
        tree = self._directory.tree
        try:
            key = tree.resolve(search.base)
        except BadName:
            text = "0000208F: NameErr: DSID-03100231, problem 2006 (BAD_NAME), data 8350, best match of:\n\t'"
            return Result(34, f"{text}{search.base}'\n\0")
        if key and not is_inside(key, tree.suffix):
            host = ".".join(part[3:] for part in key if part.startswith("dc=")) or "other.example"
            text = f"0000202B: RefErr: DSID-0310084A, data 0, 1 access points\n\tref 1: '{host}'\n\0"
            return Result(10, text, referrals=(f"ldap://{host}/{search.base}",))
        if tree.get(key) is None:
            best = tree.best_match(key)
            text = "0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'"
            return Result(32, f"{text}{best}'\n\0", matched=best)
        return None

    def _start(self, search: Search) -> _Run:
        tree = self._directory.tree
        return _Run(search, tree.find(tree.resolve(search.base), search.scope, compile_filter(search.filter)))

    def _resume(self, search: Search, cookie: bytes) -> _Run | None:
        run = self._runs.pop(cookie, None)
        if run is None or run.search != search or self._directory.faults.forget_cookies:
            return None
        return run

    async def _send(self, message: Message, run: _Run, paging: Paging | None) -> None:
        most = self._directory.limits.max_page_size
        if paging is not None:
            most = min(most, paging.size)
        page, run.rest = run.rest[:most], run.rest[most:]
        # A size of 0 with a cookie gives the paged search up (RFC 2696 3).
        given_up = paging is not None and paging.size == 0
        limited = bool(run.search.size_limit) and run.sent + len(page) > run.search.size_limit
        if limited:
            page = page[: run.search.size_limit - run.sent]
        run.sent += len(page)
        try:
            cut = await self._send_entries(message.id, run.search, page)
        except RangeError:
            self._done(message.id, Result(1, "00002121: SvcErr: DSID-020A0F0C, the range is out of bounds\0"))
            return
        if limited or (paging is None and run.rest):
            self._done(message.id, Result(4, "00002023: SvcErr: DSID-0310021A, problem 5012 (DIR_ERROR)\0"))
        else:
            cookie = self._keep(run) if run.rest and not given_up else b""
            if not cookie:
                await self._send_references(message.id, run.search)
            self._done(message.id, Result(0), None if paging is None else cookie)
        if self._directory.faults.vanish_after_range:
            for node in cut:
                self._directory.tree.delete(node.key)

    def _keep(self, run: _Run) -> bytes:
        if len(self._runs) >= self._directory.limits.max_result_sets:
            del self._runs[next(iter(self._runs))]
        cookie = os.urandom(20)
        self._runs[cookie] = run
        return cookie

    async def _send_entries(self, number: int, search: Search, page: list[Node]) -> list[Node]:
        """Returns the entries with a range that nobody asked for."""
        tree, chunk, cut = self._directory.tree, bytearray(), []
        self._count_anew()
        for node in page:
            if not tree.is_there(node):
                continue
            attributes, was_cut = tree.encode(node, search.attributes, search.types_only)
            if was_cut:
                cut.append(node)
            entry = self._replies.entry(number, node.encoded_dn, attributes)
            await self._break(chunk)
            if self._entries_sent == self._faults.garble_after:
                entry = self._replies.undecodable_entry(number)
            self._entries_sent += 1
            chunk += entry
            if len(chunk) >= _CHUNK:
                await self._write(bytes(chunk))
                chunk.clear()
        await self._break(chunk)
        await self._write(bytes(chunk))
        return cut

    def _count_anew(self) -> None:
        if self._faults is not self._directory.faults:
            self._faults = self._directory.faults
            self._entries_sent = 0

    async def _break(self, before: bytearray) -> None:
        """Drops the connection or goes silent where it is time; what came before is sent first."""
        if self._entries_sent not in (self._faults.drop_after, self._faults.silent_after):
            return
        await self._write(bytes(before))
        before.clear()
        if self._entries_sent == self._faults.drop_after:
            raise _Dropped
        await asyncio.Event().wait()

    async def _send_references(self, number: int, search: Search) -> None:
        tree = self._directory.tree
        if search.scope == "sub" and tree.resolve(search.base) == tree.suffix:
            for host, name in (
                (f"ForestDnsZones.{DOMAIN}", f"DC=ForestDnsZones,{SUFFIX}"),
                (f"DomainDnsZones.{DOMAIN}", f"DC=DomainDnsZones,{SUFFIX}"),
                (DOMAIN, f"CN=Configuration,{SUFFIX}"),
            ):
                await self._write(self._replies.reference(number, f"ldap://{host}/{name}"))

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def _done(self, number: int, result: Result, cookie: bytes | None = None) -> None:
        tag = RESPONSE_TAGS.get(self._directory.faults.done_as or "", 0x65)
        self._writer.write(self._replies.result(number, tag, result, cookie))


def _bad_credentials(data: str) -> Result:
    return Result(49, f"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v4563\0")


def _read_controls(controls: tuple[Control, ...]) -> tuple[Paging | None, Result | None]:
    paging = None
    for control in controls:
        if control.oid == PAGED_RESULTS:
            paging = requests.read_paging(control.value)
        elif control.critical:
            return None, Result(12, "00000057: LdapErr: DSID-0C0907C5, comment: Error processing control, data 0\0")
    return paging, None


def accept(directory: Directory) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """What asyncio.start_server calls for each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled: the process ends.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await Connection(directory, reader, writer).serve()

    return serve
