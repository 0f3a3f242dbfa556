"""A reactor's turns, taken by the test: calls from threads as they come, timers when the test says so."""

import time
from collections.abc import Callable
from functools import partial
from queue import Empty, Queue

PATIENCE = 30


class _Timer:
    def __init__(self, delay: float, call: Callable[[], object]) -> None:
        self.delay = delay
        self.call: Callable[[], object] | None = call

    def active(self) -> bool:
        return self.call is not None

    def cancel(self) -> None:
        assert self.active()
        self.call = None


class Turns:
    def __init__(self) -> None:
        self._calls: Queue[Callable[[], object]] = Queue()
        self._timers: list[_Timer] = []

    def callFromThread(self, call: Callable[[], object]) -> None:
        self._calls.put(call)

    def callLater(self, delay: float, call: Callable[..., object], *arguments: object) -> _Timer:
        self._timers = [timer for timer in self._timers if timer.active()]
        self._timers.append(_Timer(delay, partial(call, *arguments)))
        return self._timers[-1]

    def running(self, delay: float) -> int:
        """How many timers of that length run."""
        return sum(timer.active() and timer.delay == delay for timer in self._timers)

    def expire(self, delay: float) -> None:
        """Calls what timers of that length are for."""
        for timer in [timer for timer in self._timers if timer.active() and timer.delay == delay]:
            call, timer.call = timer.call, None
            if call is not None:
                call()

    def until(self, reached: Callable[[], object]) -> None:
        """Takes turns until something is so."""
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end
            try:
                self._calls.get(timeout=0.05)()
            except Empty:
                continue
