"""A DNS server on loopback, of twisted.names, in a process of its own; its zone may change while it runs.

`python -m tests.net.dns_server ZONE` answers what the JSON file ZONE holds and prints its port.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class DnsServer:
    """Serves from the constructor on; leaving the context kills it."""

    def __init__(self, directory):
        self._zone = directory / "zone.json"
        self.set()
        command = [sys.executable, "-m", "tests.net.dns_server", self._zone]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT)
        self.port = int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self._process.stdout.close()

    @property
    def resolver(self):
        return f"127.0.0.1:{self.port}"

    def set(self, srv=None, a=None, ttl=600):
        """srv: by name, lists of (priority, weight, port, target). a: addresses by name. ttl: seconds, of all."""
        replaced = self._zone.with_suffix(".new")
        replaced.write_text(json.dumps({"srv": srv or {}, "a": a or {}, "ttl": ttl}))
        replaced.replace(self._zone)

    def kill(self):
        self._process.kill()
        self._process.wait(30)


def serve(zone):
    from twisted.internet import defer, reactor
    from twisted.names import common, dns, error, server

    class Authority(common.ResolverBase):
        def _lookup(self, name, cls, kind, timeout):
            known = json.loads(zone.read_text())
            asked = name.decode().lower()
            if asked not in {*known["srv"], *known["a"]}:
                return defer.fail(error.DNSNameError(asked))
            found = []
            if kind == dns.SRV:
                named = known["srv"].get(asked, [])
                found = [dns.Record_SRV(*numbers, target.encode(), known["ttl"]) for *numbers, target in named]
            elif kind == dns.A:
                found = [dns.Record_A(each, known["ttl"]) for each in known["a"].get(asked, [])]
            headers = [dns.RRHeader(name, kind, dns.IN, known["ttl"], record, auth=True) for record in found]
            return defer.succeed((headers, [], []))

    factory = server.DNSServerFactory(clients=[Authority()])
    factory.noisy = False
    tcp = reactor.listenTCP(0, factory, interface="127.0.0.1")
    port = tcp.getHost().port
    reactor.listenUDP(port, dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
    print(port, flush=True)
    reactor.run()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
