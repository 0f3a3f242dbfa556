"""Where the servers of a directory come from, of which each session gets one.

The configuration lists them, or DNS names them (net/servers/discovered). Whatever else knows of servers has the same
shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.net.servers.choosing import listed
from gateway.net.servers.settings import Candidate, DirectorySettings
from gateway.net.servers.way import Whom


class NoCandidates(Exception):
    """An error that says why there is no server to choose from."""


class Candidates(Protocol):
    """The source of one directory's candidates."""

    def known(self, whom: Whom | None) -> tuple[Candidate, ...]:
        """Those that this session may get now. whom: None for all that there are."""
        ...

    async def wait(self, whom: Whom | None, patience: float) -> None:
        """Returns once there is one that this session may get. patience: seconds. Raises NoCandidates."""
        ...

    def begin(self, changed: Callable[[], None]) -> None:
        """The configuration is in force from now on, until stop. changed: to be called when there are others."""
        ...

    def stop(self) -> None:
        """What sessions of before a reload still find out is theirs alone, and nobody is told of it."""
        ...


class ListedCandidates:
    """The servers that the configuration lists: always the same, and at least one."""

    def __init__(self, directory: DirectorySettings) -> None:
        self._candidates = listed(directory.servers, directory.order)

    def known(self, whom: Whom | None) -> tuple[Candidate, ...]:
        return self._candidates

    async def wait(self, whom: Whom | None, patience: float) -> None:
        raise NoCandidates("the directory has no server")

    def begin(self, changed: Callable[[], None]) -> None:
        """They never change."""

    def stop(self) -> None:
        """There is nothing to end."""
