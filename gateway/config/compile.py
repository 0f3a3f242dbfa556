"""From the models of the file to the settings of policy, relay and net; the only place that does."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

from gateway.config import models
from gateway.config.audit import audit_settings
from gateway.config.certificates import CertificateProblem, check_pair, read_certificates
from gateway.config.credentials import HEX_ADVICE, CredentialsReader, decoys
from gateway.config.directories import DirectoryCompiler
from gateway.config.entra import EntraCompiler
from gateway.config.limits import connection_limits, session_limits
from gateway.config.linked import linked_problems, linked_warnings, policy_warnings
from gateway.config.links import LinkCompiler
from gateway.config.lockout_store import lockout_store
from gateway.config.names import account_problem, dn_problem
from gateway.config.networks import ListedNetwork, inside_proxies, read_address, read_networks, split_port, ties
from gateway.config.problems import Problem
from gateway.config.settings import GatewaySettings
from gateway.config.source import Location, Source
from gateway.ldap.attribute_types import is_type, split_description
from gateway.ldap.controls import is_oid
from gateway.ldap.dn import DN, DNError, has_hex_value, parse
from gateway.ldap.filter_text import FilterTextError, parse_filter
from gateway.ldap.messages import START_TLS
from gateway.net.listeners.shared_addresses import shared_addresses, warning_if_shared
from gateway.net.servers.settings import DirectorySettings
from gateway.net.sessions.required_certificate import RequiredCertificate, fold_alt_name
from gateway.net.sessions.settings import ClientSettings, ListenerSettings, StartTls
from gateway.net.sessions.sources import Network
from gateway.observe.audit.settings import AuditSettings
from gateway.policy.bind_name import read_bind_name
from gateway.policy.controls import UNDERSTOOD, why_not_understood
from gateway.policy.lockout import LockoutSettings
from gateway.policy.rootdse import root_dse_problem
from gateway.policy.settings import BaseAbove, ClientPolicy, Mode, Paging, WhenDenied
from gateway.policy.shrink import ShrinkMode, ShrinkSettings

Value = TypeVar("Value")


class Compiler:
    """The way from the models of one file to the settings of a gateway.

    problems: what forbids to serve it. warnings: what is permitted and probably not meant.

    Paths of the file are relative to its own directory.
    """

    def __init__(self, source: Source, directory: Path) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._source = source
        self._directory = directory
        self._shared = shared_addresses()
        # Where each address is written that something listens on.
        self._addresses: dict[tuple[str, int], Location] = {}
        # By the client's name.
        self._listed: dict[str, list[ListedNetwork]] = {}
        self._credentials = CredentialsReader(source, directory)

    def compile(self, file: models.File) -> GatewaySettings:
        """The settings of a whole file. They are of use only where problems is empty afterwards."""
        listeners = tuple(
            found
            for i, listener in enumerate(file.listeners)
            if (found := self._listener(("listeners", i), listener)) is not None
        )
        if not file.listeners and not any(link.call for link in file.links.values()):
            self._problem(("listeners",), "no listener, and no link that is called: nobody could connect")
        directory_compiler = DirectoryCompiler(self._path, self._problem, self._warning, self._pair)
        directories = {
            name: directory_compiler.compile(("directories", name), name, directory)
            for name, directory in file.directories.items()
        }
        EntraCompiler(self._path, self._problem, self._warning).compile(file)
        links = LinkCompiler(self._path, self._address, self._problem, self._warning).compile(file)
        for location, said in linked_problems(file):
            self._problem(location, said)
        for location, said in linked_warnings(file):
            self._warning(location, said)
        starttls = any(listener.starttls is StartTls.required for listener in listeners)
        self._credentials.read(file)
        self.problems += self._credentials.problems
        self.warnings += self._credentials.warnings
        clients = tuple(
            served
            for name, client in file.clients.items()
            if (served := self._client(name, client, file, directories, starttls)) is not None
        )
        if not self.problems:
            for client in clients:
                for location, said in policy_warnings(client.policy) if client.directory.link else ():
                    self._warning(location, said)
        self._check_sources(clients, file)
        if file.limits.refusal_floor == 0 and any(client.policy.login_base_dns for client in clients):
            advice = "0: the time of an answer tells strangers the right password of somebody who may not sign in"
            self._warning(("limits", "refusal_floor"), advice)
        state_dir = None if file.state_dir is None else self._path(file.state_dir)
        if state_dir is None:
            self._warn_of_forgetting(clients)
        elif not _is_directory(state_dir):
            self._warning(
                ("state_dir",),
                f"{state_dir}: no such directory; make it before the gateway starts, owned by the account that it "
                "runs as",
            )
        return GatewaySettings(
            listeners=listeners,
            clients=clients,
            limits=session_limits(file.limits),
            connections=connection_limits(file.limits),
            trusted_proxies=tuple(file.trusted_proxies),
            admin=None if file.admin is None else self._admin(file.admin.address),
            audit=self._audit(file.audit),
            drain_timeout=file.drain_timeout,
            state_dir=state_dir,
            lockout_store=lockout_store(file.lockout_store, self._path, self._problem, self._warning),
            counted_accounts=file.limits.counted_accounts,
            links=links,
        )

    def _problem(self, location: Location, message: str) -> None:
        self.problems.append(self._source.problem(location, message))

    def _warning(self, location: Location, message: str) -> None:
        self.warnings.append(self._source.problem(location, message))

    def _warn_of_forgetting(self, clients: tuple[ClientSettings, ...]) -> None:
        for client in clients:
            if client.policy.shrink.mode is not ShrinkMode.off:
                self._warning(
                    ("clients", client.policy.name, "shrink_guard"),
                    "without state_dir the sizes to compare with are forgotten at each restart",
                )

    def _path(self, text: str) -> Path:
        return self._directory / text

    def _address(self, location: Location, text: str) -> tuple[str, int] | None:
        """Where something is to listen."""
        host, port = split_port(text) or ("", 0)
        try:
            found = str(ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)), port
        except ValueError:
            self._problem(location, "an IP address and a port are expected, like 0.0.0.0:636 or [::]:636")
            return None
        first = self._addresses.setdefault(found, location)
        if first != location and port:
            self._problem(location, f"the same address as {'.'.join(map(str, first[:-1]))} has")
        return found

    def _admin(self, text: str) -> tuple[str, int] | None:
        location = ("admin", "address")
        found = self._address(location, text)
        if found is not None and not read_address(found[0]).is_loopback:
            self._problem(location, "the admin pages are for this host: a loopback address is expected")
        return found

    def _audit(self, audit: models.Audit) -> AuditSettings:
        settings, problems = audit_settings(audit, self._directory)
        for location, message in problems:
            self._problem(("audit", *location), message)
        if settings.file is not None and not _is_directory(settings.file.parent):
            missing = f"{settings.file.parent}: no such directory; it must exist when the gateway starts"
            self._warning(("audit", "file"), missing)
        return settings

    def _listener(self, location: Location, listener: models.Listener) -> ListenerSettings | None:
        found = self._address((*location, "address"), listener.address)
        certificate, key = self._pair(location, listener)
        if found is None:
            return None
        return ListenerSettings(*found, certificate, key, StartTls(listener.starttls))

    def _pair(self, location: Location, pair: models.Listener | models.ClientCertificate) -> tuple[Path, Path]:
        """The paths of a certificate and its private key, checked."""
        certificate, key = self._path(pair.certificate), self._path(pair.private_key)
        try:
            check_pair(certificate, key)
        except CertificateProblem as error:
            self._problem((*location, "private_key" if error.path == key else "certificate"), str(error))
        return certificate, key

    def _client(
        self,
        name: str,
        client: models.Client,
        file: models.File,
        directories: dict[str, DirectorySettings],
        starttls: bool,
    ) -> ClientSettings | None:
        at: Location = ("clients", name)
        directory = directories.get(client.directory)
        if directory is None:
            self._problem((*at, "directory"), f"no such directory; there are: {', '.join(directories)}")
            return None
        contexts = self._dns(
            ("directories", client.directory, "naming_contexts"),
            file.directories[client.directory].naming_contexts,
        )
        bases = self._dns((*at, "base_dns"), client.base_dns)
        excluded = self._dns((*at, "excluded_base_dns"), client.excluded_base_dns)
        logins = self._dns((*at, "login_base_dns"), client.login_base_dns)
        whole = f"directories.{client.directory}.naming_contexts ({'; '.join(map(str, contexts))})"
        self._check_inside((*at, "base_dns"), bases, contexts, whole)
        self._check_inside((*at, "login_base_dns"), logins, contexts, whole)
        self._check_inside((*at, "excluded_base_dns"), excluded, (*bases, *logins), "any allowed base")
        self._check_leaves_something(at, excluded, (*bases, *logins))
        if client.login_domains and not client.login_base_dns:
            self._problem((*at, "login_domains"), "without login_base_dns nobody may sign in")
        for i, account in enumerate(client.sync_accounts):
            bind_name = read_bind_name(account)
            if bind_name is None:
                self._problem((*at, "sync_accounts", i), account_problem(account))
            elif isinstance(bind_name, DN) and has_hex_value(account):
                self._problem((*at, "sync_accounts", i), HEX_ADVICE)
        mapped = self._credentials.accounts.get(name, ())
        can_bind = client.sync_accounts or client.login_base_dns or client.allow_anonymous
        if not can_bind and client.credentials.mode == "passthrough":
            self._problem((*at,), "neither sync_accounts nor login_base_dns: nobody could bind")
        for key, names in (("attributes", client.attributes), ("filter_attributes", client.filter_attributes)):
            for i, attribute in enumerate(names):
                if not is_type(attribute):
                    self._problem((*at, key, i), _attribute_advice(attribute))
        self._check_root_dse((*at, "root_dse"), client.root_dse)
        for i, oid in enumerate(client.controls):
            if not is_oid(oid):
                self._problem((*at, "controls", i), "an OID like 1.2.840.113556.1.4.319 is expected")
            elif oid not in UNDERSTOOD:
                self._problem((*at, "controls", i), why_not_understood(oid))
        for i, rule in enumerate(client.matching_rules):
            if not is_type(rule):
                self._problem((*at, "matching_rules", i), "an OID or the name of a matching rule is expected")
        linked = bool(client.links)
        sources = [] if linked else self._sources(at, client)
        self._listed[name] = sources
        required = client.required_filter
        policy = ClientPolicy(
            name=name,
            naming_contexts=contexts,
            sync_accounts=(*client.sync_accounts, *(account.name for account in mapped)),
            base_dns=bases,
            attributes=tuple(client.attributes),
            excluded_base_dns=excluded,
            login_base_dns=logins,
            login_domains=tuple(client.login_domains),
            filter_attributes=tuple(client.filter_attributes),
            matching_rules=frozenset(client.matching_rules),
            controls=frozenset(client.controls),
            required_filter=None
            if required is None
            else self._parsed((*at, "required_filter"), required, parse_filter),
            mode=Mode(client.mode),
            when_denied=WhenDenied(client.when_denied),
            size_limit=client.size_limit,
            time_limit=client.time_limit,
            octet_limit=client.octet_limit,
            allow_anonymous=client.allow_anonymous,
            pass_diagnostics=client.pass_diagnostics,
            base_above=BaseAbove(client.base_above),
            paging=Paging(file.directories[client.directory].paging),
            page_size=file.directories[client.directory].page_size,
            expand_ranges=client.expand_ranges,
            mending=client.mending,
            root_dse=tuple(client.root_dse),
            subschema=self._subschema((*at, "subschema"), client.subschema, excluded),
            referral_hosts=self._referral_hosts(at, client),
            shrink=ShrinkSettings(
                ShrinkMode(client.shrink_guard.mode), client.shrink_guard.keep_at_least, client.shrink_guard.minimum
            ),
            directory=client.directory,
            lockout=LockoutSettings(client.lockout.failures, client.lockout.window, client.lockout.per_source),
            mapped_accounts=mapped,
            decoy_hashes=decoys(mapped),
            gateway_accounts=self._credentials.gateway_accounts(client.directory),
            # A link's TLS is up before a session begins.
            extensions=frozenset({START_TLS}) if starttls and not linked else frozenset(),
            tells_identity=linked,
        )
        networks = tuple(source.network for source in sources)
        listeners = self._listeners_of(at, client, file)
        certificate = self._required_certificate((*at, "required_certificate"), client.required_certificate)
        links = tuple(client.links)
        return ClientSettings(policy, networks, directory, listeners, client.sync_gap, certificate, links)

    def _check_root_dse(self, location: Location, names: list[str]) -> None:
        for i, name in enumerate(names):
            problem = root_dse_problem(name) if is_type(name) else _attribute_advice(name)
            if problem is not None:
                self._problem((*location, i), problem)

    def _subschema(self, location: Location, text: str | None, excluded: tuple[DN, ...]) -> DN | None:
        found = None if text is None else self._parsed(location, text, parse)
        if found is not None and any(found.is_inside_loosely(each) for each in excluded):
            self._problem(location, "inside excluded_base_dns")
        return found

    def _required_certificate(
        self, at: Location, wanted: models.RequiredCertificate | None
    ) -> RequiredCertificate | None:
        if wanted is None:
            return None
        ca_file = self._path(wanted.ca_file)
        try:
            read_certificates(ca_file)
        except CertificateProblem as error:
            self._problem((*at, "ca_file"), str(error))
        if not wanted.subjects and not wanted.alt_names:
            self._problem(at, "subjects or alt_names are needed: which certificates of that CA are this client's?")
        for i, name in enumerate(wanted.alt_names):
            try:
                fold_alt_name(name)
            except ValueError as error:
                self._problem((*at, "alt_names", i), str(error))
        return RequiredCertificate(ca_file, self._dns((*at, "subjects"), wanted.subjects), tuple(wanted.alt_names))

    def _sources(self, at: Location, client: models.Client) -> list[ListedNetwork]:
        listed = []
        for i, network in enumerate(client.sources):
            listed.append(self._listed_network((*at, "sources", i), network))
        if client.sources_file is not None:
            key = ".".join(map(str, (*at, "sources_file")))
            found, problems = read_networks(self._path(client.sources_file), key)
            listed += found
            self.problems += problems
        elif not listed:
            self._problem((*at, "sources"), "no network: nobody could connect; list some here or in sources_file")
        return listed

    def _check_sources(self, clients: tuple[ClientSettings, ...], file: models.File) -> None:
        for i, network in enumerate(file.trusted_proxies):
            if network.prefixlen == 0:
                advice = "whoever is trusted may name any source: list the proxies' own addresses"
                self._problem(("trusted_proxies", i), advice)
        self.problems += ties([(client, self._listed[client.policy.name]) for client in clients], len(file.listeners))
        for source in [source for listed in self._listed.values() for source in listed]:
            self._warn_of_source(source)
            self.warnings += inside_proxies([source], file.trusted_proxies)
        for name, link in file.links.items():
            for i, network in enumerate(link.sources):
                self._warn_of_source(self._listed_network(("links", name, "sources", i), network))

    def _listed_network(self, location: Location, network: Network) -> ListedNetwork:
        """A network that is written in the configuration itself."""
        where = self._source.problem(location, "")
        return ListedNetwork(network, where.file, where.line, where.path)

    def _warn_of_source(self, source: ListedNetwork) -> None:
        if source.network.prefixlen == 0:
            self.warnings.append(source.problem("every address may connect"))
        warning = warning_if_shared(source.network, self._shared)
        if warning is not None:
            self.warnings.append(source.problem(warning))

    def _referral_hosts(self, at: Location, client: models.Client) -> frozenset[str]:
        if client.referrals == "drop":
            if client.referral_hosts:
                self._problem((*at, "referral_hosts"), "only of use with `referrals: pass`")
            return frozenset()
        if not client.referral_hosts:
            self._problem((*at, "referrals"), "with `pass` the hosts are needed: referral_hosts")
        for i, host in enumerate(client.referral_hosts):
            if not re.fullmatch(r"[A-Za-z0-9._:-]+", host):
                self._problem((*at, "referral_hosts", i), "a host name or address is expected, without a port")
        return frozenset(host.lower() for host in client.referral_hosts)

    def _listeners_of(self, at: Location, client: models.Client, file: models.File) -> frozenset[int]:
        known = [listener.address for listener in file.listeners]
        found: set[int] = set()
        for i, address in enumerate(client.listeners):
            same = {index for index, other in enumerate(known) if other == address}
            found |= same
            if not same:
                self._problem((*at, "listeners", i), f"no such listener; there are: {', '.join(known)}")
        return frozenset(found)

    def _dns(self, location: Location, texts: list[str]) -> tuple[DN, ...]:
        found = [self._parsed((*location, i), text, parse) for i, text in enumerate(texts)]
        return tuple(dn for dn in found if dn is not None)

    def _parsed(self, location: Location, text: str, parser: Callable[[str], Value]) -> Value | None:
        try:
            return parser(text)
        except DNError as error:
            self._problem(location, dn_problem(text, error))
        except FilterTextError as error:
            self._problem(location, str(error))
        return None

    def _check_inside(self, location: Location, names: tuple[DN, ...], bases: tuple[DN, ...], what: str) -> None:
        for i, name in enumerate(names):
            if not any(name.is_inside(base) for base in bases):
                self._problem((*location, i), f"not inside {what}")

    def _check_leaves_something(self, at: Location, excluded: tuple[DN, ...], bases: tuple[DN, ...]) -> None:
        for i, name in enumerate(excluded):
            if any(base.is_inside_loosely(name) for base in bases):
                advice = "leaves nothing of an allowed base: take that base out instead"
                self._problem((*at, "excluded_base_dns", i), advice)


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _attribute_advice(attribute: str) -> str:
    if attribute in ("*", "+"):
        return "each attribute must be listed by name; there is no wildcard"
    if ";" in attribute and split_description(attribute) is not None:
        return "list the type without options; they are judged by it"
    return "an attribute name like mail or proxyAddresses is expected"
