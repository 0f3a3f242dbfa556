"""A DNS server on loopback, of twisted.names, in a process of its own; its zone may change while it runs.

`python -m tests.net.dns_server ZONE` answers what the JSON file ZONE holds and prints its port.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class DnsServer:
    """Serves from the constructor on; leaving the context kills it."""

    def __init__(self, directory: Path) -> None:
        self._zone = directory / "zone.json"
        self.set()
        command = [sys.executable, "-m", "tests.net.dns_server", str(self._zone)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self.port = int(self._output.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._output.close()

    @property
    def resolver(self) -> str:
        return f"127.0.0.1:{self.port}"

    def set(
        self,
        srv: Mapping[str, Sequence[tuple[int, int, int, str]]] | None = None,
        a: Mapping[str, Sequence[str]] | None = None,
        ttl: int = 600,
    ) -> None:
        """srv: by name, lists of (priority, weight, port, target). a: addresses by name. ttl: seconds, of all."""
        replaced = self._zone.with_suffix(".new")
        replaced.write_text(json.dumps({"srv": srv or {}, "a": a or {}, "ttl": ttl}))
        replaced.replace(self._zone)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)


def serve(zone: Path) -> None:
    from twisted.internet import defer, reactor
    from twisted.names import common, dns, error, server

    class Authority(common.ResolverBase):
        def _lookup(self, name: bytes, cls: int, kind: int, timeout: object) -> defer.Deferred[Any]:
            known = json.loads(zone.read_text())
            asked = name.decode().lower()
            if asked not in {*known["srv"], *known["a"]}:
                return defer.fail(error.DNSNameError(asked))
            found: list[Any] = []
            if kind == dns.SRV:
                named = known["srv"].get(asked, [])
                found = [
                    dns.Record_SRV(priority, weight, port, target.encode(), known["ttl"])
                    for priority, weight, port, target in named
                ]
            elif kind == dns.A:
                found = [dns.Record_A(each, known["ttl"]) for each in known["a"].get(asked, [])]
            headers = [dns.RRHeader(name, kind, dns.IN, known["ttl"], record, auth=True) for record in found]
            return defer.succeed((headers, [], []))

    # Twisted's resolvers have no types, and its interfaces are declared in a way that mypy cannot read.
    authority: Any = Authority
    untyped: Any = reactor
    factory = server.DNSServerFactory(clients=[authority()])
    factory.noisy = False
    tcp = untyped.listenTCP(0, factory, interface="127.0.0.1")
    port = tcp.getHost().port
    untyped.listenUDP(port, dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
    print(port, flush=True)
    untyped.run()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
