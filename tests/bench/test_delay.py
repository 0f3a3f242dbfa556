"""The distance that measurements of the link are made over."""

import socket
import threading
import time

import pytest

from bench.delay import delayed

pytestmark = pytest.mark.servers

ONE_WAY = 0.05


def echo(listening):
    connection, _ = listening.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.sendall(b"the end")


def test_octets_take_their_time_both_ways_and_come_whole_and_in_order():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=echo, args=(listening,), daemon=True).start()
        with (
            delayed(listening.getsockname()[1], ONE_WAY) as delay,
            socket.create_connection(("127.0.0.1", delay.port)) as near,
        ):
            near.settimeout(30)
            took = []
            for _ in range(2):
                began = time.monotonic()
                near.sendall(b"x")
                assert near.recv(1) == b"x"
                took.append(time.monotonic() - began)
            # Nothing comes sooner than that, however fast or slow the machine is; the first waits for TCP as well.
            assert took[0] >= 3 * ONE_WAY + ONE_WAY * 0.9 and took[1] >= 2 * ONE_WAY
            sent = bytes(range(256)) * 4000
            threading.Thread(target=lambda: (near.sendall(sent), near.shutdown(socket.SHUT_WR)), daemon=True).start()
            received = b""
            while data := near.recv(65536):
                received += data
            assert received == sent + b"the end"
