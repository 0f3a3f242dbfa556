"""From a few answers and a look at the directory to a configuration that loads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Protocol, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ask.chain import carries_name, names
from gateway.ask.connection import ConnectionFailed
from gateway.ask.handshake import Handshake, NoConnection, NoHandshake, look
from gateway.ask.running import Background
from gateway.config.certificates import check_pair, read_certificates
from gateway.config.directories import server_settings
from gateway.config.draft import Draft, attributes_of, draft_text
from gateway.config.load import load_configuration
from gateway.config.names import account_problem
from gateway.config.networks import read_network
from gateway.config.problems import ConfigurationError
from gateway.demo.certificates import LOOPBACK_NAMES, make_certificates
from gateway.host.file_errors import unwritable
from gateway.ldap.dn import DN, parse
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import LoginName
from gateway.policy.mending import KnownNames
from gateway.policy.narrowing import outermost
from gateway.tools.init import trust
from gateway.tools.init.container_tree import chosen, in_order
from gateway.tools.init.containers import Container, Unreadable
from gateway.tools.init.first_look import FirstLook, Refused, read_directory

Value = TypeVar("Value")

DIRECTORY: Final = "corp"
# Seconds for each step of a connection.
PATIENCE: Final = 10.0
_NOT_FROM_HERE: Final = (
    "Where nothing may lead from here to the servers, run init on a host from which they can be reached, and have a "
    "gateway there call this one (docs/link.md)"
)
_TEST_PAIR: Final = "gateway"
_TEST_PAIR_VALID: Final = timedelta(days=30)


class SetupError(Exception):
    """Nothing was written; the text says why."""


class Person(Protocol):
    """Whoever is asked for what no option says. ask, confirm and password raise SetupError where nobody can be asked;
    option: what would have said it."""

    def ask(self, option: str, question: str, read: Callable[[str], Value], default: str | None = None) -> Value:
        """read: raises ValueError, whose text says what is wrong with an answer; it is asked for again then."""

    def confirm(self, option: str, question: str) -> bool: ...

    def password(self, account: str) -> bytes: ...

    def say(self, text: str) -> None: ...

    def show(self, trees: Sequence[Container]) -> None: ...


@dataclass(frozen=True, slots=True)
class Said:
    """What options say; None or empty for what they do not. login: whether people may sign in, None to be asked."""

    output: Path
    force: bool
    servers: tuple[str, ...]
    server_name: str | None
    ca_file: Path | None
    fingerprint: str | None
    account: str | None
    client: str
    sources: tuple[str, ...]
    bases: tuple[str, ...]
    login: bool | None
    listen: str
    certificate: Path | None
    private_key: Path | None
    test_certificate: str | None


@dataclass(frozen=True, slots=True)
class _Pair:
    """The certificate and key of the listener. test_name: the host that a pair is to be made for, "" where there is
    one."""

    certificate: Path
    private_key: Path
    test_name: str = ""


class Setup:
    """The questions and answers of one `init`."""

    def __init__(self, said: Said, person: Person, background: Background) -> None:
        self._said = said
        self._person = person
        self._background = background
        self._home = said.output.absolute().parent

    def run(self, work: Path) -> tuple[Path, ...]:
        """The files that were written, the configuration first. work: a directory for the authority until all is
        known. Raises SetupError."""
        self._keep(self._said.output, "give another --output")
        directory = self._directory(work / "ca.pem")
        account = self._answer("--account", self._said.account, "Sync account (name@domain or DN)", _account)
        found = self._look(directory, account)
        self._person.say(f"\n{directory.servers[0].url}: {found.kind}")
        bases = self._bases(found)
        login = self._login()
        sources = self._answer(
            "--source", " ".join(self._said.sources) or None, "Addresses that the service connects from", _networks
        )
        pair = self._pair()
        draft = Draft(
            listen=self._said.listen,
            certificate=self._written(pair.certificate),
            private_key=self._written(pair.private_key),
            test_pair=bool(pair.test_name),
            directory=DIRECTORY,
            servers=tuple((each.url, _other_name(each)) for each in directory.servers),
            ca_file=self._written(self._said.ca_file or self._own_ca_file),
            naming_contexts=tuple(str(tree.dn) for tree in found.trees),
            can_page=found.can_page,
            client=self._said.client,
            sources=sources,
            sync_accounts=tuple(dict.fromkeys(each for each in (account, found.account_dn) if each)),
            base_dns=tuple(map(str, bases)),
            login_base_dns=tuple(map(str, bases)) if login else (),
            # Whom Domino bound as name@domain cannot be asked.
            login_domains=_domains(account, found) if login and not found.is_domino else (),
            attributes=attributes_of(
                None if found.schema is None else found.schema.knows, found.is_active_directory, found.is_domino
            ),
            is_domino=found.is_domino,
        )
        return self._write(draft, pair, work / "ca.pem")

    def _answer(
        self,
        option: str,
        given: str | None,
        question: str,
        read: Callable[[str], Value],
        default: str | None = None,
    ) -> Value:
        if given is None:
            return self._person.ask(option, question, read, default)
        try:
            return read(given)
        except ValueError as error:
            raise SetupError(f"{option}: {error}") from None

    # The servers.

    def _directory(self, trusted: Path) -> DirectorySettings:
        """trusted: where the authority is put if the answer to it is yes."""

        def read(text: str) -> tuple[ServerSettings, ...]:
            urls = [each if "://" in each else f"ldaps://{each}" for each in _parts(text)]
            return tuple(server_settings(url, self._said.server_name) for url in urls)

        given = " ".join(self._said.servers) or None
        question = "Domain controllers or LDAP servers, the first choice first"
        servers = self._answer("--server", given, question, read)
        shake = self._shake(servers[0])
        ca_file = self._said.ca_file
        if ca_file is None:
            self._trust(servers[0], shake, trusted)
            ca_file = trusted
        else:
            self._answer("--ca-file", str(ca_file), "", lambda text: read_certificates(Path(text)))
        others = (self._named(server, self._shake(server)) for server in servers[1:])
        return DirectorySettings(DIRECTORY, (self._named(servers[0], shake), *others), ca_file, PATIENCE)

    def _shake(self, server: ServerSettings) -> Handshake:
        try:
            return self._background.call(
                lambda reactor: look(server.host, server.port, server.server_name, PATIENCE, reactor)
            )
        except NoHandshake as error:
            raise SetupError(f"{server.url}: {error}: {error.advice}") from None
        except NoConnection as error:
            elsewhere = "" if error.refused else f". {_NOT_FROM_HERE}"
            raise SetupError(f"{server.url}: {error}: {error.advice}{elsewhere}") from None

    def _trust(self, server: ServerSettings, shake: Handshake, trusted: Path) -> None:
        self._keep(self._own_ca_file, "if it is the right authority, give it with --ca-file")
        try:
            authority = trust.authority_of(shake.chain, datetime.now(UTC))
        except trust.NothingToTrust as error:
            raise SetupError(f"{server.url}: {error}") from None
        if self._said.fingerprint is None:
            self._confirm_trust(server, shake, authority)
        elif not trust.same_fingerprint(authority, self._said.fingerprint):
            shown = trust.fingerprint(authority)
            raise SetupError(f"--fingerprint: {server.url} shows another authority, whose fingerprint is {shown}")
        trusted.write_bytes(authority.public_bytes(Encoding.PEM))

    def _confirm_trust(self, server: ServerSettings, shake: Handshake, authority: x509.Certificate) -> None:
        self._person.say(f"\n{server.url} shows this certificate, for which nothing here vouches:")
        for what, said in trust.described(shake.chain, authority):
            self._person.say(f"  {what:<10} {said}")
        self._person.say("Compare the fingerprint with the one that the server or its authority itself shows.")
        if not self._person.confirm("--ca-file or --fingerprint", "Trust this authority"):
            raise SetupError("not trusted; nothing was written")

    def _named(self, server: ServerSettings, shake: Handshake) -> ServerSettings:
        """By the name that its certificate carries: a DMZ often knows its servers by their addresses only."""
        leaf = shake.chain[0]
        if self._said.server_name is not None or carries_name(leaf, server.host):
            return server
        there = names(leaf)
        if not there:
            raise SetupError(f"{server.url}: its certificate has no subjectAltName: have one issued that has")
        question = f"{server.url} has a certificate for {', '.join(there)}. Expect {there[0]} in it from now on"
        if not self._person.confirm("--server-name", question):
            raise SetupError(f"{server.url}: give the server by a name that its certificate carries")
        return replace(server, server_name=there[0])

    # The directory.

    def _look(self, directory: DirectorySettings, account: str) -> FirstLook:
        password = self._person.password(account)
        try:
            return self._background.call(lambda reactor: read_directory(directory, account, password, reactor))
        except (ConnectionFailed, Refused, Unreadable) as error:
            raise SetupError(str(error)) from None

    def _bases(self, found: FirstLook) -> tuple[DN, ...]:
        containers = in_order(found.trees)
        if self._said.bases:
            return outermost(tuple(_container(text, containers) for text in self._said.bases))
        self._person.show(found.trees)
        return self._person.ask(
            "--base", "Containers that the service may read, such as 2,4-6", lambda text: chosen(text, containers)
        )

    def _login(self) -> bool:
        if self._said.login is not None:
            return self._said.login
        return self._person.confirm("--login or --no-login", "May people in them sign in with their own password")

    # The listener's certificate.

    def _pair(self) -> _Pair:
        if self._said.test_certificate is not None:
            return self._test_pair(self._said.test_certificate)
        given = self._said.certificate
        certificate = self._answer(
            "--certificate or --test-certificate",
            None if given is None else str(given),
            "The listener's certificate chain, a PEM file (empty: a pair for tests is made)",
            _certificate,
            "",
        )
        if certificate is None:
            return self._test_pair(
                self._person.ask("--test-certificate", "Host name for the test pair", str, "localhost")
            )

        def read(text: str) -> Path:
            check_pair(certificate, Path(text))
            return Path(text)

        key = self._said.private_key
        question = "Its private key, a PEM file"
        return _Pair(certificate, self._answer("--private-key", None if key is None else str(key), question, read))

    def _test_pair(self, name: str) -> _Pair:
        for path in self._test_files:
            self._keep(path, "to use that pair, give --certificate and --private-key")
        certificate, key, _ = self._test_files
        return _Pair(certificate, key, name)

    # Files.

    @property
    def _test_files(self) -> tuple[Path, Path, Path]:
        """Certificate, key and CA of the pair for tests."""
        certificate, key, authority = (self._home / f"{_TEST_PAIR}{suffix}" for suffix in (".pem", ".key", "-ca.pem"))
        return certificate, key, authority

    @property
    def _own_ca_file(self) -> Path:
        return self._home / f"{DIRECTORY}-ca.pem"

    def _keep(self, path: Path, way_out: str) -> None:
        """What is there already is not overwritten. way_out: what to do in place of that."""
        if path.exists() and not self._said.force:
            raise SetupError(f"{path} is there already: {way_out}, or give --force to overwrite it")

    def _written(self, path: Path) -> str:
        """The path as it stands in the configuration: relative to it where it lies beside or below it."""
        whole = path.absolute()
        return str(whole.relative_to(self._home) if whole.is_relative_to(self._home) else whole)

    def _write(self, draft: Draft, pair: _Pair, trusted: Path) -> tuple[Path, ...]:
        # What each of them was before, so that --force costs nothing where the new ones do not do.
        before: dict[Path, bytes | None] = {}
        try:
            if pair.test_name:
                _remember(before, *self._test_files)
                # Some clients, such as ldapsearch, look for this host's own name where they are told localhost, so
                # that only the address is left to try the gateway by.
                its_names = LOOPBACK_NAMES if pair.test_name in LOOPBACK_NAMES else (pair.test_name,)
                make_certificates(self._home, _TEST_PAIR, its_names, _TEST_PAIR_VALID)
            if self._said.ca_file is None:
                _remember(before, self._own_ca_file)
                self._own_ca_file.write_bytes(trusted.read_bytes())
            self._place(draft_text(draft))
        except OSError as error:
            _restore(before)
            place = Path(error.filename or self._home)
            raise SetupError(f"{place}: {unwritable(place, error)}") from None
        except BaseException:
            _restore(before)
            raise
        return (self._said.output, *before)

    def _place(self, text: str) -> None:
        """Only what loads gets its name."""
        output = self._said.output
        with NamedTemporaryFile("w", encoding="utf-8", dir=self._home, prefix=f".{output.name}.") as file:
            file.write(text)
            file.flush()
            # The gateway may run as another user; there is no secret in it.
            os.fchmod(file.fileno(), 0o644)
            try:
                load_configuration(Path(file.name))
            except ConfigurationError as error:
                raise SetupError(str(error).replace(file.name, str(output))) from None
            if self._said.force:
                output.unlink(missing_ok=True)
            # A link never overwrites what has come there in the meantime.
            os.link(file.name, output)


def _remember(before: dict[Path, bytes | None], *paths: Path) -> None:
    for path in paths:
        before[path] = path.read_bytes() if path.exists() else None


def _restore(before: dict[Path, bytes | None]) -> None:
    for path, contents in before.items():
        if contents is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(contents)


def _other_name(server: ServerSettings) -> str:
    return "" if server.server_name == server.host else server.server_name


def _parts(text: str) -> list[str]:
    found = text.replace(",", " ").split()
    if not found:
        raise ValueError("at least one is expected")
    return found


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(read_network(each)) for each in _parts(text))


def _account(text: str) -> str:
    if read_bind_name(text) is None:
        raise ValueError(account_problem(text))
    return text


def _certificate(text: str) -> Path | None:
    if not text:
        return None
    read_certificates(Path(text))
    return Path(text)


def _container(text: str, containers: Sequence[Container]) -> DN:
    """The container that is meant, whatever its escapes are. Raises SetupError."""
    # An empty name is the root.
    readings = KnownNames(each.dn for each in containers).readings(text) if text.strip() else (parse(""),)
    if not readings:
        parsed = _problem(text)
        raise SetupError(f"--base: {text}: {parsed}")
    meant = [each.dn for each in containers if any(each.dn.same(reading) for reading in readings)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise SetupError(f"--base: {text} may be {' or '.join(map(str, meant))}")
    raise SetupError(
        f"--base: {text or 'the root'}: no container of that name has people, groups or contacts in it; "
        "without --base, and on a terminal, `init` shows those that have some"
    )


def _problem(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return "a DN is expected"


def _domains(account: str, found: FirstLook) -> tuple[str, ...]:
    """The DNS name of the domain and that of the account's own name."""
    names = [_dns_name(tree.dn) for tree in found.trees]
    bound = read_bind_name(account)
    if isinstance(bound, LoginName) and "." in bound.domain:
        names.append(bound.domain.lower())
    return tuple(dict.fromkeys(name for name in names if name))


def _dns_name(context: DN) -> str:
    """RFC 2247; "" for a name of other parts."""
    parts = [ava.value for rdn in context.rdns for ava in rdn if ava.type.lower() == "dc"]
    texts = [part for part in parts if isinstance(part, str)]
    return ".".join(texts).lower() if len(texts) == len(context.rdns) else ""
