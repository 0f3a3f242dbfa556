"""What a session asks of whoever holds its two connections, in this order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.policy.credentials import SecretCheck
from gateway.policy.lockout import GuardedAccount, LockoutSettings, Verdict
from gateway.policy.shrink import Shape, Sizes
from gateway.relay.audit import AuditRecord


@dataclass(frozen=True, slots=True)
class SendToClient:
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendToServer:
    data: bytes = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close the client connection once everything sent is written."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin TLS on the client connection, behind what was sent so far."""


@dataclass(frozen=True, slots=True)
class Audit:
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class AdmitAttempt:
    """May this account try a password? Answered by attempt_admitted, once, at once or later."""

    account: GuardedAccount
    settings: LockoutSettings


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """How an admitted attempt went."""

    account: GuardedAccount
    verdict: Verdict


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


@dataclass(frozen=True, slots=True)
class RecallSizes:
    """What did the last complete search of this shape give? Answered by sizes_recalled."""

    shape: Shape


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
