"""The embedded directory and the gateway before it, in one process and one directory of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred

from gateway.config.load import load_configuration
from gateway.demo.certificates import make_certificates
from gateway.demo.configuration import write_configuration
from gateway.demo.directory import EmbeddedDirectory
from gateway.demo.people import make_directory
from gateway.ldap.messages import Request
from gateway.net.transport.reactor import Reactor
from gateway.relay.audit import AuditRecord
from gateway.serve.service import Gateway
from gateway.state.sizes import SizesInMemory

# Seconds: how long and how often it is looked whether all connections have ended.
SETTLE_LIMIT: Final = 15.0
SETTLE_STEP: Final = 0.005


@dataclass(frozen=True, slots=True)
class Place:
    """Where one side listens on 127.0.0.1, and the CA file that verifies it."""

    port: int
    ca_file: Path

    @property
    def url(self) -> str:
        return f"ldaps://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the demo has seen at both ends of the gateway.

    heard: the requests that reached the directory, in order. records: the gateway's audit.
    """

    heard: tuple[Request, ...]
    records: tuple[AuditRecord, ...]


class Stage:
    """The directory, the gateway and their files that a demo runs with.

    work: an existing directory for certificates and the configuration; the caller removes it.
    """

    def __init__(self, work: Path, reactor: Reactor) -> None:
        self.entries = make_directory()
        self.configuration = work / "gateway.yaml"
        self._reactor = reactor
        self._heard: list[Request] = []
        self._records: list[AuditRecord] = []
        self._audited: Callable[[AuditRecord], None] | None = None
        self._directory_files = make_certificates(work, "directory")
        self._gateway_files = make_certificates(work, "gateway")
        self._directory = EmbeddedDirectory(self.entries, self._directory_files, reactor, self._hear)
        self._gateway: Gateway | None = None

    async def start(self) -> None:
        """Raises OSError, CannotListenError, ConfigurationError or StartError."""
        await self._directory.start()
        write_configuration(self.configuration, self._gateway_files, self._directory_files, self._directory.port)
        settings = load_configuration(self.configuration).settings
        self._gateway = Gateway(settings, self._audit, SizesInMemory(), self._reactor)
        self._gateway.start()

    async def stop(self) -> None:
        if self._gateway is not None:
            await self._gateway.stop()
        await self._directory.stop()

    async def settle(self) -> None:
        """Waits until no connection to the directory is left. Raises TimeoutError."""
        until = self._reactor.seconds() + SETTLE_LIMIT
        while not self._directory.idle:
            if self._reactor.seconds() > until:
                raise TimeoutError("a connection to the directory stays open")
            waited: Deferred[None] = Deferred()
            self._reactor.callLater(SETTLE_STEP, waited.callback, None)
            await waited

    @property
    def directory(self) -> Place:
        return Place(self._directory.port, self._directory_files.ca_file)

    @property
    def gateway(self) -> Place:
        if self._gateway is None:
            raise RuntimeError("the gateway has not been started")
        return Place(self._gateway.ports[0], self._gateway_files.ca_file)

    def take_seen(self) -> Seen:
        """What has happened since the last call."""
        found = Seen(tuple(self._heard), tuple(self._records))
        self._heard.clear()
        self._records.clear()
        return found

    def pass_on(self, audited: Callable[[AuditRecord], None]) -> None:
        """From here on audit records go there, and nothing is kept."""
        self._audited = audited
        self.take_seen()

    def _hear(self, request: Request) -> None:
        if self._audited is None:
            self._heard.append(request)

    def _audit(self, record: AuditRecord) -> None:
        if self._audited is None:
            self._records.append(record)
        else:
            self._audited(record)
