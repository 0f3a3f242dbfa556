"""Ports of loopback that do what servers should not."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from tests.skips import KernelFeature


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel drops each further one like a firewall."""
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(20):
            each = waiting.enter_context(socket.socket())
            each.settimeout(0.2)
            try:
                each.connect(listening.getsockname())
            except TimeoutError:
                break
        else:
            KernelFeature.small_backlog.skip()
        yield listening.getsockname()[1]


@contextlib.contextmanager
def serving(reply: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port where reply takes each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError), listening.accept()[0] as connection:
                connection.settimeout(20)
                reply(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(30)
