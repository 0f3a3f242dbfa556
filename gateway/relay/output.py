"""What a session has to say, in order, with neighbouring octets for the client joined."""

from __future__ import annotations

from gateway.relay.commands import Command, SendToClient


class Output:
    """pieces: octets for the client that come behind the commands so far; whoever has many appends them here."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._commands: list[Command] = []

    def command(self, command: Command) -> None:
        self._join()
        self._commands.append(command)

    def take(self) -> list[Command]:
        """Everything since the last time."""
        self._join()
        commands, self._commands = self._commands, []
        return commands

    def _join(self) -> None:
        if self.pieces:
            self._commands.append(SendToClient(b"".join(self.pieces)))
            self.pieces.clear()
