"""HAProxy with the configuration that the project ships, before gateways on loopback."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.servers.gateway_process import PATIENCE, free_port

CONFIGURATION = Path(__file__).parents[2] / "docker" / "haproxy" / "haproxy.cfg"
LISTENS = ":::1636 v4v6"
GATEWAYS = ("172.30.64.11:1636", "172.30.64.12:1636")


def haproxy_program() -> str:
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("needs HAProxy: apt-get install haproxy")
    return program


class HAProxy:
    """Of the shipped configuration nothing is replaced but addresses. ports: of the gateways. It listens on port of
    loopback; leaving the context kills it."""

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        program = haproxy_program()
        self.port = free_port()
        text = CONFIGURATION.read_text()
        for shipped, here in zip((LISTENS, *GATEWAYS), (self.port, *ports), strict=True):
            assert text.count(shipped) == 1
            text = text.replace(shipped, f"127.0.0.1:{here}")
        configuration = directory / "haproxy.cfg"
        configuration.write_text(text)
        self._output = directory / "haproxy.log"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [program, "-db", "-f", configuration], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            until = time.monotonic() + PATIENCE
            while not self._listens():
                assert self.process.poll() is None and time.monotonic() < until, self.log()
                time.sleep(0.02)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def log(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        """Until its log has it."""
        until = time.monotonic() + PATIENCE
        while text not in self.log():
            assert self.process.poll() is None and time.monotonic() < until, self.log()
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)

    def _listens(self) -> bool:
        try:
            # From an address that is nobody's: it gets to a gateway.
            socket.create_connection(("127.0.0.1", self.port), PATIENCE, source_address=("127.0.4.1", 0)).close()
        except ConnectionRefusedError:
            return False
        return True
