"""When the process has no file descriptors left."""

import contextlib
import json
import resource
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.ldap.messages import BASE_OBJECT
from tests.net.test_admitted_connections import root_dse
from tests.net.test_listener import CLIENT
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer
from tests.skips import KernelFeature

pytestmark = pytest.mark.servers

SCRIPT = """
import resource, sys
from gateway.net.transport.descriptors import make_room
soft, hard, sessions = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(make_room(sessions))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def make_room(soft, hard, sessions):
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, (soft, hard, sessions))], capture_output=True, text=True, check=True
    )
    said, limit = ran.stdout.splitlines()
    return said, int(limit)


def test_the_soft_limit_is_raised_to_what_is_needed_and_no_further():
    assert make_room(100, 600, 200) == ("None", 464)
    assert make_room(500, 600, 200) == ("None", 500)


def test_a_hard_limit_that_is_too_low_is_told_with_what_to_do():
    said, limit = make_room(100, 300, 200)
    assert limit == 300
    assert "limits.sessions" in said and "LimitNOFILE" in said and "464" in said


def test_accepting_goes_on_once_there_are_descriptors_again(certificates, server_certificates, tmp_path):
    with StubServer(server_certificates) as server:
        client = {**CLIENT, "sources": ["127.0.0.0/8"]}
        config = configuration(certificates, server.gateway_directory(), client, limits={"tls_handshake": 60})
        with GatewayProcess(tmp_path, config) as gateway, RawClient(gateway.port, certificates.ca_file) as before:
            assert root_dse(before) == 0
            used = len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))
            room = used + 8
            resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (room, room))
            with contextlib.ExitStack() as silent:
                flood = [
                    silent.enter_context(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE))
                    for _ in range(40)
                ]
                # Those for whom no descriptor was left are closed at once, so that none waits without an end.
                flood[-1].settimeout(PATIENCE)
                with contextlib.suppress(ConnectionResetError):
                    assert flood[-1].recv(1) == b""
                assert root_dse(before) == 0
                # The session that is open cannot have a server connection now, and hears so.
                assert before.bind("svc@corp.example", "Passw0rd") == 52
            assert gateway.process.poll() is None
            until = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError), RawClient(gateway.port, certificates.ca_file) as after:
                    assert after.bind("svc@corp.example", "Passw0rd") == 0
                    break
                assert time.monotonic() < until, "nothing is accepted any more"
                time.sleep(0.05)


def test_sessions_over_many_reloads_hold_two_descriptors_each(certificates, server_certificates, tmp_path):
    reloads = 50
    with StubServer(server_certificates) as server:
        client = {**CLIENT, "sources": ["127.0.0.0/8"]}
        directory = server.gateway_directory()
        # The gateway shows a certificate of its own, so that each reload reads that as well.
        directory |= {"client_certificate": {"certificate": str(certificates.certificate)}}
        directory["client_certificate"]["private_key"] = str(certificates.private_key)
        config = configuration(certificates, directory, client)
        with GatewayProcess(tmp_path, config) as gateway, contextlib.ExitStack() as opened:

            def used():
                return len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))

            before = used()
            for _ in range(reloads):
                session = opened.enter_context(RawClient(gateway.port, certificates.ca_file))
                assert session.bind("svc@corp.example", "Passw0rd") == 0
                assert "reloaded" in gateway.reload(config)
            assert used() - before <= 2 * reloads


def test_a_connection_for_whose_tls_no_descriptor_is_left_is_closed_with_a_word_in_the_log(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with GatewayProcess(tmp_path, configuration(certificates, directory, CLIENT)) as gateway:

        def connect():
            plain = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
            return context.wrap_socket(plain, server_hostname="localhost")

        # The next one gets a context of its own, and files in memory for it.
        with connect():
            used = len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))
            _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (used + 1, hard))
            with pytest.raises(OSError):
                connect()
            assert f"{certificates.certificate}: this process has as many" in gateway.wait_for("tls-failed")
            resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
            with connect():
                pass
        assert "Traceback" not in gateway.log()


def test_a_start_that_cannot_have_enough_says_so(certificates, tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if not 0 < hard < 2**31:
        KernelFeature.open_files.skip()
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    config = json.loads(configuration(certificates, directory, CLIENT))
    config["limits"] = {"sessions": hard}
    with GatewayProcess(tmp_path, json.dumps(config)) as gateway:
        assert "LimitNOFILE" in gateway.log()
        with RawClient(gateway.port, certificates.ca_file) as client:
            assert client.result(client.search("", scope=BASE_OBJECT))[1].code == 0
