"""What a session has to say, with the octets for the client joined into one write, in front of whatever came between
them; only what ends the connection, or begins TLS on it, stays between the octets before and behind it."""

from __future__ import annotations

from gateway.relay.commands import CloseClient, Command, SendToClient, StartTls


class Output:
    """pieces: octets for the client that wait to be joined; whoever has many appends them here."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._commands: list[Command] = []
        # Where the octets belong among the commands; -1 for behind all.
        self._place = -1

    def command(self, command: Command) -> None:
        if isinstance(command, CloseClient | StartTls):
            self._join()
        elif self.pieces and self._place < 0:
            self._place = len(self._commands)
        self._commands.append(command)

    def take(self) -> list[Command]:
        """Everything since the last time."""
        self._join()
        commands, self._commands = self._commands, []
        return commands

    def _join(self) -> None:
        if self.pieces:
            place = len(self._commands) if self._place < 0 else self._place
            self._commands.insert(place, SendToClient(b"".join(self.pieces)))
            self.pieces.clear()
            self._place = -1
