"""Mapped credentials: hashes of what services sign in with, and the gateway's own passwords, from the configuration and
from files of their own. What is wrong is said without showing any of them."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Final

from gateway.config import models
from gateway.config.names import dn_problem
from gateway.config.problems import Problem
from gateway.config.secrets import SecretReader
from gateway.config.source import Location, Source
from gateway.ldap.dn import DN, DNError, has_hex_value, parse
from gateway.policy.bind_name import read_bare_name, read_bind_name
from gateway.policy.credentials import MappedAccount, OwnAccount, OwnPassword

# As many as a rotation needs, and a second one that began before the first was over.
MAX_HASHES: Final = 4

# OWASP Password Storage Cheat Sheet, Argon2id: each row is as strong as the others. KiB of memory, passes.
LEAST: Final = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
# A hash may not be a denial of service: 256 MiB, and about a second of one core.
MOST_MEMORY: Final = 256 * 1024
MOST_WORK: Final = 1024 * 1024
MOST_LANES: Final = 16

# The form that argon2 writes (https://github.com/P-H-C/phc-winner-argon2, encoding.c); no other is read.
_NUMBER: Final = "([1-9][0-9]{0,8})"
_HASH: Final = re.compile(rf"\$argon2id\$v=19\$m={_NUMBER},t={_NUMBER},p={_NUMBER}\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")
_SPLIT: Final = re.compile(r"\$argon2id\$v=19\$m=[0-9]+|[tp]=[0-9]+(\$.*)?")
_LEAST_SALT: Final = 8
_LEAST_DIGEST: Final = 16
_MOST: Final = 64

# What the gateway binds as at the copy of a tenant, where the token alone counts.
_AT_A_COPY: Final = parse("CN=ldap-gateway")

HEX_ADVICE: Final = (
    "write its values as text: a bind DN with a value as #hex is refused, since servers read it in their own ways"
)
_NAME_FORMS: Final = "a DN, name@domain, DOMAIN\\name or a single name like mimecast-sync is expected"


class HashProblem(ValueError):
    """The text says what is wrong with a hash, and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Hash:
    """A hash that is served. memory: KiB."""

    text: str
    memory: int
    passes: int
    lanes: int
    salt: int
    digest: int


def read_hash(text: str) -> Hash:
    """Raises HashProblem."""
    match = _HASH.fullmatch(text)
    if match is None:
        raise HashProblem(_no_hash(text))
    memory, passes, lanes = int(match[1]), int(match[2]), int(match[3])
    salt, digest = _octets(match[4]), _octets(match[5])
    if not (_LEAST_SALT <= salt <= _MOST and _LEAST_DIGEST <= digest <= _MOST):
        raise HashProblem("the salt or the digest has a length that is not served; make a new hash: hash-password")
    if memory > MOST_MEMORY or memory * passes > MOST_WORK or lanes > MOST_LANES:
        raise HashProblem(
            f"too costly: m is at most {MOST_MEMORY} (KiB), m times t at most {MOST_WORK}, p at most {MOST_LANES}"
        )
    if not any(memory >= least_memory and passes >= least for least_memory, least in LEAST):
        raise HashProblem("too weak: at least m=19456,t=2 (or m=47104,t=1) is expected; make a new one: hash-password")
    return Hash(text, memory, passes, lanes, salt, digest)


def _no_hash(text: str) -> str:
    made = "`ldap-gateway hash-password` makes one"
    if _SPLIT.fullmatch(text):
        return "a hash needs quotes: YAML takes its commas for ends of items"
    if text.startswith("$argon2"):
        return f"not an argon2id hash as argon2 writes it ($argon2id$v=19$m=...,t=...,p=...$...$...); {made}"
    if text.startswith(("$", "{")):
        return f"a hash of another kind; only argon2id is served, {made}"
    return f"not a hash; where it is the secret itself, it has been shown and needs replacing; {made}"


def _octets(text: str) -> int:
    """How many there are; 0 for base64 that argon2 would not write."""
    try:
        found = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except Base64Error:
        return 0
    return len(found) if b64encode(found).decode().rstrip("=") == text else 0


def decoys(accounts: Iterable[MappedAccount]) -> tuple[str, ...]:
    """Hashes that no secret fits, as many and as costly as those of the account that has most of them."""
    costly = max((account.hashes for account in accounts), key=_work, default=())
    return tuple(map(_decoy, costly))


def _work(hashes: tuple[str, ...]) -> int:
    return sum(found.memory * found.passes for found in map(read_hash, hashes))


def _decoy(text: str) -> str:
    found = read_hash(text)
    salt, digest = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (found.salt, found.digest))
    return f"$argon2id$v=19$m={found.memory},t={found.passes},p={found.lanes}${salt}${digest}"


class CredentialsReader:
    """The reader of the credentials of all clients of one file. Paths are relative to its directory.

    accounts: by the client's name; only those that can be served.
    """

    def __init__(self, source: Source, directory: Path) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.accounts: dict[str, tuple[MappedAccount, ...]] = {}
        self._source = source
        self._directory = directory
        self._secrets = SecretReader(self._problem, self._warning)
        # By the directory's name and the account: the first password that was found, and where.
        self._own: dict[tuple[str, DN], tuple[OwnPassword, str]] = {}
        # By the directory's name, which several accounts may have: what is wrong with one is said once.
        self._tokens: dict[str, bytes | None] = {}

    def read(self, file: models.File) -> None:
        for name, client in file.clients.items():
            directory = file.directories.get(client.directory)
            self.accounts[name] = self._accounts_of(name, client, directory)
        self._check_together(file)

    def gateway_accounts(self, directory: str) -> tuple[DN, ...]:
        """The accounts as which the gateway itself binds there."""
        return tuple(own for where, own in self._own if where == directory)

    def _accounts_of(
        self, name: str, client: models.Client, directory: models.Directory | None
    ) -> tuple[MappedAccount, ...]:
        at: Location = ("clients", name, "credentials")
        wanted = client.credentials
        if wanted.mode == "passthrough":
            if wanted.accounts:
                self._problem((*at, "accounts"), "only of use with `mode: mapped`")
            return ()
        if not wanted.accounts:
            self._problem((*at, "mode"), "with `mapped` the accounts are needed: accounts")
        if client.sync_accounts:
            self._problem(
                ("clients", name, "sync_accounts"),
                "with `credentials: {mode: mapped}` the sync accounts are those of credentials.accounts alone; the "
                "password of any other one would still be worth something inside",
            )
        found: dict[str, MappedAccount] = {}
        for key, account in wanted.accounts.items():
            read = self._account((*at, "accounts", key), key, client.directory, account, directory)
            if read is None:
                continue
            if read.name.lower() in found:
                self._problem((*at, "accounts", key), "two accounts with the same name")
            found[read.name.lower()] = read
        return tuple(found.values())

    def _check_together(self, file: models.File) -> None:
        """That no client gets from outside what the gateway itself signs in with."""
        for name, client in file.clients.items():
            for i, account in enumerate(client.sync_accounts):
                dn = read_bind_name(account)
                for (directory, own), (_, owner) in self._own.items():
                    if directory == client.directory and isinstance(dn, DN) and dn.same(own):
                        self._problem(
                            ("clients", name, "sync_accounts", i),
                            f"the gateway's own account of clients.{owner}: nobody outside may have its password",
                        )

    def _account(
        self,
        at: Location,
        key: str,
        directory: str,
        account: models.MappedAccount,
        reached: models.Directory | None,
    ) -> MappedAccount | None:
        """directory: its name. reached: its block; None where there is none."""
        read = read_bind_name(key)
        name = str(read) if read is not None else read_bare_name(key)
        if name is None:
            self._problem(at, f"{_NAME_FORMS}, as the service binds with it")
        elif isinstance(read, DN) and has_hex_value(key):
            self._problem(at, HEX_ADVICE)
        hashes = self._hashes(at, account)
        if reached is not None and reached.entra is not None:
            own = self._at_a_copy(at, directory, account, reached.entra)
            return None if own is None or name is None or not hashes else MappedAccount(name, hashes, own)
        linked = reached is not None and reached.link is not None
        if account.bind_dn is None and account.password_file is None and linked:
            # The gateway inside has both.
            return None if name is None or not hashes else MappedAccount(name, hashes)
        if account.bind_dn is None or account.password_file is None:
            missing, other = ("bind_dn", "password_file") if account.bind_dn is None else ("password_file", "bind_dn")
            alone = account.bind_dn is None and account.password_file is None
            said = "is required, but for a directory with `link`" if alone else f"is required beside {other}"
            self._problem((*at, missing), said)
            return None
        bind_dn = self._bind_dn((*at, "bind_dn"), account.bind_dn)
        password = self._password((*at, "password_file"), account.password_file)
        if bind_dn is None or password is None:
            return None
        self._check_same((*at, "password_file"), str(at[1]), directory, bind_dn, password)
        if name is None or not hashes:
            return None
        return MappedAccount(name, hashes, OwnAccount(str(bind_dn), password))

    def _at_a_copy(
        self, at: Location, directory: str, account: models.MappedAccount, entra: models.Entra
    ) -> OwnAccount | None:
        """The gateway's account at the copy of a tenant, whose password is the token."""
        for key in ("bind_dn", "password_file"):
            if getattr(account, key) is not None:
                said = f"only of use without `entra`: at directory {directory} the gateway binds with its token_file"
                self._problem((*at, key), said)
        if directory not in self._tokens:
            where = ("directories", directory, "entra", "token_file")
            self._tokens[directory] = self._token(where, self._directory / entra.token_file)
        octets = self._tokens[directory]
        if octets is None:
            return None
        token = OwnPassword(octets)
        self._check_same((*at, "bind_dn"), str(at[1]), directory, _AT_A_COPY, token)
        return OwnAccount(str(_AT_A_COPY), token)

    def _token(self, at: Location, path: Path) -> bytes | None:
        if not path.exists():
            self._problem(at, f"{path}: there is no token yet; `ldap-gateway entra run` makes it at its first start")
            return None
        octets = self._secrets.octets(at, path)
        token = None if octets is None else octets.strip()
        if token == b"":
            self._problem(at, f"{path}: it is empty; remove it, and `ldap-gateway entra run` makes a new one")
        return token or None

    def _bind_dn(self, at: Location, text: str) -> DN | None:
        try:
            dn = parse(text)
        except DNError as error:
            self._problem(at, dn_problem(text, error))
            return None
        if not dn.rdns:
            self._problem(at, "the DN of the gateway's own account is expected; an empty one would be anonymous")
            return None
        if has_hex_value(text):
            self._problem(at, HEX_ADVICE)
            return None
        return dn

    def _check_same(self, at: Location, client: str, directory: str, bind_dn: DN, password: OwnPassword) -> None:
        for (other_directory, other), (known, owner) in self._own.items():
            if other_directory == directory and other.same(bind_dn):
                if known != password:
                    self._problem(at, f"another password than the same account has in clients.{owner}")
                return
        self._own[directory, bind_dn] = (password, client)

    def _hashes(self, at: Location, account: models.MappedAccount) -> tuple[str, ...]:
        found: list[str] = []
        before = len(self.problems)
        for i, text in enumerate(account.hashes):
            self._add_hash(found, text, self._source.problem((*at, "hashes", i), ""))
        if account.hashes_file is not None:
            key = (*at, "hashes_file")
            path = self._directory / account.hashes_file
            octets = self._secrets.octets(key, path)
            where = self._source.problem(key, "").path
            for number, line in enumerate((octets or b"").decode("utf-8", "replace").splitlines(), 1):
                text = line.strip()
                if text and not text.startswith("#"):
                    self._add_hash(found, text, Problem(str(path), number, where, ""))
        if len(self.problems) == before and not 1 <= len(found) <= MAX_HASHES:
            self._problem(
                at, f"1 to {MAX_HASHES} hashes are expected in hashes or hashes_file; `ldap-gateway hash-password`"
            )
        return tuple(found)

    def _add_hash(self, found: list[str], text: str, where: Problem) -> None:
        try:
            read_hash(text)
            if text in found:
                raise HashProblem("the same hash twice")
        except HashProblem as error:
            self.problems.append(Problem(where.file, where.line, where.path, str(error)))
        else:
            found.append(text)

    def _password(self, at: Location, text: str) -> OwnPassword | None:
        password = self._secrets.password(at, self._directory / text)
        return None if password is None else OwnPassword(password)

    def _problem(self, location: Location, message: str) -> None:
        self.problems.append(self._source.problem(location, message))

    def _warning(self, location: Location, message: str) -> None:
        self.warnings.append(self._source.problem(location, message))
