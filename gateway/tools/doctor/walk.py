"""The walk along the path that a sync takes: listener, certificate, link, servers, account, directory, policy; and a
look at the lockout guard of the gateway that runs here, and at its store, where there is one.

It only reads, and it signs in with nothing but the password that it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from cryptography import x509

from gateway.ask import account
from gateway.ask.connection import Connection, ConnectionFailed
from gateway.ask.findings import Area, Finding, Section
from gateway.ask.own_account import check_secret, own_account
from gateway.ask.root_dse import RootDse
from gateway.ask.servers_here import why_not_from_here
from gateway.config.settings import GatewaySettings
from gateway.ldap.dn import DN
from gateway.ldap.results import ResultCode
from gateway.link.agreed import agreed
from gateway.link.settings import OutsideSettings
from gateway.net.servers.discovery import find_servers
from gateway.net.servers.found_servers import NotFound
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.sessions.settings import ClientSettings, ListenerSettings
from gateway.net.transport.reactor import Reactor
from gateway.policy.settings import ClientPolicy, Paging
from gateway.serve.links import LinkSettings, inside_keyrings
from gateway.tools.doctor.bases import check_base, check_exists
from gateway.tools.doctor.certificate import check_certificate
from gateway.tools.doctor.directory import check_directory
from gateway.tools.doctor.escapes import check_escapes
from gateway.tools.doctor.guarded import check_guarded
from gateway.tools.doctor.identity import check_identity
from gateway.tools.doctor.link_called import check_called
from gateway.tools.doctor.link_keys import check_key
from gateway.tools.doctor.link_waiting import check_servers, check_waiting
from gateway.tools.doctor.listener import check_listener
from gateway.tools.doctor.lockout_store import check_lockout_store
from gateway.tools.doctor.running_links import Running, check_line, running_gateway
from gateway.tools.doctor.server import check_server
from gateway.tools.doctor.usual_searches import check_usual_searches
from gateway.tools.doctor.worst_case import WorstCase, blocks

Say = Callable[[Finding], None]

_OWN_KEY: Final = "`ldap-gateway link key` here, and its certificate (.pem) to the other ends"

DISCOVERS: Final = "discovers"
DIRECTORY_STEPS: Final = ("naming contexts", "clock", "schema", "paging", "lockout")


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be looked at.

    clients: of settings. name, password: the sync account's; without a password what needs a bind is skipped, and
    no_password says why there is none. A mapped account needs none: the gateway's own is in settings. service_name:
    the host that the service connects to; service_authorities: those that it trusts, None for the system's.
    """

    settings: GatewaySettings
    clients: tuple[ClientSettings, ...]
    name: str | None = None
    password: bytes | None = field(default=None, repr=False)
    no_password: str = ""
    service_name: str | None = None
    service_authorities: tuple[x509.Certificate, ...] | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Doctor:
    """The walk of `doctor` from the listeners to the directories. say: takes each finding when it is made."""

    def __init__(self, asked: Examination, say: Say, reactor: Reactor, now: Callable[[], datetime] = _utc_now) -> None:
        self._asked = asked
        self._say = say
        self._reactor = reactor
        self._now = now
        # What the servers of each directory block show before a bind.
        self._shown: dict[str, list[RootDse]] = {}
        self._running: Running | None = None

    async def examine(self) -> None:
        """Whatever is found becomes a finding; nothing is raised for it."""
        for index, listener in enumerate(self._asked.settings.listeners):
            clients = [each for each in self._asked.clients if each.listens_at(index)]
            if clients:
                await self._listener(listener, clients)
        for link in self._links():
            await self._link(link)
        usable: dict[str, list[ServerSettings]] = {}
        for directory in {each.directory.name: each.directory for each in self._asked.clients}.values():
            usable[directory.name] = await self._servers(directory)
        for client in self._asked.clients:
            await self._client(client, usable[client.directory.name])
        store = self._asked.settings.lockout_store
        if store is not None:
            await check_lockout_store(self._section(Area.lockout_store, store.label), store, self._reactor)
        for client in self._asked.clients:
            section = self._section(Area.policy, f"client {client.policy.name}")
            check_escapes(section, client.policy)
            check_usual_searches(section, client.policy)
            check_identity(section, client.policy, self._shown.get(client.directory.name, ()))

    def _section(self, area: Area, subject: str) -> Section:
        return Section(self._say, area, subject)

    async def _listener(self, listener: ListenerSettings, clients: Sequence[ClientSettings]) -> None:
        chain = x509.load_pem_x509_certificates(listener.certificate.read_bytes())
        section = self._section(Area.listener, listener.address)
        await check_listener(section, listener, chain, clients, self._reactor)
        check_certificate(
            self._section(Area.certificate, str(listener.certificate)),
            chain,
            self._asked.service_authorities,
            self._asked.service_name,
            self._now(),
        )

    def _links(self) -> list[LinkSettings]:
        """Those that clients or their directories name."""
        named = {name for each in self._asked.clients for name in (*each.links, each.directory.link)}
        return [link for link in self._asked.settings.links if link.name in named]

    async def _link(self, link: LinkSettings) -> None:
        section = self._section(Area.link, link.name)
        check_key(section, "own key", link.identity.certificate, self._now(), _OWN_KEY)
        if isinstance(link, OutsideSettings):
            asked = [each.policy.name for each in self._asked.settings.clients if each.directory.link == link.name]
            running = await self._running_gateway()
            check_waiting(partial(self._section, Area.link), link, asked, running, self._now())
            return
        try:
            keyrings = inside_keyrings(link)
        except (OSError, ValueError) as error:
            section.failed("keys", str(error), "correct that; `ldap-gateway check` says it as well")
            return
        limits = self._asked.settings.limits
        served = {
            client.policy.name: agreed(client.policy, limits, outside=False)
            for client in self._asked.settings.clients
            if link.name in client.links
        }
        for host in link.call:
            section = self._section(Area.link, f"{link.name}, {host.address}")
            await check_called(section, host, keyrings[host.address], served, self._now(), self._reactor)
            check_line(section, await self._running_gateway(), link.name, host.address)

    async def _running_gateway(self) -> Running:
        """What the gateway of this configuration says that runs on this host; it is asked once."""
        if self._running is None:
            self._running = await running_gateway(self._asked.settings.admin, self._reactor)
        return self._running

    async def _servers(self, directory: DirectorySettings) -> list[ServerSettings]:
        because = why_not_from_here(directory)
        if because:
            section = self._section(Area.server, f"directory {directory.name}")
            if directory.is_copy:
                section.skipped(because, "servers")
                return []
            names = [each.policy.name for each in self._asked.clients if each.directory.name == directory.name]
            check_servers(section, names, await self._running_gateway(), directory.link, because)
            return []
        usable = []
        for server in await self._named(directory):
            section = self._section(Area.server, server.url)
            shown = await check_server(section, directory, server, self._now(), self._reactor)
            if shown is not None:
                usable.append(server)
                self._shown.setdefault(directory.name, []).append(shown)
        return usable

    async def _named(self, directory: DirectorySettings) -> Sequence[ServerSettings]:
        """The servers of the configuration, or those that DNS names."""
        discover = directory.discover
        if discover is None:
            return directory.servers
        section = self._section(Area.server, f"directory {directory.name}")
        try:
            found = await find_servers(discover, self._reactor)
        except NotFound as error:
            advice = "look at discover.domain and site, and at this host's DNS; discover.resolver names another server"
            section.failed(DISCOVERS, str(error), advice)
            return ()
        named = [f"{each.server.host} ({each.priority}, {each.weight})" for each in found.candidates]
        said = f"{discover.service} names {', '.join(named)} (priority, weight), for {found.ttl:.0f} s"
        if found.left_out:
            advice = "add their domains to discover.server_domains if these servers are meant"
            section.warning(DISCOVERS, f"{said}; left out: {found.left_out}", advice)
        else:
            section.ok(DISCOVERS, said)
        return [each.server for each in found.candidates]

    async def _client(self, client: ClientSettings, servers: Sequence[ServerSettings]) -> None:
        section = self._section(Area.account, f"client {client.policy.name}")
        await check_guarded(section, client, self._asked.settings.state_dir, self._reactor)
        name, password = self._sign_in(client.policy)
        because, advice = "", ""
        if name is None:
            because = "the client has no sync_accounts"
        elif elsewhere := why_not_from_here(client.directory):
            because = elsewhere
        elif not servers:
            because = "no server can be used"
        elif password is None:
            because, advice = "no password was given", self._asked.no_password
        if name is None or password is None or because:
            section.skipped(because, account.STEP, advice=advice)
            self._skip_directory(client, because)
            return
        for mapped in client.policy.mapped_accounts:
            check_secret(section, mapped)
        first, *others = servers
        if not await self._signed_in(section, client, first, name, password):
            section.skipped("the first server refused it", *(f"{account.STEP} at {each.url}" for each in others))
            self._skip_directory(client, "the account does not sign in")
            return
        # The password is known to be right now, so it counts towards no lockout elsewhere either.
        for server in others:
            await self._other_server(section, client, server, name, password)

    def _sign_in(self, policy: ClientPolicy) -> tuple[str | None, bytes | None]:
        """The name and the password that a server is to be asked with."""
        name = self._asked.name or next(iter(policy.sync_accounts), None)
        own = None if name is None else own_account(policy, name)
        return (name, self._asked.password) if own is None else (own.bind_dn, own.password.reveal())

    async def _signed_in(
        self, section: Section, client: ClientSettings, server: ServerSettings, name: str, password: bytes
    ) -> bool:
        try:
            connection = await Connection.open(client.directory, server, self._reactor)
        except ConnectionFailed as error:
            section.failed(account.STEP, str(error), "it answered a moment ago: look at the way to it")
            return False
        async with connection:
            if not await account.check_account(section, connection, name, password):
                return False
            await self._directory(client, connection)
            return True

    async def _other_server(
        self, section: Section, client: ClientSettings, server: ServerSettings, name: str, password: bytes
    ) -> None:
        step = f"{account.STEP} at {server.url}"
        try:
            async with await Connection.open(client.directory, server, self._reactor) as connection:
                result = await connection.bind(name, password)
        except ConnectionFailed as error:
            section.failed(step, str(error), "it answered a moment ago: look at the way to it")
            return
        if result.code == ResultCode.success:
            section.ok(step, f"as {name}")
        else:
            section.failed(step, *account.refusal(result))

    async def _directory(self, client: ClientSettings, connection: Connection) -> None:
        policy = client.policy
        section = self._section(Area.directory, client.directory.name)
        try:
            settings = self._asked.settings
            worst_case = WorstCase(blocks(settings.clients, self._shown), settings.lockout_store is None)
            dse = await check_directory(section, connection, policy, worst_case, self._now)
            page_size = policy.page_size if dse.can_page and policy.paging is not Paging.never else 0
            for base in policy.base_dns:
                section = self._section(Area.directory, str(base))
                whole = not policy.excluded_base_dns and any(base.same(each) for each in policy.naming_contexts)
                await check_base(section, connection, base, page_size, whole=whole)
            for base, key in _others(policy):
                section = self._section(Area.directory, str(base))
                await check_exists(section, connection, base, key)
        except ConnectionFailed as error:
            section.failed("connection", str(error), "the rest was not looked at; see the server's own log")

    def _skip_directory(self, client: ClientSettings, because: str) -> None:
        self._section(Area.directory, client.directory.name).skipped(because, *DIRECTORY_STEPS)
        for base in client.policy.base_dns:
            self._section(Area.directory, str(base)).skipped(because, "exists", "spelling", "contents")


def _others(policy: ClientPolicy) -> list[tuple[DN, str]]:
    """Bases that need only be there: an excluded one that is misspelt excludes nothing."""
    found = [(base, "login_base_dns") for base in policy.login_base_dns if base not in policy.base_dns]
    return [*found, *((base, "excluded_base_dns") for base in policy.excluded_base_dns)]
