"""The servers that DNS names for a directory, or why it names none."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.net.servers.settings import Candidate


class NotFound(Exception):
    """An error that says why DNS names no server that can be used."""


@dataclass(frozen=True, slots=True)
class Found:
    """The servers that DNS names. ttl: seconds for which DNS says that this holds. outside: names that were left out
    because they lie in none of the configured domains. unusable: names that were left out because they are no host
    names, escaped. surplus: how many were left out because there are too many."""

    candidates: tuple[Candidate, ...]
    ttl: float
    outside: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    surplus: int = 0

    @property
    def left_out(self) -> str:
        """What was left out and why, for a reader; "" where nothing was."""
        said = []
        if self.outside:
            said.append(f"{', '.join(self.outside)} (not in discover.domain or server_domains)")
        if self.unusable:
            said.append(f"{', '.join(self.unusable)} (no host name)")
        if self.surplus:
            said.append(f"{self.surplus} more servers than a directory may have")
        return "; ".join(said)
