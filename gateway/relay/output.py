"""What a session has to say, in order, with neighbouring octets for the client joined."""

from __future__ import annotations

from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.relay.commands import Audit, Command, SendToClient


class Output:
    """What one event makes a session say, in order.

    pieces: octets for the client that come behind the commands so far; whoever has many appends them here.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._commands: list[Command] = []

    def command(self, command: Command) -> None:
        self._join()
        self._commands.append(command)

    def audit(self, record: AuditRecord, decision: str, reason: Reason | None, code: int | None, now: float) -> None:
        """Completes a record: nothing is added to it behind this. code: what the client was told, None for nothing."""
        record.decision = decision
        record.reason = reason.value if reason is not None else ""
        record.code = code
        record.seconds = now - record.started
        self.command(Audit(record))

    def take(self) -> list[Command]:
        """Everything since the last time."""
        self._join()
        commands, self._commands = self._commands, []
        return commands

    def _join(self) -> None:
        if self.pieces:
            self._commands.append(SendToClient(b"".join(self.pieces)))
            self.pieces.clear()
