"""python -m bench.delay PORT SECONDS: a way to a port of 127.0.0.1 that takes so long in each direction.

For measurements of what a distance costs, where the kernel has no netem. It prints its own port and serves until it is
ended. The kernel takes its connections at once, so what a client sends first is held for the round trip that TCP's own
handshake takes over such a distance. It drops nothing, reorders nothing and limits no rate.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Queue

from bench.compiled import ROOT
from bench.servers import stopped

_READ = 256 * 1024
# Reads that are on their way in one direction at most.
_MOST = 256


@dataclass(frozen=True)
class Delay:
    """A running one. pid: of its process."""

    port: int
    pid: int


@contextmanager
def delayed(port: int, seconds: float) -> Iterator[Delay]:
    """seconds: in each direction."""
    command = [sys.executable, "-m", "bench.delay", str(port), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Delay(int(process.stdout.readline()), process.pid)
        finally:
            stopped(process)


def _serve(port: int, seconds: float) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            near, _ = listening.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for connection in (near, far):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _pass_on(near, far, seconds, 2 * seconds)
            _pass_on(far, near, seconds, 0)


def _pass_on(source: socket.socket, target: socket.socket, seconds: float, first: float) -> None:
    """first: by how much the first octets are later than others."""
    waiting: Queue[tuple[float, bytes]] = Queue(_MOST)
    threading.Thread(target=_take, args=(source, waiting, seconds, first), daemon=True).start()
    threading.Thread(target=_give, args=(target, waiting), daemon=True).start()


def _take(source: socket.socket, waiting: "Queue[tuple[float, bytes]]", seconds: float, first: float) -> None:
    began = time.monotonic()
    data = b"."
    while data:
        try:
            data = source.recv(_READ)
        except OSError:
            data = b""
        # The end comes as octets do.
        waiting.put((max(time.monotonic(), began + first) + seconds, data))


def _give(target: socket.socket, waiting: "Queue[tuple[float, bytes]]") -> None:
    with suppress(OSError):
        while True:
            due, data = waiting.get()
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
    # Nobody takes it any more; whoever sends must not wait.
    target.close()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]))
