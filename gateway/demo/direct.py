"""The stage of `demo`: the gateway before the directory, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred

from gateway.config.load import load_configuration
from gateway.demo.certificates import make_certificates
from gateway.demo.configuration import write_configuration
from gateway.demo.people import SYNC_ACCOUNT
from gateway.demo.place import LOOPBACK, Place
from gateway.demo.stage import Account, Stage
from gateway.demo.steps import Record
from gateway.net.transport.reactor import Reactor
from gateway.observe.audit.records import audit_object
from gateway.relay.audit import AuditRecord
from gateway.serve.service import Gateway
from gateway.state.sizes import SizesInMemory


class DirectStage(Stage):
    """A gateway that reaches the directory by itself.

    work: an existing directory for certificates and the configuration; the caller removes it.
    """

    described = "with the gateway before it, LDAPS on both sides"

    def __init__(self, work: Path, reactor: Reactor) -> None:
        files = make_certificates(work, "directory")
        account = Account(SYNC_ACCOUNT.user_principal_name, SYNC_ACCOUNT.password)
        super().__init__(files, LOOPBACK, LOOPBACK, account, reactor)
        self.configuration = work / "gateway.yaml"
        self._gateway_files = make_certificates(work, "gateway")
        self._gateway: Gateway | None = None
        self._records: list[Record] = []
        self._audited: Callable[[Record], None] = self._records.append

    async def start(self) -> None:
        await super().start()
        write_configuration(self.configuration, self._gateway_files, self.directory)
        settings = load_configuration(self.configuration).settings
        self._gateway = Gateway(settings, self._audit, SizesInMemory(), self._reactor)
        self._gateway.start()

    async def stop(self) -> None:
        if self._gateway is not None:
            await self._gateway.stop()
        await super().stop()

    @property
    def gateway(self) -> Place:
        if self._gateway is None:
            raise RuntimeError("the gateway has not been started")
        return Place(LOOPBACK, self._gateway.ports[0], LOOPBACK, self._gateway_files.ca_file)

    async def _take_records(self) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        found = tuple(self._records)
        self._records.clear()
        return found, ()

    async def _follow(self, audited: Callable[[Record], None]) -> None:
        self._audited = audited
        await Deferred()

    def _audit(self, record: AuditRecord) -> None:
        self._audited(audit_object(record, filter_values=False, now=time.time()))
