"""The life of the process: load, start, signals, stop."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from functools import partial
from pathlib import Path
from typing import IO, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel

from gateway.config.load import Configuration, load_configuration
from gateway.config.problems import ConfigurationError
from gateway.ldap import COMPILED
from gateway.net.descriptors import make_room
from gateway.net.listening import StartError
from gateway.net.reactor import Reactor
from gateway.net.settings import GatewaySettings
from gateway.observe.audit import AuditLog
from gateway.observe.log import begin_logging
from gateway.service import Gateway
from gateway.state.sizes import SizeMemory, SizesInMemory, SizesOnDisk, StateError

log = Logger()
installed_reactor = cast(Reactor, _reactor)

EXIT_OK = 0
EXIT_CONFIGURATION = 2


def run(config: Path) -> int:
    """Serves the configuration until SIGTERM or SIGINT; returns the exit status.

    2: the configuration, a certificate, an address, the audit file or state_dir cannot be used; every reason is on
    standard error.
    """
    try:
        configuration = load_configuration(config)
        process = _Process(config, configuration.settings)
        process.start()
    except (ConfigurationError, StartError, StateError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION
    finally:
        # What is there now stays: no later search for garbage needs to look at it. The command line stopped that
        # search for the time of the start.
        gc.freeze()
        gc.enable()
    begin_logging()
    process.started(configuration)
    installed_reactor.run(installSignalHandlers=False)
    return EXIT_OK


class _Process:
    def __init__(self, path: Path, settings: GatewaySettings) -> None:
        self._path = path
        self._audit_file = settings.audit_file
        self._audit = AuditLog(_open_audit(settings.audit_file), settings.audit_filter_values)
        self._state_dir = settings.state_dir
        self._sizes = _open_sizes(settings.state_dir)
        self._gateway = Gateway(settings, self._audit.write, self._sizes, installed_reactor)
        self._stopping = False

    def start(self) -> None:
        self._gateway.start()

    def started(self, configuration: Configuration) -> None:
        for name, action in (("SIGTERM", self._stop), ("SIGINT", self._stop), ("SIGHUP", self._reload)):
            number = getattr(signal, name)
            # Python's handler runs between two bytecodes of whatever happens to run; the reactor's turn is safe.
            signal.signal(
                number,
                lambda *_, action=action: installed_reactor.callFromThread(action),
            )
        self._log_warnings(configuration)
        log.info("codec: {kind}", kind="compiled" if COMPILED else "not compiled (slower)")
        self._log_listeners()
        if self._gateway.admin_url is not None:
            log.info("status page: {url}", url=self._gateway.admin_url)
        log.info("ready")

    def _log_warnings(self, configuration: Configuration) -> None:
        for warning in (*configuration.warnings, make_room(configuration.settings.connections.sessions)):
            if warning is not None:
                log.warn("{warning}", warning=warning)

    def _log_listeners(self) -> None:
        for listener in self._gateway.describe_listeners():
            log.info("listening on {listener}", listener=listener)

    def _reload(self) -> None:
        if self._stopping:
            return
        try:
            configuration = load_configuration(self._path)
            self._gateway.reload(configuration.settings)
        except (ConfigurationError, StartError) as error:
            for line in str(error).splitlines():
                log.error("{line}", line=line)
            log.error("reload refused: the configuration from before stays in force")
            self._gateway.ledger.reload_ended(False)
            return
        self._gateway.ledger.reload_ended(True)
        self._audit.filter_values = configuration.settings.audit_filter_values
        if configuration.settings.audit_file != self._audit_file:
            log.warn("audit.file has changed: it is used from the next start on")
        if configuration.settings.state_dir != self._state_dir:
            log.warn("state_dir has changed: it is used from the next start on")
        self._log_warnings(configuration)
        self._log_listeners()
        log.info("reloaded: new sessions are served by the new configuration")

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        log.info("stopping: open operations may finish")
        stopping: Deferred[None] = self._gateway.stop()
        stopping.addBoth(self._stopped)

    def _stopped(self, _result: object) -> None:
        self._sizes.close()
        log.info("stopped")
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        installed_reactor.stop()


def _open_sizes(state_dir: Path | None) -> SizeMemory:
    if state_dir is None:
        return SizesInMemory()

    def say(level: LogLevel, text: str) -> None:
        # It comes from the writer's thread, or before the reactor runs and logging has begun.
        installed_reactor.callFromThread(partial(log.emit, level, "{text}", text=text))

    return SizesOnDisk(
        state_dir,
        failed=partial(say, LogLevel.error),
        recovered=lambda: say(LogLevel.warn, f"state_dir {state_dir}: can be used again, nothing is lost"),
        begun_anew=partial(say, LogLevel.critical),
    )


def _open_audit(path: Path | None) -> IO[str]:
    if path is None:
        return sys.stdout
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise StartError(f"audit.file {path}: {error.strerror}") from None
