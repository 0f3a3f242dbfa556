"""A reactor's turns, taken by the test: calls from threads as they come, timers when the test says so."""

import time
from functools import partial
from queue import Empty, Queue

PATIENCE = 30


class _Timer:
    def __init__(self, delay, call):
        self.delay = delay
        self.call = call

    def active(self):
        return self.call is not None

    def cancel(self):
        assert self.active()
        self.call = None


class Turns:
    def __init__(self):
        self._calls = Queue()
        self._timers = []

    def callFromThread(self, call):
        self._calls.put(call)

    def callLater(self, delay, call, *arguments):
        self._timers = [timer for timer in self._timers if timer.active()]
        self._timers.append(_Timer(delay, partial(call, *arguments)))
        return self._timers[-1]

    def running(self, delay):
        """How many timers of that length run."""
        return sum(timer.active() and timer.delay == delay for timer in self._timers)

    def expire(self, delay):
        """Calls what timers of that length are for."""
        for timer in [timer for timer in self._timers if timer.active() and timer.delay == delay]:
            if timer.active():
                call, timer.call = timer.call, None
                call()

    def until(self, reached):
        """Takes turns until something is so."""
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end
            try:
                self._calls.get(timeout=0.05)()
            except Empty:
                continue
