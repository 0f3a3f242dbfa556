"""Whoever holds the operations of a session, as the exchange tells it what becomes of them."""

from __future__ import annotations

from typing import Protocol

from gateway.policy.reasons import Reason
from gateway.relay.operation import Operation
from gateway.relay.steps import Outcome


class Owner(Protocol):
    """The session."""

    def operation_ends(self, operation: Operation, outcome: Outcome) -> None:
        """Before its final answer is sent."""

    def operation_ended(self, operation: Operation, reason: Reason | None, code: int | None) -> None:
        """It is open no longer. code: what the client was told, None for nothing."""

    def server_gone(self, reason: Reason, text: str) -> None:
        """The server connection has ended, and every open operation with it."""
