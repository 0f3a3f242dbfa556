"""The life of the demo's process: stage, sync, report, and with `serve` until a signal."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from gateway.config.problems import ConfigurationError
from gateway.demo.connection import ConnectionFailed
from gateway.demo.gateway_process import GatewayFailed
from gateway.demo.stage import Stage
from gateway.demo.steps import Record
from gateway.demo.sync import Report, SimulatedSync
from gateway.host.file_errors import file_trouble
from gateway.ldap.errors import DecodeError
from gateway.link.keys import KeyProblem
from gateway.net.listeners.listening import StartError, listen_failure
from gateway.net.transport.event_loop import reactor
from gateway.net.transport.reactor import Reactor
from gateway.observe.log import begin_logging

log = Logger(__name__)

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1

# A closed terminal ends the demo too, so that it leaves no files behind.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_FAILURES: Final = (
    CannotListenError,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    GatewayFailed,
    KeyProblem,
    OSError,
    StartError,
)

StageMaker: TypeAlias = Callable[[Path, Reactor], Stage]


class Reporter(Protocol):
    """What the demo has to say, in one form of output."""

    def opening(self, stage: Stage) -> None: ...
    def report(self, report: Report) -> None: ...
    def not_serving(self) -> None: ...
    def serving(self, stage: Stage) -> None: ...
    def audited(self, record: Record) -> None: ...
    def stopping(self) -> None: ...


def run(reporter: Reporter, stage: StageMaker, serve: bool) -> int:
    """Runs the demo and returns the exit status: 0 where everything that it claims holds.

    stage: makes what the demo runs with, in a directory for its files. serve: stays up afterwards until SIGINT, SIGTERM
    or SIGHUP. Everything that it wrote is removed at the end.
    """
    begin_logging(LogLevel.warn)
    show = _Show(reporter, stage, serve)
    # Before there are files that a signal could leave behind.
    for number in _SIGNALS:
        # Python's handler runs between two bytecodes of whatever happens to run; the reactor's turn is safe.
        signal.signal(number, lambda *_: reactor.callFromThread(show.stop))
    with tempfile.TemporaryDirectory(prefix="ldap-gateway-demo-") as work:
        reactor.callLater(0, show.begin, Path(work))
        reactor.run(installSignalHandlers=False)
    return show.status


class _Show:
    def __init__(self, reporter: Reporter, stage: StageMaker, serve: bool) -> None:
        self.status = EXIT_FAILED
        self._reporter = reporter
        self._stage = stage
        self._serve = serve
        self._stopping = False
        self._running: Deferred[None] | None = None

    def begin(self, work: Path) -> None:
        self._running = Deferred.fromCoroutine(self._run(work))
        self._running.addErrback(self._failed).addBoth(lambda _: reactor.stop())
        if self._stopping:
            self._running.cancel()

    def stop(self) -> None:
        """Ends the demo; what it has begun is put away first."""
        if self._running is not None and not self._stopping:
            self._running.cancel()
        self._stopping = True

    async def _run(self, work: Path) -> None:
        stage = self._stage(work, reactor)
        try:
            await stage.start()
            self._reporter.opening(stage)
            report = await SimulatedSync(stage, reactor).run()
            self._reporter.report(report)
            if self._serve:
                await self._until_stopped(stage)
            else:
                self._reporter.not_serving()
            self.status = EXIT_OK if report.holds else EXIT_FAILED
        finally:
            await stage.stop()

    async def _until_stopped(self, stage: Stage) -> None:
        self._reporter.serving(stage)
        try:
            await stage.serve(self._audited)
        except CancelledError:
            self._reporter.stopping()

    def _audited(self, record: Record) -> None:
        try:
            self._reporter.audited(record)
        except OSError:
            # Nobody reads the output any more.
            self.stop()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is not None:
            print("ldap-gateway demo: interrupted", file=sys.stderr)
        elif failure.check(*_FAILURES) is not None:
            print(f"ldap-gateway demo: {_words(failure.value)}", file=sys.stderr)
        else:
            log.failure("ldap-gateway demo", failure)


def _words(error: BaseException | None) -> str:
    if isinstance(error, CannotListenError):
        return listen_failure(error, str(error.interface), int(error.port))
    return file_trouble(error) if isinstance(error, OSError) else str(error)
