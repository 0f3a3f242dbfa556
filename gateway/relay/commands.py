"""What a session asks of whoever holds its two connections, in this order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias, final

from gateway.policy.credentials import SecretCheck
from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict
from gateway.policy.shrink import Shape, Sizes
from gateway.relay.audit import AuditRecord


@final
@dataclass(init=False, slots=True, repr=False, unsafe_hash=True)
class SendToClient:
    """Without a repr of its own, so that no log can show the octets."""

    data: Final[bytes]

    def __init__(self, data: bytes) -> None:
        self.data = data


@final
@dataclass(init=False, slots=True, repr=False, unsafe_hash=True)
class SendToServer:
    """Without a repr of its own, so that no log can show the octets."""

    data: Final[bytes]

    def __init__(self, data: bytes) -> None:
        self.data = data


@dataclass(frozen=True, slots=True)
class ConnectServer:
    """Open a connection to a server of the directory; answered by server_connected or server_failed.

    instead_of: the URL of a server that has just failed, "" for none: rather to another one, and never to one over a
    connection that was opened before. others_only: not to this one at all.
    """

    instead_of: str = ""
    others_only: bool = False


@dataclass(frozen=True, slots=True)
class CloseServer:
    """Close the server connection, or give up connecting; no event of it may arrive any more."""


class Duty(StrEnum):
    """What a session needs of a server behind a connection. service: whatever comes behind an accepted bind."""

    bind = "bind"
    service = "service"


class Conduct(StrEnum):
    """How a server did a duty. answered: with whatever it is for; of a bind not with busy or unavailable. given_up: the
    session did not wait for it. silent: nothing came in time. closed: the connection ended, without anything of the
    client's under way. failed: it ended in another way, or what came was of no use; the client may have had a part in
    it."""

    answered = "answered"
    given_up = "given-up"
    silent = "silent"
    closed = "closed"
    failed = "failed"


@dataclass(frozen=True, slots=True)
class ServerAsked:
    """A step of a bind waits for this server from now on. server: its URL. since: now, on the session's clock."""

    server: str
    duty: Duty
    since: float


@dataclass(frozen=True, slots=True)
class ServerBehaved:
    """How a server did its duty. server: its URL. since: as ServerAsked had it; of a search when the bind before it was
    accepted."""

    server: str
    duty: Duty
    since: float
    conduct: Conduct


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close the client connection once everything sent is written."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin TLS on the client connection, behind what was sent so far."""


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Audit:
    record: Final[AuditRecord]

    def __init__(self, record: AuditRecord) -> None:
        self.record = record


@dataclass(frozen=True, slots=True)
class AdmitAttempt:
    """May this account, or address, try a password? Answered by attempt_admitted, once, at once or later. digest: of
    the password, b"" where it is not to be known again. identity: the name strictly, "" where that makes no
    difference."""

    account: GuardedAccount
    settings: LockoutSettings
    digest: bytes = field(default=b"", repr=False)
    identity: str = ""


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """How an admitted attempt went. entry: of the person who was found, "" for nobody."""

    account: GuardedAccount
    verdict: Verdict
    entry: str = ""


@dataclass(frozen=True, slots=True)
class VerifySecret:
    """Does a secret fit one of its hashes? Answered by secret_verified, once, at once or later; by nothing where the
    session has ended."""

    check: SecretCheck


@dataclass(frozen=True, slots=True)
class JoinAccounts:
    """Two names were shown to be one person's."""

    alias: GuardedAccount
    account: GuardedAccount


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class RecallSizes:
    """What did the last complete search of this shape give? Answered by sizes_recalled."""

    shape: Final[Shape]

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


@dataclass(frozen=True, slots=True)
class StoreSizes:
    """What a complete search gave, to be recalled at the next one of its shape."""

    shape: Shape
    sizes: Sizes


Command: TypeAlias = (
    SendToClient
    | SendToServer
    | ConnectServer
    | CloseServer
    | ServerAsked
    | ServerBehaved
    | CloseClient
    | StartTls
    | Audit
    | AdmitAttempt
    | AttemptEnded
    | VerifySecret
    | JoinAccounts
    | RecallSizes
    | StoreSizes
)
