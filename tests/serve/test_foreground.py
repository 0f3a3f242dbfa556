"""The process as an administrator meets it: what it says when it cannot start, and how it stops."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path

import pytest

import gateway
from gateway.ask.client import Disconnection
from gateway.compilation import compilation
from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from tests.observe.admin_client import get, samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds

pytestmark = pytest.mark.servers

ACCOUNT = ("svc@corp.example", "Passw0rd")
BASE = "DC=corp,DC=example"
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": [BASE], "attributes": ["cn"]}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"), "gateway")


def unreachable(certificates):
    return {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}


def line_of(text, key):
    return next(number for number, line in enumerate(text.splitlines(), 1) if f'"{key}"' in line)


def run(path, text=None):
    """Exit status and standard error of a `run` that is expected to end by itself."""
    if text is not None:
        path.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "-c", path], capture_output=True, text=True, timeout=PATIENCE
    )
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


# Starting.


def test_a_port_in_use(certificates, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        text = configuration(certificates, unreachable(certificates), CLIENT)
        status, said = run(tmp_path / "gateway.yaml", text.replace("127.0.0.1:0", address))
        assert status == 2
        remedy = "end that program, or choose another port"
        here = f"process {os.getpid()} ({Path('/proc/self/comm').read_text().strip()}) listens on {address}"
        assert said == f"listener {address}: another program has this port: {here}; {remedy}\n"
        text = configuration(certificates, unreachable(certificates), CLIENT, admin={"address": address})
        status, said = run(tmp_path / "gateway.yaml", text)
        assert status == 2
        assert said == f"admin.address {address}: another program has this port: {here}; {remedy}\n"


def test_an_address_that_is_not_ours(certificates, tmp_path):
    text = configuration(certificates, unreachable(certificates), CLIENT).replace("127.0.0.1:0", "192.0.2.1:0")
    status, said = run(tmp_path / "gateway.yaml", text)
    assert status == 2
    assert said.startswith("listener 192.0.2.1:0: no interface of this host has this address")


def test_an_audit_file_that_cannot_be_written(certificates, tmp_path):
    text = configuration(certificates, unreachable(certificates), CLIENT, audit={"file": "missing/audit.jsonl"})
    status, said = run(tmp_path / "gateway.yaml", text)
    assert status == 2
    assert said == f"audit.file {tmp_path}/missing/audit.jsonl: cannot be written: {tmp_path}/missing is not there\n"


@pytest.mark.parametrize(
    "key, name, octets, words",
    [
        ("listeners.0.certificate", "gateway.pem", None, "cannot be read: there is no such file"),
        ("listeners.0.certificate", "gateway.pem", b"nothing\n", "no certificate in PEM in it"),
        ("listeners.0.private_key", "gateway.key", None, "cannot be read: there is no such file"),
        ("listeners.0.private_key", "gateway.key", b"nothing\n", "not a private key in PEM"),
        ("directories.corp.ca_file", "gateway-ca.pem", b"", "no certificate in PEM in it"),
    ],
)
def test_a_file_that_is_missing_or_unusable(tmp_path, key, name, octets, words):
    files = make_certificates(tmp_path, "gateway")
    if octets is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(octets)
    text = configuration(files, unreachable(files), CLIENT)
    status, said = run(tmp_path / "gateway.yaml", text)
    assert status == 2
    line = line_of(text, key.rpartition(".")[2])
    assert said == f"{tmp_path}/gateway.yaml:{line}: {key}: {tmp_path}/{name}: {words}\n"


def test_a_key_of_another_certificate_and_an_expired_certificate(certificates, tmp_path):
    other = make_certificates(tmp_path, "other")
    other.private_key.write_bytes(certificates.private_key.read_bytes())
    status, said = run(tmp_path / "gateway.yaml", configuration(other, unreachable(other), CLIENT))
    assert status == 2
    assert "other.key: does not belong to the first certificate of" in said
    expired = make_certificates(tmp_path, "expired", valid=timedelta(seconds=-1))
    status, said = run(tmp_path / "gateway.yaml", configuration(expired, unreachable(expired), CLIENT))
    assert status == 2
    assert "expired.pem: expired on" in said


def test_every_mistake_in_the_file_is_named_with_its_line(certificates, tmp_path):
    text = configuration(certificates, unreachable(certificates), {**CLIENT, "size_limit": "many"}, lissteners=[])
    status, said = run(tmp_path / "gateway.yaml", text)
    assert status == 2
    first, second = said.splitlines()
    assert first.startswith(f"{tmp_path}/gateway.yaml:{line_of(text, 'size_limit')}: clients.mimecast.size_limit: ")
    line = line_of(text, "lissteners")
    assert second == f'{tmp_path}/gateway.yaml:{line}: lissteners: unknown key; did you mean "listeners"?'


def test_what_is_not_yaml_or_not_there(tmp_path):
    status, said = run(tmp_path / "gateway.yaml", "listeners:\n\t- x\n")
    assert status == 2
    assert said.startswith(f"{tmp_path}/gateway.yaml:2: not YAML: ")
    status, said = run(tmp_path / "missing.yaml")
    assert status == 2
    assert said == f"{tmp_path}/missing.yaml: cannot be read: there is no such file\n"


def test_it_says_at_the_start_whether_it_is_compiled(certificates, tmp_path):
    with GatewayProcess(tmp_path, configuration(certificates, unreachable(certificates), CLIENT)) as running:
        level = "info" if compilation().compiled else "warn"
        assert f"#{level}] this installation is {compilation().said}\n" in running.log()


def test_an_installation_with_a_file_of_another_build_does_not_call_itself_compiled(certificates, tmp_path):
    package = Path(gateway.__file__).parent
    copy = tmp_path / "other" / "gateway"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    # `run` does not import it.
    (copy / "demo" / f"people{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    path = f"{copy.parent}{os.pathsep}{os.environ.get('PYTHONPATH', package.parent)}"
    text = configuration(certificates, unreachable(certificates), CLIENT, admin={"address": "127.0.0.1:0"})
    with GatewayProcess(tmp_path, text, environment={"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}) as running:
        words = (
            "not compiled: gateway.demo.people runs from a file that another build left there; install the gateway "
            "anew, see README"
        )
        assert f"#warn] this installation is {words}\n" in running.log()
        said = json.loads(get(running.admin_port)[2])
        assert said == {"status": "ok", "compiled": False, "installation": words}
        assert samples(running.admin_port)["ldap_gateway_build_info", "no", version("ldap-gateway")] == 1


# Stopping.


class Held:
    """A stub's answers that keep a search open until they are released."""

    def __init__(self):
        self.asked = threading.Event()
        self.released = threading.Event()

    def __call__(self, request):
        if not isinstance(request, m.SearchRequest):
            return accept_binds(request)
        self.asked.set()
        self.released.wait(PATIENCE)
        entry = m.SearchResultEntry(f"CN=x,{BASE}", (m.Attribute("cn", (b"x",)),))
        return [entry, m.SearchResultDone(LDAPResult(0))]


@pytest.fixture
def held(certificates):
    answers = Held()
    with StubServer(certificates, answers) as server:
        answers.server = server
        yield answers
        answers.released.set()


def start(certificates, held, tmp_path, drain_timeout):
    text = configuration(certificates, held.server.gateway_directory(), CLIENT, drain_timeout=drain_timeout)
    return GatewayProcess(tmp_path, text)


def begin_search(running, certificates, held):
    session = RawClient(running.port, certificates.ca_file)
    assert session.bind(*ACCOUNT) == 0
    message_id = session.search(BASE)
    assert held.asked.wait(PATIENCE)
    return session, message_id


def until_refused(port):
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_open_operations_finish_before_the_process_ends(certificates, held, tmp_path, signal):
    with start(certificates, held, tmp_path, PATIENCE) as running:
        session, message_id = begin_search(running, certificates, held)
        running.send(signal)
        running.wait_for("stopping: open operations may finish")
        until_refused(running.port)
        refused = session.search(BASE)
        assert session.result(refused)[1].code == 52
        held.released.set()
        names, result = session.result(message_id)
        assert (names, result.code) == ([f"CN=x,{BASE}"], 0)
        assert isinstance(session.event(), Disconnection)
        assert session.event() is None
        session.socket.close()
        assert running.process.wait(PATIENCE) == 0
        assert "stopped" in running.log()
        assert "Traceback" not in running.log()


def test_a_client_that_does_not_answer_the_close_does_not_hold_the_process_up(certificates, held, tmp_path):
    with start(certificates, held, tmp_path, 100 * PATIENCE) as running:
        idle = RawClient(running.port, certificates.ca_file)
        assert idle.bind(*ACCOUNT) == 0
        running.terminate()
        assert running.process.wait(PATIENCE) == 0
        assert isinstance(idle.event(), Disconnection)
        assert idle.event() is None


def test_operations_that_do_not_finish_in_time_end_with_an_error(certificates, held, tmp_path):
    with start(certificates, held, tmp_path, 0.2) as running:
        session, message_id = begin_search(running, certificates, held)
        running.terminate()
        names, result = session.result(message_id)
        assert (names, result.code) == ([], 52)
        assert "the gateway is stopping" in result.diagnostic
        assert isinstance(session.event(), Disconnection)
        session.socket.close()
        assert running.process.wait(PATIENCE) == 0
        (record,) = running.audit(operation="search")
        assert (record["reason"], record["code"]) == ("stopping", 52)


def test_the_page_says_while_the_file_on_disk_is_not_the_one_in_force(tmp_path, certificates):
    config = configuration(certificates, unreachable(certificates), CLIENT, admin={"address": "127.0.0.1:0"})
    with GatewayProcess(tmp_path, config) as running:

        def differs():
            page = get(running.admin_port, "/")[2]
            said = "On disk the configuration differs from what is in force" in page
            assert said == bool(samples(running.admin_port)["ldap_gateway_config_differs",])
            return said

        assert not differs()
        changed = config.replace('"attributes"', '"size_limit": 5000, "attributes"')
        running.config.write_text(changed)
        assert differs()
        assert "reload refused" in running.reload(changed.replace("5000", "-5"))
        assert differs()
        assert "reloaded" in running.reload(changed)
        assert not differs()
        running.config.write_text(config)
        assert differs()
        assert "reloaded" in running.reload(config)
        assert not differs()
