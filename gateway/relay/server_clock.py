"""How long a server is silent and how long it takes, without the time in which nothing is read from it."""

from __future__ import annotations


class ServerClock:
    """The clock of one session's server. Times are of the session's clock, in seconds. It stands still while reading
    from the server pauses because the client cannot keep up: then the server's silence is not its fault."""

    def __init__(self, now: float) -> None:
        self._last_octet = now
        self._held_since: float | None = None
        self._held = 0.0

    def heard(self, now: float) -> None:
        """Octets have come, or are awaited from now on."""
        self._last_octet = now

    def hold(self, now: float) -> None:
        """Reading from the server pauses."""
        if self._held_since is None:
            self._held_since = now

    def release(self, now: float) -> None:
        """Reading from the server goes on."""
        if self._held_since is not None:
            self._last_octet += now - self._held_since
            self._held += now - self._held_since
            self._held_since = None

    def time(self, now: float) -> float:
        """What this clock shows."""
        held = self._held if self._held_since is None else self._held + now - self._held_since
        return now - held

    def silent_at(self, patience: float) -> float | None:
        """When the server will have said nothing for so many seconds; None while reading from it pauses."""
        return None if self._held_since is not None else self._last_octet + patience
