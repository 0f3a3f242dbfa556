"""Work that waits for something in a thread of its own, and that does not hold up the end of the process.

The reactor's own threads are waited for at its end; a lookup in a DNS that swallows packets would delay it by seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.net.transport.reactor import Reactor

Result = TypeVar("Result")


def in_daemon_thread(reactor: Reactor, work: Callable[[], Result], name: str) -> Deferred[Result]:
    """The result of the work, or its exception, on the reactor's thread.

    Cancelling gives up the result; the thread runs on until the work ends, so the work must have a time limit.
    """
    cancelled = False

    def cancel(_: Deferred[Result]) -> None:
        nonlocal cancelled
        cancelled = True

    result: Deferred[Result] = Deferred(cancel)

    def deliver(found: Result | Failure) -> None:
        if not cancelled:
            result.callback(found)

    def run() -> None:
        try:
            found: Result | Failure = work()
        except Exception:  # noqa: BLE001 - whoever waits gets it
            found = Failure()
        reactor.callFromThread(partial(deliver, found))

    Thread(target=run, name=name, daemon=True).start()
    return result
