"""The life of the process: load, start, signals, stop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from secrets import token_bytes
from time import time

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel

from gateway.compilation import compilation
from gateway.config.load import Configuration, load_configuration
from gateway.config.on_disk import FilesOnDisk
from gateway.config.problems import ConfigurationError
from gateway.config.settings import GatewaySettings
from gateway.host.system_errors import system_error
from gateway.net.listeners.inherited import InheritedSocket
from gateway.net.listeners.listening import StartError
from gateway.net.transport.descriptors import make_room
from gateway.net.transport.event_loop import reactor
from gateway.observe.audit.log import AuditError, AuditLog
from gateway.observe.log import begin_logging
from gateway.serve.service import Gateway
from gateway.serve.systemd import ServiceManager
from gateway.serve.wanted import Wanted
from gateway.state.in_force import InForce, forget_in_force, write_in_force
from gateway.state.sizes import SizeMemory, SizesInMemory, SizesOnDisk
from gateway.state.state_dir import StateError
from gateway.state.state_lock import StateInUse, StateLock

log = Logger(__name__)

EXIT_OK = 0
EXIT_CONFIGURATION = 2
# EX_TEMPFAIL of sysexits.h. The unit in systemd/ starts a gateway again that ends with anything but 2.
EXIT_STATE_IN_USE = 75

# What a stop may take besides drain_timeout, in seconds.
STOP_MARGIN = 10.0

# What it takes besides drain_timeout where nothing is wrong: so long a start waits for a gateway that is stopping.
STOP_USUALLY = 2.0


def run(config: Path, inherited: tuple[InheritedSocket, ...] = ()) -> int:
    """Serves the configuration until SIGTERM or SIGINT; returns the exit status.

    inherited: listening sockets that systemd passes. 2: the configuration, a certificate, an address, one of these
    sockets, the audit file or state_dir cannot be used; every reason is on standard error. 75: another gateway has
    the state_dir, and had it still when drain_timeout was over.
    """
    try:
        manager = ServiceManager(os.environ, os.getpid())
        on_disk = FilesOnDisk(config)
        configuration = load_configuration(config)
        process = _Process(config, configuration.settings, manager, inherited)
        process.start()
    except (ConfigurationError, StartError, StateError, AuditError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION
    except StateInUse as error:
        print(error, file=sys.stderr)
        return EXIT_STATE_IN_USE
    finally:
        # What is there now stays: no later search for garbage needs to look at it. The command line stopped that
        # search for the time of the start.
        gc.freeze()
        gc.enable()
    begin_logging()
    process.started(configuration, on_disk)
    reactor.run(installSignalHandlers=False)
    return EXIT_OK


class _Process:
    def __init__(
        self,
        path: Path,
        settings: GatewaySettings,
        manager: ServiceManager,
        inherited: tuple[InheritedSocket, ...],
    ) -> None:
        self._path = path
        self._manager = manager
        self._state_dir = settings.state_dir
        # First: until another gateway has ended, its files and addresses are its own.
        self._lock = None if settings.state_dir is None else self._lock_state_dir(settings.state_dir, settings)
        self._audit = AuditLog(settings.audit, _say)
        self._sizes = _open_sizes(settings.state_dir)
        self._gateway = Gateway(
            settings,
            self._audit.write,
            self._sizes,
            reactor,
            self._audit.sync_ended,
            self._audit.guard_changed,
            self._audit.link_changed,
            inherited,
        )
        self._gateway.ledger.audit = self._audit.health
        self._stopping = False

    def _lock_state_dir(self, state_dir: Path, settings: GatewaySettings) -> StateLock:
        patience = settings.drain_timeout + STOP_USUALLY

        def waits(text: str) -> None:
            print(text, file=sys.stderr, flush=True)
            self._manager.waiting(text, patience + STOP_MARGIN)
            # The first process of a container is ended by no signal that it does not ask for.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: sys.exit(EXIT_OK))

        lock = StateLock(state_dir, patience, waits)
        if lock.missing:
            _say(LogLevel.warn, lock.missing)
        return lock

    def start(self) -> None:
        self._gateway.start()

    def started(self, configuration: Configuration, on_disk: FilesOnDisk) -> None:
        for name, action in (
            ("SIGTERM", self._stop),
            ("SIGINT", self._stop),
            ("SIGHUP", self._reload),
            ("SIGUSR1", self._audit.reopen),
        ):
            number = getattr(signal, name)
            # Python's handler runs between two bytecodes of whatever happens to run; the reactor's turn is safe.
            signal.signal(number, Wanted(action, reactor.callFromThread).ask)
        self._log_warnings(configuration)
        self._log_compilation()
        self._log_listeners()
        if self._gateway.admin_url is not None:
            log.info("status page: {url}", url=self._gateway.admin_url)
        log.info("ready")
        self._manager.ready(self._serving())
        self._show_life()
        self._watch_files(configuration, on_disk)
        self._write_in_force(configuration)

    def _watch_files(self, configuration: Configuration, on_disk: FilesOnDisk) -> None:
        """The status page and the metrics say when these differ from what is in force."""
        on_disk.named_in(configuration.file, configuration.path.parent)
        self._gateway.ledger.files_changed = on_disk.changed

    def _write_in_force(self, configuration: Configuration) -> None:
        """For `check --diff`; without it the gateway does its work as well."""
        if self._state_dir is None:
            return
        key = token_bytes()
        record = InForce(
            version("ldap-gateway"), str(configuration.path), time(), key.hex(), configuration.effective(key)
        )
        try:
            write_in_force(self._state_dir, record)
        except OSError as error:
            text = "state_dir {path}: `check --diff` cannot tell what is in force: {error}"
            log.warn(text, path=self._state_dir, error=system_error(error))
            forget_in_force(self._state_dir)

    def _serving(self) -> str:
        """For `systemctl status`."""
        return f"serving {', '.join([*self._gateway.describe_listeners(), *self._gateway.describe_links()])}"

    def _show_life(self) -> None:
        """Tells systemd that the gateway lives, as long as the event loop turns."""
        if self._manager.watchdog_step is not None:
            self._manager.alive()
            reactor.callLater(self._manager.watchdog_step, self._show_life)

    def _log_warnings(self, configuration: Configuration) -> None:
        for warning in (*configuration.warnings, make_room(configuration.settings.connections.sessions)):
            if warning is not None:
                log.warn("{warning}", warning=warning)

    def _log_compilation(self) -> None:
        found = compilation()
        say = log.info if found.compiled else log.warn
        say("this installation is {said}", said=found.said)

    def _log_listeners(self) -> None:
        for listener in self._gateway.describe_listeners():
            log.info("listening on {listener}", listener=listener)
        for link in self._gateway.describe_links():
            log.info("{link}", link=link)

    def _reload(self) -> None:
        if self._stopping:
            return
        # Whatever becomes of the rest: it may be that a file was renamed.
        self._audit.reopen()
        self._manager.reloading()
        try:
            said = self._load()
        except Exception:  # noqa: BLE001 - a mistake of our own must not leave a reload that nobody hears the end of
            log.failure("a reload failed")
            said = self._refused()
        self._manager.ready(said)

    def _load(self) -> str:
        """What has come of it, in words."""
        try:
            on_disk = FilesOnDisk(self._path)
            configuration = load_configuration(self._path)
            audit = self._audit.prepare(configuration.settings.audit)
            try:
                self._gateway.reload(configuration.settings)
            except BaseException:
                audit.discard()
                raise
        except (ConfigurationError, StartError, AuditError) as error:
            for line in str(error).splitlines():
                log.error("{line}", line=line)
            return self._refused()
        self._gateway.ledger.reload_ended(True)
        self._audit.use(audit)
        self._look_at_state_dir(configuration.settings.state_dir)
        self._log_warnings(configuration)
        self._log_listeners()
        log.info("reloaded: new sessions are served by the new configuration")
        self._watch_files(configuration, on_disk)
        self._write_in_force(configuration)
        return self._serving()

    def _look_at_state_dir(self, state_dir: Path | None) -> None:
        """Tells in the log what a new configuration's state_dir means. The directory from the start stays locked and in
        use; the log says now whether the next start can have the new one."""
        if state_dir == self._state_dir or _same_directory(state_dir, self._state_dir):
            return
        log.warn("state_dir has changed: it is used from the next start on")
        if state_dir is None:
            return
        try:
            StateLock(state_dir, 0, lambda text: None).release()
        except (StateError, StateInUse) as error:
            log.warn("{error}", error=error)

    def _refused(self) -> str:
        said = "reload refused: the configuration from before stays in force"
        log.error(said)
        self._gateway.ledger.reload_ended(False)
        return said

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        log.info("stopping: open operations may finish")
        self._manager.stopping("stopping: open operations may finish", self._gateway.drain_timeout + STOP_MARGIN)
        stopping: Deferred[None] = self._gateway.stop()
        stopping.addBoth(self._stopped)

    def _stopped(self, _result: object) -> None:
        self._sizes.close()
        if self._state_dir is not None:
            forget_in_force(self._state_dir)
        if self._lock is not None:
            self._lock.release()
        left = self._audit.close()
        if left:
            log.critical("audit: {left} records could not be written before the end", left=left)
        log.info("stopped")
        reactor.stop()


def _say(level: LogLevel, text: str) -> None:
    """Logs from any thread, and before the reactor runs and logging has begun."""
    reactor.callFromThread(partial(log.emit, level, "{text}", text=text))


def _same_directory(one: Path | None, other: Path | None) -> bool:
    try:
        return one is not None and other is not None and one.samefile(other)
    except OSError:
        return False


def _open_sizes(state_dir: Path | None) -> SizeMemory:
    if state_dir is None:
        return SizesInMemory(lost=partial(_say, LogLevel.critical))
    return SizesOnDisk(
        state_dir,
        failed=partial(_say, LogLevel.error),
        recovered=lambda: _say(LogLevel.warn, f"state_dir {state_dir}: can be used again, nothing is lost"),
        lost=partial(_say, LogLevel.critical),
    )
