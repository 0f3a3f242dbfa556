"""The gateway under systemd: what it tells of itself, and the sockets that it is given."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from gateway.demo.certificates import make_certificates
from gateway.ldap.messages import BASE_OBJECT
from gateway.net.listeners.inherited import FIRST
from gateway.serve.systemd import ServiceManager
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration, free_port
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer
from tests.skips import KernelFeature

pytestmark = pytest.mark.servers


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path, "gateway")


@pytest.fixture
def config(certificates):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    return json.loads(configuration(certificates, directory, client))


class Manager:
    """The socket on which systemd hears of its services."""

    def __init__(self, address):
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        self._socket.settimeout(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def hear(self):
        """One message: its variables."""
        return dict(line.split("=", 1) for line in self._socket.recv(65_536).decode().splitlines())

    def hear_of(self, name):
        """The next message with this variable."""
        until = time.monotonic() + PATIENCE
        while name not in (message := self.hear()):
            assert time.monotonic() < until
        return message


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    with Manager(tmp_path / "notify" if request.param == "path" else f"@{tmp_path.name}-{os.getpid()}") as manager:
        yield manager


def read_root_dse(port, certificates):
    with RawClient(port, certificates.ca_file) as session:
        return session.result(session.search("", scope=BASE_OBJECT))[1].code


# What it tells.


def test_the_life_of_the_gateway_as_systemd_hears_of_it(config, manager, tmp_path):
    with GatewayProcess(tmp_path, json.dumps(config), environment={"NOTIFY_SOCKET": manager.address}) as running:
        assert manager.hear() == {"READY": "1", "STATUS": f"serving 127.0.0.1:{running.port} (ldaps)"}
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        running.reload(json.dumps(config))
        reloading = manager.hear()
        assert reloading.pop("RELOADING") == "1"
        assert before <= int(reloading.pop("MONOTONIC_USEC")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert reloading == {}
        assert manager.hear() == {"READY": "1", "STATUS": f"serving 127.0.0.1:{running.port} (ldaps)"}
        assert "refused" in running.reload("nonsense: 1")
        assert manager.hear()["RELOADING"] == "1"
        said = "reload refused: the configuration from before stays in force"
        assert manager.hear() == {"READY": "1", "STATUS": said}
        running.terminate()
        stopping = manager.hear()
        assert (stopping["STOPPING"], stopping["STATUS"]) == ("1", "stopping: open operations may finish")
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > config["drain_timeout"] * 1e6
        assert running.process.wait(PATIENCE) == 0


def test_signs_of_life_come_as_long_as_the_event_loop_turns(config, manager, tmp_path):
    watchdog = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
    with GatewayProcess(tmp_path, json.dumps(config), environment=watchdog) as running:
        for _ in range(3):
            assert manager.hear_of("WATCHDOG") == {"WATCHDOG": "1"}
        assert running.stop() == 0
        # While it stops as well: a stop that hangs is one to end.
        assert manager.hear_of("STOPPING")


def test_a_watchdog_of_another_process_is_none_of_ours(manager):
    for pid, expected in ((1, None), (2, 15.0)):
        environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "2", "OTHER": "x"}
        assert ServiceManager(environ, pid).watchdog_step == expected
        assert environ == {"OTHER": "x"}
    assert ServiceManager({"WATCHDOG_USEC": "30000000"}, 1).watchdog_step is None


def test_without_systemd_or_with_one_that_is_gone_nothing_happens(manager):
    ServiceManager({}, 1).ready("x")
    gone = ServiceManager({"NOTIFY_SOCKET": f"{manager.address}-gone"}, 1)
    gone.ready("x")
    gone.alive()
    ServiceManager({"NOTIFY_SOCKET": "vsock:2:1234"}, 1).ready("x")


def test_a_text_cannot_add_variables(manager):
    told = ServiceManager({"NOTIFY_SOCKET": manager.address}, 1)
    told.ready("one\nWATCHDOG=trigger")
    assert manager.hear() == {"READY": "1", "STATUS": "one WATCHDOG=trigger"}


# The sockets that it is given.

# As systemd does it: the process that is to use them has this ID and finds them from descriptor 3 on.
ACTIVATION = f"""
import os, sys
os.dup2(int(sys.argv[1]), {FIRST})
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def activated(tmp_path, config, listening, **environment):
    """A gateway that gets this socket. environment: of the protocol, besides the process's ID."""
    descriptor = listening.fileno()
    return GatewayProcess(
        tmp_path,
        json.dumps(config),
        launcher=[sys.executable, "-c", ACTIVATION, str(descriptor)],
        environment={"LISTEN_FDS": "1", **environment},
        descriptors=[descriptor],
    )


def test_a_listener_takes_the_socket_that_is_open_already(certificates, config, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config["listeners"].append({**config["listeners"][0], "address": f"127.0.0.1:{port}"})
        with activated(tmp_path, config, listening, LISTEN_FDNAMES="ldap-gateway.socket") as running:
            assert running.ports[1] == port
            assert read_root_dse(port, certificates) == 0
            assert read_root_dse(running.ports[0], certificates) == 0
            assert "reloaded" in running.reload(json.dumps(config))
            assert read_root_dse(port, certificates) == 0
            del config["listeners"][1]
            said = running.reload(json.dumps(config))
            assert f"ldap-gateway.socket: systemd listens on 127.0.0.1:{port} for the gateway, and no listener" in said
            assert "reload refused" in said
            assert read_root_dse(port, certificates) == 0
            assert running.stop() == 0
        # systemd has kept it: whoever connects while the gateway restarts waits, and is refused nothing.
        waiting = socket.create_connection(("127.0.0.1", port), PATIENCE)
        waiting.close()


def refused(tmp_path, config, listening, **environment):
    """What the gateway says when it does not start with this socket."""
    with pytest.raises(AssertionError) as caught:
        activated(tmp_path, config, listening, LISTEN_FDNAMES="some.socket", **environment)
    return str(caught.value)


def test_a_socket_that_fits_no_listener_is_a_mistake(config, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said = refused(tmp_path, config, listening)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    assert f"some.socket: systemd listens on {address} for the gateway, and no listener has this address" in said
    assert "there are: 127.0.0.1:0" in said


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_what_does_not_listen_is_a_mistake(config, tmp_path, kind):
    with socket.socket(socket.AF_INET, kind) as other:
        said = refused(tmp_path, config, other)
    assert "descriptor 3 (some.socket), passed by systemd: not a listening TCP socket; ListenStream=" in said


def test_a_descriptor_that_is_not_there_is_a_mistake(config, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config["listeners"][0]["address"] = f"127.0.0.1:{listening.getsockname()[1]}"
        said = refused(tmp_path, config, listening, LISTEN_FDS="40")
    assert "passed by systemd: nothing is open under this number" in said


def test_systemd_itself_passes_a_socket(certificates, config, tmp_path):
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        pytest.skip("needs systemd-socket-activate: apt-get install systemd")
    port = free_port()
    config["listeners"][0]["address"] = f"127.0.0.1:{port}"
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(config))
    command = [activate, "-l", f"127.0.0.1:{port}", sys.executable, "-m", "gateway", "run", "-c", path]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        # The first connection starts it, and is served by it.
        until = time.monotonic() + PATIENCE
        while f"Listening on 127.0.0.1:{port}" not in (tmp_path / "log").read_text():
            assert time.monotonic() < until, (tmp_path / "log").read_text()
            time.sleep(0.02)
        assert read_root_dse(port, certificates) == 0
        assert f"listening on 127.0.0.1:{port} (ldaps)" in (tmp_path / "log").read_text()
        running.terminate()
        assert running.wait(PATIENCE) == 0
    finally:
        running.kill()
        running.wait(PATIENCE)


# PR_SET_MDWE of linux/prctl.h, from 6.3 on, and PR_MDWE_REFUSE_EXEC_GAIN; kept by what is executed.
WITHOUT_WRITABLE_CODE = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(3)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_it_serves_where_memory_cannot_be_written_and_executed(config, certificates, tmp_path):
    """MemoryDenyWriteExecute of the unit."""
    launcher = (sys.executable, "-c", WITHOUT_WRITABLE_CODE)
    if subprocess.run([*launcher, "true"], check=False).returncode == 3:
        KernelFeature.deny_write_execute.skip()
    with StubServer(certificates) as server:
        config["directories"]["corp"] = server.gateway_directory()
        config["admin"] = {"address": "127.0.0.1:0"}
        with GatewayProcess(tmp_path, json.dumps(config, default=str), launcher=launcher) as running:
            with RawClient(running.port, certificates.ca_file) as client:
                assert client.bind("svc@corp.example", "Passw0rd") == 0
            assert samples(running.admin_port)["ldap_gateway_server_up", "corp", f"localhost:{server.port}"] == 1
