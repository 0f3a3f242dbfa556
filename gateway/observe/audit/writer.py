"""The audit's thread: lines wait for it in a bounded queue, so that no output can hold the gateway up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from time import monotonic, time
from typing import Final, TypeAlias

from twisted.logger import LogLevel

from gateway.host.system_errors import system_error
from gateway.net.transport.failures import explain_error
from gateway.observe.audit.health import AuditHealth
from gateway.observe.audit.line import AuditLine
from gateway.observe.audit.output import Output, RecordTooLong

# Octets that the thread takes out of the queue at once.
_BATCH: Final = 2**18

# Seconds between two attempts on an output that refuses, and in which one write takes what comes: under load, waking
# the thread costs the reactor more than a record does.
RETRY_PAUSE: Final = 1.0
COLLECT: Final = 0.05

# Seconds between two lines in the log about the same trouble.
_SAY_AGAIN: Final = 60.0


@dataclass(slots=True)
class Loss:
    """Records that could not be kept, one after another. first, last: when they came, in seconds since the epoch."""

    count: int
    first: float
    last: float
    why: str


LossLine: TypeAlias = Callable[[Loss], AuditLine]


class AuditWriter:
    """The thread that writes audit records, and what waits for it.

    health: what it has come to. Methods are called on one thread, the reactor's, and none waits but close().

    A record that finds no room is lost, and so is every later one until half of the queue is free; in their place a
    line says how many they were. Nothing that is in the queue is ever thrown away for something newer.
    """

    def __init__(
        self,
        output: Output,
        limit: int,
        loss_line: LossLine,
        say: Callable[[LogLevel, str], None],
        retry: float = RETRY_PAUSE,
    ) -> None:
        """limit: octets that may wait; one record may wait whatever it has. loss_line: the line that stands for lost
        records. say: takes lines for the log; called on any thread."""
        self.limit = limit
        self.health = AuditHealth(output.name)
        self._output = output
        self._loss_line = loss_line
        self._say = say
        self._retry = retry
        # Entered for each record: by itself, without the method of Python that a Condition has for that.
        self._mutex = Lock()
        self._lock = Condition(self._mutex)
        self._queue: deque[AuditLine | Loss] = deque()
        # What the thread has taken and not written yet; no other thread touches it.
        self._taken: deque[AuditLine] = deque()
        self._idle = False
        self._called = False
        self._closing = False
        self._given_up = False
        # Lines that were put, or are dealt with; a reopening waits for those that were put before it.
        self._put = 0
        self._done = 0
        self._reopen_after: int | None = None
        self._reopen_calls = 0
        self._reopen_at = 0.0
        self._reopen_problem = ""
        self._next_output: Output | None = None
        self._said: dict[str, float] = {}
        self._worker = Thread(target=self._run, name="audit", daemon=True)
        self._worker.start()

    def put(self, line: AuditLine) -> None:
        size = len(line.octets)
        health, queue = self.health, self._queue
        with self._mutex:
            last = queue[-1] if queue else None
            losing = isinstance(last, Loss)
            waiting = health.waiting
            kept = not waiting or waiting + size <= (self.limit // 2 if losing else self.limit)
            if kept:
                queue.append(line)
                health.waiting = waiting + size
                self._put += 1
            else:
                self._lose(line, last)
            if self._idle:
                self._lock.notify()
        if not kept:
            self._say_rarely(LogLevel.critical, f"{self.health.lost} records are lost so far: {self._why()}", "lost")

    def reopen(self) -> None:
        """Once what was put before is written, or cannot be."""
        with self._lock:
            self._reopen_after = self._put
            self._reopen_calls += 1
            self._reopen_at = 0.0
            self._call()

    def replace(self, output: Output) -> None:
        """Everything that is not written yet goes there."""
        with self._lock:
            if self._next_output is not None:
                self._next_output.close()
            self._next_output = output
            self._call()

    def close(self, patience: float) -> int:
        """Writes what is in the queue, for so many seconds. Returns how many records were left unwritten."""
        with self._lock:
            self._closing = True
            self._call()
        self._worker.join(patience)
        with self._lock:
            self._given_up = True
            self._call()
            return self._put - self._done

    def _call(self) -> None:
        """Something is asked of the thread, which holds the lock while it looks."""
        self._called = True
        self._lock.notify()

    def _lose(self, line: AuditLine, last: AuditLine | Loss | None) -> None:
        self.health.lost += 1
        if isinstance(last, Loss):
            last.count += 1
            last.last = line.time
            last.why = self.health.problem or last.why
        else:
            self._queue.append(Loss(1, line.time, line.time, self._why()))

    def _why(self) -> str:
        return self.health.problem or f"{self.health.output} takes too little"

    # The thread.

    def _run(self) -> None:
        while self._await_work():
            self._change_output()
            problem = self._write()
            self._reopen_if_due(bool(problem))
            self._tell(problem or self._reopen_problem)
            self._pause(bool(problem))
        self._output.close()

    def _await_work(self) -> bool:
        """False where the thread is to end. What it is to write is in _taken afterwards."""
        with self._lock:
            self._idle = True
            self._lock.wait_for(
                lambda: self._taken or self._queue or self._called or self._closing,
                None if self._reopen_after is None else self._retry,
            )
            self._idle = False
            # All that was asked so far is looked at from here on; what is asked later ends the pause.
            self._called = False
            size = sum(len(line.octets) for line in self._taken)
            while self._queue and size < _BATCH:
                line = self._queue.popleft()
                if isinstance(line, Loss):
                    line = self._loss_line(line)
                    self._put += 1
                    self.health.waiting += len(line.octets)
                self._taken.append(line)
                size += len(line.octets)
            return not self._given_up and bool(self._taken or not self._closing)

    def _pause(self, failing: bool) -> None:
        with self._lock:
            if failing:
                self._lock.wait_for(lambda: self._called, self._retry / 10 if self._closing else self._retry)
            else:
                self._lock.wait_for(lambda: self._called or self.health.waiting >= _BATCH, COLLECT)

    def _change_output(self) -> None:
        with self._lock:
            output, self._next_output = self._next_output, None
            if output is None:
                return
            old, self._output = self._output, output
            self.health.output = output.name
            self._reopen_after, self._reopen_problem = None, ""
        old.close()

    def _write(self) -> str:
        """What went wrong, "" where nothing did."""
        if not self._taken:
            return ""
        before, octets = len(self._taken), sum(len(line.octets) for line in self._taken)
        problem, too_long = "", 0
        self.health.writing_since = time()
        while self._taken and not problem:
            try:
                self._output.write(self._taken)
            except RecordTooLong:
                line = self._taken.popleft()
                self._taken.appendleft(self._loss_line(Loss(1, line.time, line.time, "longer than may be sent")))
                too_long += 1
            except (OSError, ValueError) as error:
                # ValueError: a host's name that cannot be one.
                problem = f"{self._output.name}: {_trouble(error)}"
        self.health.writing_since = None
        with self._lock:
            done = before - len(self._taken)
            self._done += done
            self.health.written += done
            self.health.lost += too_long
            self.health.waiting -= octets - sum(len(line.octets) for line in self._taken)
        if too_long:
            self._say_rarely(LogLevel.critical, f"{self._output.name} cannot take records that long: they are lost")
        return problem

    def _reopen_if_due(self, failing: bool) -> None:
        with self._lock:
            after, calls = self._reopen_after, self._reopen_calls
            if after is None or (self._done < after and not failing) or monotonic() < self._reopen_at:
                return
        try:
            self._output.reopen()
        except OSError as error:
            self._reopen_at = monotonic() + self._retry
            self._reopen_problem = (
                f"{self._output.name}: cannot be opened anew: {system_error(error)}; "
                "records go on to where they went, wherever that is now"
            )
            return
        with self._lock:
            # The file may have been moved once more in the meantime.
            if self._reopen_calls == calls:
                self._reopen_after = None
            # What failed before may succeed now.
            self._called = self._called or failing
        self._reopen_problem = ""
        self._say(LogLevel.info, f"audit: {self._output.name}: {self._output.reopened}")

    def _tell(self, problem: str) -> None:
        had, self.health.problem = self.health.problem, problem
        if problem and problem != had:
            self._say_rarely(LogLevel.error, problem)
        elif had and not problem:
            self._say_rarely(LogLevel.warn, f"{self._output.name}: takes records again")

    def _say_rarely(self, level: LogLevel, text: str, about: str = "") -> None:
        """An output may fail and recover many times in a second. about: what texts that differ have in common."""
        now = monotonic()
        said = self._said.get(about or text)
        if said is None or now - said >= _SAY_AGAIN:
            self._said[about or text] = now
            self._say(level, f"audit: {text}")


def _trouble(error: OSError | ValueError) -> str:
    """Why records cannot be written, in words."""
    return explain_error(error) if isinstance(error, OSError) else "the name of its host is none"
