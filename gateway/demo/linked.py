"""The stage of `demo --link`: a gateway inside before the directory, which calls one outside."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.demo.certificates import make_certificates
from gateway.demo.configuration import AGENT, MAPPED_ACCOUNT, write_inside, write_outside
from gateway.demo.gateway_process import GatewayProcess
from gateway.demo.marks import MemoryUnreadable, held_by, marks_of, unknown_outside
from gateway.demo.people import SYNC_ACCOUNT
from gateway.demo.place import LOOPBACK, Place
from gateway.demo.proof import Claim
from gateway.demo.stage import Account, Stage
from gateway.demo.steps import Record
from gateway.demo.waiting import pause
from gateway.link.keys import write_pair
from gateway.net.sessions.secret_hash import hash_secret
from gateway.net.transport.reactor import Reactor

# Of the directory: where nothing else of the demo is, so that it can be told from all other addresses; and a name that
# the directory keeps to itself as its root DSE does.
HOST: Final = "127.83.69.67"
NAME: Final = "secret-dc1.demo.example"

# What the service has in place of the account's password, which stays inside.
SECRET: Final = b"demo-secret-of-the-service"

# Seconds between two looks at the audit while the demo serves.
_FOLLOW: Final = 0.1


class LinkedStage(Stage):
    """A gateway outside, one inside, and the directory; each gateway is a process of its own.

    work: an existing directory for the files of all three; the caller removes it.
    """

    described = "behind a gateway inside, which calls the one outside, each a process of its own"

    def __init__(self, work: Path, reactor: Reactor) -> None:
        self._outside_files, self._inside_files = work / "outside", work / "inside"
        self._outside_files.mkdir()
        self._inside_files.mkdir()
        files = make_certificates(self._inside_files, "directory", (NAME,))
        super().__init__(files, HOST, NAME, Account(MAPPED_ACCOUNT, SECRET), reactor)
        self._gateway_files = make_certificates(self._outside_files, "gateway")
        self.configuration = self._outside_files / "gateway.yaml"
        self.inside_configuration: Path = self._inside_files / "gateway.yaml"
        self._outside = GatewayProcess("the gateway outside", self.configuration, reactor)
        self._inside = GatewayProcess("the gateway inside", self.inside_configuration, reactor)

    async def start(self) -> None:
        await super().start()
        self._write_files(f"{LOOPBACK}:{free_port()}")
        await self._outside.start()
        await self._inside.start()
        await self._outside.said(f"agent {AGENT} is here")

    async def stop(self) -> None:
        for gateway in (self._outside, self._inside):
            gateway.end()
        for gateway in (self._outside, self._inside):
            await gateway.ended()
        await super().stop()

    @property
    def gateway(self) -> Place:
        return Place(LOOPBACK, self._outside.port, LOOPBACK, self._gateway_files.ca_file)

    def claims(self) -> tuple[Claim, ...]:
        marks = marks_of(self.directory, str(SYNC_ACCOUNT.dn), SYNC_ACCOUNT.password)
        try:
            outside = held_by(self._outside.pid, self._outside_files, marks)
            inside = held_by(self._inside.pid, self._inside_files, marks)
        except MemoryUnreadable as error:
            return (Claim("unknown outside", False, str(error)),)
        return (unknown_outside(outside, inside, marks),)

    async def _take_records(self) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        return await self._outside.all_records(), await self._inside.all_records()

    async def _follow(self, audited: Callable[[Record], None]) -> None:
        while True:
            for record in self._outside.records():
                audited(record)
            self._outside.look()
            self._inside.look()
            await pause(_FOLLOW, self._reactor)

    def _write_files(self, address: str) -> None:
        """Does what two administrators would: each end's keys are made there, and its certificate goes to the other."""
        now = datetime.now(UTC)
        outside = write_pair(self._outside_files, "outside", now)
        inside = write_pair(self._inside_files, AGENT, now)
        theirs = Path(shutil.copy(inside.certificate, self._outside_files))
        ours = Path(shutil.copy(outside.certificate, self._inside_files))
        password = self._inside_files / "account.password"
        password.touch(mode=0o600)
        password.write_bytes(SYNC_ACCOUNT.password)
        hashed = hash_secret(SECRET)
        write_outside(self.configuration, self._gateway_files, address, outside, theirs, hashed)
        write_inside(self.inside_configuration, self.directory, address, inside, ours, hashed, password)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now. Where another program takes it first, the gateway's start says so."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])
