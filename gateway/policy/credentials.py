"""Mapped credentials: a sync account signs in with a secret that only the gateway knows, and the gateway binds at the
server with an account of its own. What the outside holds is worth nothing inside.

A gateway whose server is another gateway needs no account of its own: it verifies the secret and forwards the bind, and
the gateway inside does the mapping.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hmac import compare_digest


class Secret:
    """Octets that no log, traceback or text may show. Two are equal where their octets are."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def reveal(self) -> bytes:
        return self._octets

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._octets, other._octets)

    __hash__ = None  # type: ignore[assignment]


class OwnPassword(Secret):
    """The password of an account of the gateway. later: that of the same account, in the next load of the
    configuration."""

    __slots__ = ("later",)

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.later: OwnPassword | None = None

    @property
    def replaced(self) -> bool:
        """Whether a later load has another one. Sessions that began before it do not try the old one, which the server
        would count as a wrong password."""
        later = self.later
        while later is not None and later == self:
            later = later.later
        return later is not None


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """An account of the gateway itself, as which it binds at the server in place of a mapped one."""

    bind_dn: str
    password: OwnPassword


@dataclass(frozen=True, slots=True)
class MappedAccount:
    """An account that stands for the gateway's own account at the directory.

    name: what the service binds as, a DN in canonical spelling, name@domain, DOMAIN\\name or a bare name; it need not
    exist in the directory. hashes: argon2id in PHC form, one of which the service's secret must fit. own: what the
    gateway binds as then; None where it forwards the very bind that came.
    """

    name: str
    hashes: tuple[str, ...] = field(repr=False)
    own: OwnAccount | None = None


@dataclass(frozen=True, slots=True)
class SecretCheck:
    """A secret to be verified, with the hashes that it may fit.

    hashes: all of them are tried where none fits, so that a wrong secret takes the same time for every name.
    """

    hashes: tuple[str, ...] = field(repr=False)
    secret: Secret


class SecretVerdict(Enum):
    """What came of verifying a secret. undecided: it could not be verified now."""

    right = "right"
    wrong = "wrong"
    undecided = "undecided"


@dataclass(frozen=True, slots=True)
class MappedBind:
    """What must be true before the server is sent anything. client: its name in the configuration. decoys: hashes
    that no secret fits, as many as any account of the client has."""

    client: str
    account: MappedAccount
    check: SecretCheck
    decoys: tuple[str, ...] = field(repr=False)
