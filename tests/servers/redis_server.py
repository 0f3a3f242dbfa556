"""A Redis server in a directory of its own, on a free port of loopback."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest
import redis

from tests.servers.gateway_process import PATIENCE, free_port

PASSWORD = "Redis-Passw0rd-SECRET"


class RedisServer:
    """Serves from the constructor on; leaving the context kills it and removes its files.

    password: "" for none. arguments: further ones of redis-server, such as --appendonly yes.
    """

    def __init__(self, *arguments: str, password: str = PASSWORD) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("needs a Redis server: apt-get install redis-server")
        self._program = program
        self._made = tempfile.TemporaryDirectory(prefix="redis-")
        self.directory = Path(self._made.name)
        self._arguments = arguments
        self.password = password
        self.port = free_port()
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._made.cleanup()

    @property
    def url(self) -> str:
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it again on the port that it had."""
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        places = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        places += ["--unixsocket", str(self.directory / "socket"), "--save", ""]
        asked = ["--requirepass", self.password] if self.password else []
        output = self.directory / "output"
        with output.open("w") as file:
            process = subprocess.Popen(
                [self._program, *places, *asked, *self._arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        until = time.monotonic() + PATIENCE
        while "Ready to accept connections" not in output.read_text():
            assert process.poll() is None and time.monotonic() < until, output.read_text()
            time.sleep(0.01)
        return process

    def client(self) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, password=self.password or None, socket_timeout=PATIENCE)

    def contents(self) -> str:
        """Every key and every value, as one text."""
        with self.client() as client:
            found = []
            for key in client.scan_iter():
                kind = client.type(key)
                found.append((key, client.get(key) if kind == b"string" else client.zrange(key, 0, -1)))
            return repr(found)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
