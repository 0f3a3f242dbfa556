"""What a session has to say, in order, with neighbouring octets for the client joined into one write."""

from __future__ import annotations

from gateway.relay.commands import Command, SendToClient


class Output:
    def __init__(self) -> None:
        self._commands: list[Command] = []
        self._octets: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Octets for the client."""
        self._octets.append(data)

    def command(self, command: Command) -> None:
        self._join()
        self._commands.append(command)

    def take(self) -> list[Command]:
        """Everything since the last time."""
        self._join()
        commands, self._commands = self._commands, []
        return commands

    def _join(self) -> None:
        if self._octets:
            self._commands.append(SendToClient(b"".join(self._octets)))
            self._octets.clear()
