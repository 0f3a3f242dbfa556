"""The audit as the gateway sees it: records go in, and nothing comes back that could hold it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

from twisted.logger import LogLevel

from gateway.host.file_errors import unwritable
from gateway.link.observer import LinkEvent
from gateway.net.transport.failures import explain_error
from gateway.observe.audit.health import AuditHealth
from gateway.observe.audit.line import MOST_OCTETS, AuditLine, audit_line
from gateway.observe.audit.output import FileOutput, Output, StandardOutput
from gateway.observe.audit.record_line import record_line
from gateway.observe.audit.records import guard_object, link_object, lost_object, sync_object
from gateway.observe.audit.settings import AuditSettings
from gateway.observe.audit.syslog import SyslogHeader, syslog_output
from gateway.observe.audit.writer import RETRY_PAUSE, AuditWriter, Loss
from gateway.observe.sync_runs import SyncRun
from gateway.relay.audit import AuditRecord
from gateway.state.guards import GuardChange

# Seconds that the end of the process waits for what is not written yet.
CLOSE_PATIENCE = 5.0


class AuditError(Exception):
    """Records cannot be written as configured; the text begins with the key."""


@dataclass(frozen=True, slots=True)
class AuditChange:
    """What AuditLog.prepare made. output: None where it stays the same."""

    settings: AuditSettings
    output: Output | None

    def discard(self) -> None:
        if self.output is not None:
            self.output.close()


class AuditLog:
    """Makes a line of each record on the caller's thread; a thread of its own writes it.

    The settings can be changed in two steps, so that a reload that fails elsewhere changes nothing here.
    """

    def __init__(
        self,
        settings: AuditSettings,
        say: Callable[[LogLevel, str], None],
        clock: Callable[[], float] = time,
        retry: float = RETRY_PAUSE,
    ) -> None:
        """say: takes lines for the log; called on any thread. clock: seconds since the epoch. retry: seconds between
        two attempts on an output that refuses. Raises AuditError."""
        self._clock = clock
        self._settings = settings
        self._most = _most(settings)
        self._writer = AuditWriter(_open(settings), settings.buffer, self._loss_line, say, retry)

    @property
    def health(self) -> AuditHealth:
        return self._writer.health

    def write(self, record: AuditRecord) -> None:
        settings = self._settings
        self._writer.put(record_line(record, settings.filter_values, settings.format, self._clock(), self._most))

    def sync_ended(self, run: SyncRun) -> None:
        self._writer.put(self._line(sync_object(run)))

    def guard_changed(self, change: GuardChange) -> None:
        self._writer.put(self._line(guard_object(change, self._clock())))

    def link_changed(self, event: LinkEvent) -> None:
        self._writer.put(self._line(link_object(event, self._clock())))

    def reopen(self) -> None:
        self._writer.reopen()

    def prepare(self, settings: AuditSettings) -> AuditChange:
        """Opens what is needed for these settings. Raises AuditError."""
        old = self._settings
        same = (settings.file, settings.syslog) == (old.file, old.syslog)
        return AuditChange(settings, None if same else _open(settings))

    def use(self, change: AuditChange) -> None:
        self._settings = change.settings
        self._most = _most(change.settings)
        self._writer.limit = change.settings.buffer
        if change.output is not None:
            self._writer.replace(change.output)

    def close(self, patience: float = CLOSE_PATIENCE) -> int:
        """Writes what waits, for so many seconds. Returns how many records were left."""
        return self._writer.close(patience)

    def _line(self, shown: dict[str, Any]) -> AuditLine:
        return audit_line(shown, self._settings.format, self._clock(), self._most)

    def _loss_line(self, loss: Loss) -> AuditLine:
        return self._line(lost_object(loss.count, loss.first, loss.last, loss.why))


def _open(settings: AuditSettings) -> Output:
    if settings.syslog is not None:
        try:
            return syslog_output(settings.syslog)
        except OSError as error:
            raise AuditError(f"audit.syslog.ca_file {settings.syslog.ca_file}: {explain_error(error)}") from None
    if settings.file is None:
        return StandardOutput()
    try:
        return FileOutput(settings.file)
    except OSError as error:
        raise AuditError(f"audit.file {settings.file}: {unwritable(settings.file, error)}") from None


def _most(settings: AuditSettings) -> int:
    """Octets that a line may have."""
    if settings.syslog is None:
        return MOST_OCTETS
    return settings.syslog.message_octets - SyslogHeader(settings.syslog.facility).most
