"""What the server's side of a session finds out, for the session's operations."""

from __future__ import annotations

from typing import Final, TypeAlias, final

from gateway.policy.decision import Refuse
from gateway.policy.reasons import Reason
from gateway.relay.operation import Operation
from gateway.relay.steps import Answer


@final
class Answered:
    """The answer to an operation's step."""

    __slots__ = ("answer", "operation")

    def __init__(self, operation: Operation, answer: Answer) -> None:
        self.operation: Final = operation
        self.answer: Final = answer


@final
class Unusable:
    """Something of the server's that ends an operation with an error. why: as the audit and the client get it."""

    __slots__ = ("operation", "why")

    def __init__(self, operation: Operation, why: Refuse) -> None:
        self.operation: Final = operation
        self.why: Final = why


@final
class Gone:
    """The end of the connection to the server, and with it of the session. text: for the client; detail: for the audit
    alone."""

    __slots__ = ("detail", "reason", "text")

    def __init__(self, reason: Reason, text: str, detail: str) -> None:
        self.reason: Final = reason
        self.text: Final = text
        self.detail: Final = detail


ServerEvent: TypeAlias = Answered | Unusable | Gone
