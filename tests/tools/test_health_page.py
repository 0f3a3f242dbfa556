"""What `ldap-gateway health` asks and says: against the gateway's own page, and against all else that may answer."""

import contextlib
import json
import random
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from gateway.ask.health_page import ask_health
from gateway.cli import main
from gateway.config.admin import ADMIN_ADDRESS, admin_address
from gateway.config.models import Admin
from gateway.host.system_errors import REFUSED
from tests.config.certificates import write_pair

# Seconds for what takes a fraction of one; a loaded machine gets that long before a test fails.
PATIENCE = 30


@contextlib.contextmanager
def answering(octets):
    """A server that answers one request with these octets and closes; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve():
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.settimeout(10)
                connection.recv(4096)
                connection.sendall(octets)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join(10)


def page(status, body):
    return f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def written(directory, text):
    path = directory / "gateway.yaml"
    path.write_text(text)
    return path


@pytest.mark.servers
def test_a_running_gateway_is_healthy_until_it_has_stopped(tmp_path):
    write_pair(tmp_path)
    # An address of its own, so that the port, free a moment ago, is still so.
    host = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
    with socket.create_server((host, 0)) as server:
        address = f"{host}:{server.getsockname()[1]}"
    config = written(
        tmp_path,
        f"""
        listeners: [{{address: "{host}:0", certificate: gateway.pem, private_key: gateway.key}}]
        directories:
          corp: {{servers: ["ldaps://{host}"], ca_file: gateway.pem, naming_contexts: ["DC=corp,DC=example"]}}
        clients:
          mimecast:
            sources: ["{host}"]
            directory: corp
            sync_accounts: [sync@corp.example]
            base_dns: ["DC=corp,DC=example"]
            attributes: [mail]
        admin: {{address: "{address}"}}
        """,
    )
    gateway = subprocess.Popen([sys.executable, "-m", "gateway", "run", "-c", config], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while not (health := ask_health(address)).serving:
            assert gateway.poll() is None and time.monotonic() < until, health.said
            time.sleep(0.02)
        assert json.loads(health.said)["status"] == "ok"
        gateway.terminate()
        assert gateway.wait(PATIENCE) == 0
    finally:
        gateway.kill()
        gateway.wait(PATIENCE)
    assert not ask_health(address).serving


def test_what_the_page_says_is_printed_as_it_is():
    with answering(page(200, '{"status": "ok", "compiled": true}\n')) as address:
        found = CliRunner().invoke(main, ["health", "--address", address])
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"status": "ok", "compiled": True}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (page(503, '{"status": "stopping"}'), '{"status": "stopping"}'),
        (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "not HTTP"),
        (b"", "closed connection"),
    ],
    ids=["stopping", "LDAP", "closed"],
)
def test_any_other_answer_is_not_healthy(answer, said):
    with answering(answer) as address:
        found = CliRunner().invoke(main, ["health", "--address", address])
    assert found.exit_code == 1
    assert said in found.stderr
    assert not found.stdout


def test_nobody_there_and_nobody_who_answers_are_said_and_not_healthy():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        silent = ask_health(address, patience=0.1)
    gone = ask_health(address)
    assert (silent.serving, silent.said) == (
        False,
        f"{address}: no answer in time: a firewall that drops packets, or a host that is down?",
    )
    assert (gone.serving, gone.said) == (
        False,
        f"{address}: {REFUSED}",
    )


@pytest.mark.parametrize("address", ["127.0.0.1:http", "127.0.0.1:70000", "[::1"])
def test_what_is_no_address_is_said(address):
    health = ask_health(address)
    assert not health.serving
    assert health.said.startswith(f"{address}: an address and a port are expected")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("listeners: []\n", ADMIN_ADDRESS),
        ("admin: {}\n", ADMIN_ADDRESS),
        ('admin: {address: "127.0.0.2:9000"}\n', "127.0.0.2:9000"),
        ("admin: null\n", None),
        # Files that a running gateway refuses to load.
        ('admin: {address: "127.0.0.2:9000", adress: 1}\nunknown: 1\n', "127.0.0.2:9000"),
        ("admin: [\n", ADMIN_ADDRESS),
        ("admin: 8389\n", ADMIN_ADDRESS),
        ("- admin\n", ADMIN_ADDRESS),
    ],
)
def test_the_address_is_the_one_of_the_configuration(tmp_path, text, address):
    assert admin_address(written(tmp_path, text)) == address


def test_without_a_file_it_is_the_default_that_the_configuration_has(tmp_path):
    assert admin_address(tmp_path / "none.yaml") == Admin().address


def test_the_configured_address_is_asked_and_none_is_an_error_that_names_the_key(tmp_path):
    with answering(page(200, "{}")) as address:
        config = written(tmp_path, f'admin: {{address: "{address}"}}\n')
        assert CliRunner().invoke(main, ["health", "-c", config]).exit_code == 0
    found = CliRunner().invoke(main, ["health", "-c", written(tmp_path, "admin: null\n")])
    assert found.exit_code == 1
    assert "admin: null" in found.stderr


class UnreadyGateway(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.encode()
        self.send_response(503 if self.path == "/readyz" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_gateway_may_serve_and_not_be_ready():
    with HTTPServer(("127.0.0.1", 0), UnreadyGateway) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        asked = [CliRunner().invoke(main, ["health", *more, "--address", address]) for more in ([], ["--ready"])]
        server.shutdown()
    assert [(one.exit_code, one.output.strip()) for one in asked] == [(0, "/healthz"), (1, "/readyz")]
