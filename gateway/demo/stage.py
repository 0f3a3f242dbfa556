"""What a demo runs with: the embedded directory, what stands before it, and what was seen of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.demo.certificates import CertificateFiles
from gateway.demo.directory import EmbeddedDirectory
from gateway.demo.people import make_directory
from gateway.demo.place import Place
from gateway.demo.proof import Claim
from gateway.demo.steps import Record
from gateway.demo.waiting import holds_within
from gateway.ldap.messages import Request
from gateway.net.transport.reactor import Reactor

# Seconds in which all connections to the directory end.
SETTLE_LIMIT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the service signs in as. The passwords are part of the made-up data."""

    name: str
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the demo has seen at both ends of what stands before the directory.

    heard: the requests that reached the directory, in order. records: the audit's. inside: those of the gateway behind
    it, where there is one.
    """

    heard: tuple[Request, ...]
    records: tuple[Record, ...]
    inside: tuple[Record, ...] = ()


class Stage(ABC):
    """The directory and what stands before it, with their files.

    files, host, name: of the directory, whose certificate must be for that name. account: the service's, at the
    gateway. described: what stands before the directory, in words. configuration: of the gateway that the service
    connects to. inside_configuration: of the one behind it; None where there is none.
    """

    described: str
    configuration: Path
    inside_configuration: Path | None = None

    def __init__(self, files: CertificateFiles, host: str, name: str, account: Account, reactor: Reactor) -> None:
        self.entries = make_directory()
        self.account = account
        self._name = name
        self._files = files
        self._reactor = reactor
        self._serving = False
        self._heard: list[Request] = []
        self._directory = EmbeddedDirectory(self.entries, files, reactor, self._hear, host)

    async def start(self) -> None:
        """Raises OSError, CannotListenError, ConfigurationError, StartError or GatewayFailed."""
        await self._directory.start()

    async def stop(self) -> None:
        await self._directory.stop()

    @property
    def directory(self) -> Place:
        return Place(self._directory.host, self._directory.port, self._name, self._files.ca_file)

    @property
    @abstractmethod
    def gateway(self) -> Place:
        """Where the service connects."""

    async def settle(self) -> None:
        """Waits until no connection to the directory is left. Raises TimeoutError."""
        if not await holds_within(SETTLE_LIMIT, lambda: self._directory.idle, self._reactor):
            raise TimeoutError("a connection to the directory stays open")

    async def take_seen(self) -> Seen:
        """What has happened since the last call; all of it, where no operation is under way."""
        records, inside = await self._take_records()
        heard = tuple(self._heard)
        self._heard.clear()
        return Seen(heard, records, inside)

    def claims(self) -> tuple[Claim, ...]:
        """What this stage proves by itself, once the sync is over."""
        return ()

    async def serve(self, audited: Callable[[Record], None]) -> None:
        """Gives what the service asks from here on to somebody, record by record, until it is cancelled. Raises
        GatewayFailed."""
        self._serving = True
        self._heard.clear()
        await self._follow(audited)

    @abstractmethod
    async def _take_records(self) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        """The audit's records since the last call, and those of the gateway inside."""

    @abstractmethod
    async def _follow(self, audited: Callable[[Record], None]) -> None:
        """What serve does, as far as records go."""

    def _hear(self, request: Request) -> None:
        if not self._serving:
            self._heard.append(request)
