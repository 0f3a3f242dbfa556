"""python -m bench.attacks KIND PORT SECONDS [COUNT]: one attack on a gateway of 127.0.0.1, as a process of its own.

Prints a line once it is under way, and at its end what became of it, as JSON. It ends by itself.
"""

import contextlib
import itertools
import json
import os
import random
import selectors
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bench.wire import Scanner
from tests.hostile import octets
from tests.hostile.from_clients import FAMILIES

# Connections that are opened within a second, where nothing else is said.
_PACE = 500
_PATIENCE = 20.0
# Where the sync comes from.
OWN = "127.0.0.1"
# Seconds until the connections from there are more than one source may have.
_FILLING = 5.0
# Seconds that those have that are many before they count as under way.
GETTING_READY = 60.0


def _sources(first: int) -> Iterator[str]:
    """Addresses that the gateway's client may come from, twenty of them, in turn."""
    return itertools.cycle(f"127.0.0.{first + number}" for number in range(20))


class _Pace:
    """Lets so many attempts a second pass; what was missed is not made up for."""

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._due = time.monotonic()

    def wait(self) -> None:
        now = time.monotonic()
        self._due = max(self._due + self._step, now - 0.1)
        if self._due > now:
            time.sleep(self._due - now)


def _open(port: int, source: str, *, waits: bool = True) -> socket.socket:
    """waits: until the connection is there."""
    plain = socket.socket()
    try:
        plain.bind((source, 0))
        plain.settimeout(_PATIENCE if waits else 0)
        with contextlib.suppress(BlockingIOError):
            plain.connect(("127.0.0.1", port))
    except OSError:
        plain.close()
        raise
    return plain


def _context() -> ssl.SSLContext:
    # An attacker does not care whom it talks to.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Held:
    """Connections that are kept open, and opened again where the gateway closed them. rate: of opening, a second."""

    def __init__(self, count: int, open_one: Callable[[], socket.socket], rate: int = _PACE) -> None:
        self._count = count
        self._open_one = open_one
        self._rate = rate
        self._waiting = selectors.DefaultSelector()
        self._open: set[socket.socket] = set()
        self.outcome: Counter[str] = Counter()

    def begin(self) -> None:
        """Opens all of them, as far as the time for that goes."""
        self._fill(time.monotonic() + GETTING_READY)
        print("under way", flush=True)

    def hold(self, seconds: float) -> None:
        """So long, opening again what is closed."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._drop_closed(min(left, 0.2))
            self._fill(until)

    def send(self, data: bytes) -> None:
        """To all of them."""
        for each in list(self._open):
            try:
                each.send(data)
            except OSError:
                self._drop(each)

    def _fill(self, until: float) -> None:
        pace = _Pace(self._rate)
        while len(self._open) < self._count and time.monotonic() < until:
            pace.wait()
            try:
                opened = self._open_one()
            except OSError:
                self.outcome["refused"] += 1
                continue
            opened.setblocking(False)
            self._open.add(opened)
            self._waiting.register(opened, selectors.EVENT_READ, opened)
            self.outcome["opened"] += 1
            self.outcome["most at once"] = max(self.outcome["most at once"], len(self._open))
            self._drop_closed(0)

    def _drop_closed(self, seconds: float) -> None:
        for key, _ in self._waiting.select(seconds):
            opened: socket.socket = key.data
            try:
                if opened.recv(65_536):
                    continue
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except OSError:
                pass
            self._drop(opened)

    def _drop(self, closed: socket.socket) -> None:
        self._open.discard(closed)
        self._waiting.unregister(closed)
        closed.close()
        self.outcome["closed by the gateway"] += 1


def silent(port: int, seconds: float, count: int) -> Counter[str]:
    """So many connections that never send an octet."""
    sources = _sources(20)
    held = _Held(count, lambda: _open(port, next(sources), waits=False))
    held.begin()
    held.hold(seconds)
    return held.outcome


def own(port: int, seconds: float, rate: int) -> Counter[str]:
    """So many connections a second from the sync's own address, that stay: without an octet, with half a hello of TLS,
    and with TLS and nothing behind it, in turn."""
    context = _context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    hello = outgoing.read()

    def begin_hello() -> socket.socket:
        connection = _open(port, OWN)
        connection.sendall(hello[: len(hello) // 2])
        return connection

    def be_silent_in_tls() -> socket.socket:
        return context.wrap_socket(_open(port, OWN))

    kinds: Iterator[Callable[[], socket.socket]] = itertools.cycle(
        (lambda: _open(port, OWN), begin_hello, be_silent_in_tls)
    )
    # The gateway closes some, and as many more come: there are never so many at once.
    held = _Held(rate * 3600, lambda: next(kinds)(), rate)
    held.hold(_FILLING)
    print("under way", flush=True)
    held.hold(seconds)
    return held.outcome


def loris(port: int, seconds: float, count: int) -> Counter[str]:
    """So many sessions over TLS that send a bind request by single octets, 5 seconds apart."""
    sources = _sources(60)
    context = _context()
    held = _Held(count, lambda: context.wrap_socket(_open(port, next(sources))))
    held.begin()
    until = time.monotonic() + seconds
    for octet in itertools.chain(b"\x30\x82\x01\x00\x02\x01\x01\x60\x82", itertools.repeat(1)):
        held.send(bytes([octet]))
        held.hold(min(5, until - time.monotonic()))
        if time.monotonic() >= until:
            break
    return held.outcome


def unlisted(port: int, seconds: float, rate: int) -> Counter[str]:
    """So many connections a second from addresses that no client has."""

    def open_one() -> socket.socket:
        source = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        return _open(port, source, waits=False)

    # None stays open for long, so that this many are never reached.
    held = _Held(10 * rate, open_one, rate)
    print("under way", flush=True)
    held.hold(seconds)
    return held.outcome


def hostile(port: int, seconds: float, count: int) -> Counter[str]:
    """The tests' hostile octets from clients, at random, on so many connections, ten a second on each."""
    outcome: Counter[str] = Counter()
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_insist, args=(port, until, number, outcome)) for number in range(count)]
    for thread in threads:
        thread.start()
    print("under way", flush=True)
    for thread in threads:
        thread.join()
    return outcome


def _insist(port: int, until: float, number: int, outcome: Counter[str]) -> None:
    chance = random.Random(number)
    cases = [case for family in FAMILIES.values() for _, case, _ in family]
    context = _context()
    pace = _Pace(10)
    while time.monotonic() < until:
        try:
            with context.wrap_socket(_open(port, f"127.0.0.{100 + number % 20}")) as connection:
                # Some of them are answered by silence, and some end the connection.
                connection.settimeout(0.05)
                while time.monotonic() < until:
                    pace.wait()
                    connection.sendall(chance.choice(cases))
                    outcome["sent"] += 1
                    with contextlib.suppress(TimeoutError):
                        if not connection.recv(65_536):
                            break
        except OSError:
            outcome["connections lost"] += 1
            pace.wait()


# In each name of 1,000 characters and more as much as can be is left open: quotes, backslashes, types that may be none.
_HARD = ('o="\\\\&" "",', "x=\u00e9\\\\,\\&+", 'x="\\5c&"+', 'a=" \\\\&",')
_SUFFIX = ",OU=Staff,DC=corp,DC=example"
# Of names that are as long as a bind may be, and fold to something much longer.
_LONG = (f"CN={chr(0xFDFA) * 2700}{_SUFFIX}", f"CN={'a, ' * 2700}{_SUFFIX}", "cn=\u00e9," * 98 + "dc=x")
_PIPELINED = 200


def hard(port: int, seconds: float, count: int) -> Counter[str]:
    """Binds with names that are hard to read, 200 at a time on each of so many connections."""
    names = ((unit * 1024)[: 1024 - len(_SUFFIX)] + _SUFFIX for unit in _HARD)
    return _pipelined(port, seconds, count, [octets.bind(name) for name in names])


def long(port: int, seconds: float, count: int) -> Counter[str]:
    """Binds with names of 8 kB, likewise."""
    return _pipelined(port, seconds, count, [octets.bind(name) for name in _LONG])


def short(port: int, seconds: float, count: int) -> Counter[str]:
    """Searches for the root DSE, which the gateway answers itself, likewise."""
    return _pipelined(port, seconds, count, [octets.search(base="", scope=octets.enumerated(0))])


def _pipelined(port: int, seconds: float, count: int, requests: list[bytes]) -> Counter[str]:
    outcome: Counter[str] = Counter()
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_pipeline, args=(port, until, i, requests, outcome)) for i in range(count)]
    for thread in threads:
        thread.start()
    print("under way", flush=True)
    for thread in threads:
        thread.join()
    return outcome


def _pipeline(port: int, until: float, number: int, requests: list[bytes], outcome: Counter[str]) -> None:
    batch = b"".join(requests[i % len(requests)] for i in range(_PIPELINED))
    context = _context()
    while time.monotonic() < until:
        try:
            with context.wrap_socket(_open(port, f"127.0.0.{100 + number % 20}")) as connection:
                scanner = Scanner()
                while time.monotonic() < until:
                    connection.sendall(batch)
                    answered = 0
                    while answered < _PIPELINED and time.monotonic() < until:
                        received = connection.recv(65_536)
                        if not received:
                            raise ConnectionResetError
                        answered += len(scanner.feed(received))
                    outcome["answered"] += answered
        except OSError:
            outcome["connections lost"] += 1
            time.sleep(0.1)


ATTACKS: dict[str, Callable[[int, float, int], Counter[str]]] = {
    each.__name__: each for each in (silent, own, loris, unlisted, hostile, hard, long, short)
}


def main() -> None:
    # Attackers sit elsewhere: what they cost the gateway is wanted, not what they take of its processors.
    os.nice(10)
    kind, port, seconds, count = sys.argv[1], *map(int, sys.argv[2:5])
    outcome = ATTACKS[kind](port, seconds, count)
    print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
