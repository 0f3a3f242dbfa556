"""What a session asks of whoever holds its two connections, in this order: connections and octets, audit records, the
questions of its operations and the notices that they give (gateway/relay/questions.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, final

from gateway.relay.audit import AuditRecord
from gateway.relay.questions import Notice, Question


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


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close the client connection once everything sent is written."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin TLS on the client connection, behind what was sent so far."""


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Audit:
    """A record for the audit, complete."""

    record: Final[AuditRecord]

    def __init__(self, record: AuditRecord) -> None:
        self.record = record


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class PoseQuestion:
    """Answer a question; Session.answered takes the reply. key: of this question among those of the session."""

    key: Final[int]
    question: Final[Question]

    def __init__(self, key: int, question: Question) -> None:
        self.key = key
        self.question = question


Command: TypeAlias = (
    SendToClient | SendToServer | ConnectServer | CloseServer | CloseClient | StartTls | Audit | PoseQuestion | Notice
)
