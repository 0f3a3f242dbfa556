"""Connections that say nothing, from the address that the service comes from: its syncs stay whole."""

import contextlib
import itertools
import socket
import ssl
import threading
import time

import pytest

from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE
from tests.servers.sync_client import connect, sync
from tests.servers.test_slapd import ACCOUNT, ATTRIBUTES, BASES, gateway_configuration

# A connection more in so many seconds, at most: a sign-in has 250 times as long before it would lose its place.
PAUSE = 0.02
SYNCS = 3


def nothing(address):
    return socket.create_connection(address, PATIENCE)


def unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# Made once: the attack is not slowed down by its own work.
CONTEXT = unverified()


def half_a_hello(address):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        CONTEXT.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    hello = outgoing.read()
    connection = nothing(address)
    connection.sendall(hello[: len(hello) // 2])
    return connection


def silence_behind_tls(address):
    return CONTEXT.wrap_socket(nothing(address))


class Attack(threading.Thread):
    """Opens one connection after another and closes none, until it is stopped; begun: more of them than one source
    may have."""

    def __init__(self, port, open_one, limit):
        super().__init__()
        self._address = ("127.0.0.1", port)
        self._open_one = open_one
        self._limit = limit
        self._stopped = threading.Event()
        self.begun = threading.Event()
        self.opened = 0

    def run(self):
        with contextlib.ExitStack() as held:
            for number in itertools.count(1):
                with contextlib.suppress(OSError):
                    held.enter_context(self._open_one(self._address))
                    self.opened = number
                if number > self._limit:
                    self.begun.set()
                if self._stopped.wait(PAUSE if number > self._limit else 0):
                    return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self.join()


@pytest.mark.parametrize("kind", [nothing, half_a_hello, silence_behind_tls])
def test_a_sync_from_the_same_address_is_whole(certificates, slapd, start_gateway, kind):
    # No clock ends a silent connection before the places are full, however slow the machine is.
    clocks = {"tls_handshake": 600, "first_request": 600, "unbound": 600}
    running = start_gateway(gateway_configuration(certificates, slapd, admin={"address": "127.0.0.1:0"}, limits=clocks))

    def found():
        connection = connect("127.0.0.1", running.port, certificates.ca_file, *ACCOUNT)
        assert connection.result["description"] == "success"
        try:
            return sync(connection, BASES, ATTRIBUTES)
        finally:
            connection.unbind()

    undisturbed = found()
    assert len(undisturbed) > 500
    with Attack(running.port, kind, 250) as attack:
        assert attack.begun.wait(4 * PATIENCE)
        for _ in range(SYNCS):
            assert found() == undisturbed
        until = time.monotonic() + PATIENCE
        while samples(running.admin_port)["ldap_gateway_refusals_total", "", "displaced"] == 0:
            # The attack goes on: the places fill up, however slow the machine is.
            assert time.monotonic() < until
            time.sleep(0.05)
    # One line for the address, however many there were.
    assert len([line for line in running.log().splitlines() if "displaced:" in line]) <= 2
    assert "Traceback" not in running.log()
