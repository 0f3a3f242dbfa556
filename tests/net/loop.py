"""A reactor of one's own: real sockets and timers, turned by the test."""

import socket
import time
from collections.abc import Callable

from gateway.net.transport.twisted_internals import EventLoop

PATIENCE = 30.0


class Loop(EventLoop):
    def until(self, true: Callable[[], object]) -> None:
        """Turns until it is true. Fails where that takes longer than PATIENCE."""
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, "it does not come"
            self.iterate(0.01)

    def settle(self) -> None:
        """Everything that is ready and due now is done."""
        for _ in range(5):
            self.iterate(0)


def connected_sockets() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname(), PATIENCE)
        other, _ = listening.accept()
    other.settimeout(PATIENCE)
    return one, other
