"""Listeners over a configuration's life: opened, kept, replaced, or everything as before."""

import contextlib
import errno
import itertools
import json
import os
import socket
import time

import pytest
from twisted.internet.error import CannotListenError

from gateway.ask.client import Disconnection
from gateway.config.load import load_configuration
from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.messages import BASE_OBJECT
from gateway.ldap.results import LDAPResult
from gateway.net.listeners.listening import StartError
from gateway.serve.service import Gateway
from gateway.state.sizes import SizesInMemory
from tests.config.certificates import write_pair
from tests.config.test_load import GOOD
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration, free_port
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path, "gateway")


@pytest.fixture
def config(certificates):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    return json.loads(configuration(certificates, directory, client))


@pytest.fixture
def gateway(config, tmp_path):
    with GatewayProcess(tmp_path, json.dumps(config)) as running:
        yield running


def read_root_dse(session):
    return session.result(session.search("", scope=BASE_OBJECT))[1].code


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 30).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_until_closed(port):
    """The gateway closes a socket in the turn of the reactor that follows what it has logged."""
    until = time.monotonic() + PATIENCE
    while is_open(port):
        assert time.monotonic() < until


def with_listeners(config, *addresses):
    more = [{**config["listeners"][0], "address": address} for address in addresses]
    return json.dumps(config | {"listeners": config["listeners"] + more})


@pytest.mark.servers
def test_a_reload_that_cannot_open_an_address_changes_nothing(certificates, config, gateway):
    port = free_port()
    with RawClient(gateway.port, certificates.ca_file) as before, socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said = gateway.reload(with_listeners(config, f"127.0.0.1:{port}", address))
        assert f"listener {address}: another program" in said
        assert "reload refused: the configuration from before stays in force" in said
        wait_until_closed(port)
        assert read_root_dse(before) == 0
    with RawClient(gateway.port, certificates.ca_file) as later:
        assert read_root_dse(later) == 0


@pytest.mark.servers
def test_a_reload_that_fails_last_of_all_leaves_audit_and_store_as_they_were(certificates, config, tmp_path):
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    config |= {"audit": {"file": str(before)}, "admin": {"address": "127.0.0.1:0"}}
    with GatewayProcess(tmp_path, json.dumps(config)) as running, socket.create_server(("127.0.0.1", 0)) as other:
        changed = config | {"audit": {"file": str(after)}, "lockout_store": "redis://127.0.0.1:1/0"}
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said = running.reload(with_listeners(changed, address))
        assert f"listener {address}: another program" in said
        assert "lockout_store redis" not in said
        found = samples(running.admin_port)
        assert found["ldap_gateway_config_reload_success",] == 0
        assert found["ldap_gateway_lockout_store_up",] == 1
        make_certificates(tmp_path, "gateway")
        running.wait_for("listener 127.0.0.1:0: the renewed files are in use")
        with RawClient(running.port, certificates.ca_file) as session:
            assert read_root_dse(session) == 0
        until = time.monotonic() + PATIENCE
        while not before.read_text():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert "reloaded" in running.reload(json.dumps(changed))
        assert samples(running.admin_port)["ldap_gateway_lockout_store_up",] == 0
        with RawClient(running.port, certificates.ca_file) as session:
            assert read_root_dse(session) == 0
    # Nothing but what follows a reload that succeeded is in the new one.
    assert [len(path.read_text().splitlines()) for path in (before, after)] == [1, 1]


@pytest.mark.servers
def test_a_reload_opens_what_is_new_keeps_what_stays_and_closes_what_is_gone(certificates, config, gateway):
    with RawClient(gateway.port, certificates.ca_file) as before:
        said = gateway.reload(with_listeners(config, "127.0.0.2:0"))
        listening = [line.split("listening on ")[1] for line in said.splitlines() if "listening on" in line]
        assert listening[0] == f"127.0.0.1:{gateway.port} (ldaps)"
        assert listening[1].startswith("127.0.0.2:")
        config["listeners"][0]["address"] = "127.0.0.3:0"
        assert "reloaded" in gateway.reload(json.dumps(config))
        wait_until_closed(gateway.port)
        assert read_root_dse(before) == 0


@pytest.mark.servers
def test_a_renewed_certificate_is_served_after_a_reload(certificates, config, gateway, tmp_path):
    make_certificates(tmp_path, "gateway")
    assert "reloaded" in gateway.reload(json.dumps(config))
    with RawClient(gateway.port, certificates.ca_file) as session:
        assert read_root_dse(session) == 0


@pytest.mark.servers
def test_a_change_that_needs_a_restart_is_told(config, gateway):
    config["admin"] = {"address": "127.0.0.1:0"}
    said = gateway.reload(json.dumps(config))
    assert "admin.address has changed: it is used from the next start on" in said


class RefusingReactor:
    """One whose kernel answers every attempt to listen with this error."""

    seconds = staticmethod(time.monotonic)

    def __init__(self, number):
        self._number = number

    def listenTCP(self, port, factory, interface, **_):
        raise CannotListenError(interface, port, OSError(self._number, os.strerror(self._number)))


def test_a_low_port_without_the_right_to_it_is_refused_with_what_gives_that_right(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "gateway.yaml").write_text(GOOD.replace("127.0.0.1:0", "127.0.0.1:636"))
    settings = load_configuration(tmp_path / "gateway.yaml").settings
    with pytest.raises(StartError, match=r"listener 127.0.0.1:636: this account may not .*ip_unprivileged_port_start"):
        Gateway(settings, lambda record: None, SizesInMemory(), RefusingReactor(errno.EACCES)).start()
    with pytest.raises(StartError, match=r"listener 127.0.0.1:636: another program has this port: "):
        Gateway(settings, lambda record: None, SizesInMemory(), RefusingReactor(errno.EADDRINUSE)).start()


@pytest.mark.servers
def test_listeners_with_any_free_port_of_one_address_are_as_many_as_are_listed(certificates, config, gateway):
    said = gateway.reload(with_listeners(config, "127.0.0.1:0"))
    listening = [line for line in said.splitlines() if "listening on" in line]
    ports = [int(line.split("listening on 127.0.0.1:")[1].split()[0]) for line in listening]
    assert ports[0] == gateway.port
    assert len(set(ports)) == 2
    for port in ports:
        with RawClient(port, certificates.ca_file) as session:
            assert read_root_dse(session) == 0


@pytest.mark.servers
def test_an_address_within_one_of_our_own_is_told_apart(config, tmp_path):
    port = free_port()
    config["listeners"][0]["address"] = f"0.0.0.0:{port}"
    with GatewayProcess(tmp_path, json.dumps(config)) as running:
        config["listeners"][0]["address"] = f"127.0.0.1:{port}"
        said = running.reload(json.dumps(config))
        assert f"listener 127.0.0.1:{port}: the listener 0.0.0.0:{port} in force has this port" in said


# Clients that leave.


def two_clients(config, drain_timeout):
    client = config["clients"]["mimecast"]
    config["clients"] = {"mimecast": {**client, "sources": ["127.0.0.1", "127.0.0.2"]}}
    config["clients"]["other"] = {**client, "sources": ["127.0.0.3"]}
    return config | {"drain_timeout": drain_timeout}


def is_told_to_leave(session):
    event = session.event()
    assert isinstance(event, Disconnection)
    assert event.result.code == 52
    assert "client-removed" in event.result.diagnostic
    return session.event() is None


@pytest.fixture
def sessions(certificates):
    """A function that connects from an address."""
    with contextlib.ExitStack() as opened:

        def connect(running, source):
            session = opened.enter_context(RawClient(running.port, certificates.ca_file, source=source))
            assert read_root_dse(session) == 0
            return session

        yield connect


@pytest.mark.servers
def test_sessions_of_a_removed_client_work_for_a_while_and_end(config, sessions, tmp_path):
    with GatewayProcess(tmp_path, json.dumps(two_clients(config, 5))) as running:
        staying, leaving = sessions(running, "127.0.0.1"), sessions(running, "127.0.0.3")
        del config["clients"]["other"]
        said = running.reload(json.dumps(config | {"drain_timeout": 5}))
        assert "client other: open sessions that the configuration has no place for any more: 1" in said
        assert read_root_dse(leaving) == 0
        with pytest.raises(OSError):
            sessions(running, "127.0.0.3")
        assert is_told_to_leave(leaving)
        assert read_root_dse(staying) == 0


@pytest.mark.servers
def test_sessions_from_a_source_that_is_no_longer_listed_end(config, sessions, tmp_path):
    config = two_clients(config, 0)
    with GatewayProcess(tmp_path, json.dumps(config)) as running:
        staying, leaving, other = (sessions(running, f"127.0.0.{last}") for last in (1, 2, 3))
        config["clients"]["mimecast"]["sources"] = ["127.0.0.1"]
        # It stays a source, but of somebody else.
        config["clients"]["other"]["sources"] = ["127.0.0.2", "127.0.0.3"]
        running.reload(json.dumps(config))
        assert is_told_to_leave(leaving)
        assert read_root_dse(staying) == read_root_dse(other) == 0


@pytest.mark.servers
def test_a_connection_that_is_not_a_session_yet_ends_with_its_client(config, tmp_path):
    config = two_clients(config, 0) | {"limits": {"tls_handshake": 3600}}
    with GatewayProcess(tmp_path, json.dumps(config)) as running, socket.socket() as silent:
        silent.bind(("127.0.0.3", 0))
        silent.settimeout(30)
        silent.connect(("127.0.0.1", running.port))
        # Accepted, since a later connection has been.
        socket.create_connection(("127.0.0.1", running.port), 30).close()
        del config["clients"]["other"]
        running.reload(json.dumps(config))
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""


# What else a reload reads anew.


@pytest.mark.servers
def test_a_reload_reads_the_file_of_sources(config, sessions, tmp_path):
    listed = tmp_path / "sources"
    listed.write_text("127.0.0.1\n")
    config["clients"]["mimecast"]["sources"] = []
    config["clients"]["mimecast"]["sources_file"] = "sources"
    with GatewayProcess(tmp_path, json.dumps(config)) as running:
        with pytest.raises(OSError):
            sessions(running, "127.0.0.2")
        listed.write_text("127.0.0.0/30 # all of them\n")
        assert "reloaded" in running.reload(json.dumps(config))
        sessions(running, "127.0.0.2")
        listed.write_text("127.0.0.1\n127.0.0.300\n")
        said = running.reload(json.dumps(config))
        assert f"{listed}:2: clients.mimecast.sources_file: a network like" in said
        assert "reload refused" in said
        sessions(running, "127.0.0.2")


@pytest.mark.servers
def test_a_reload_takes_up_the_lockout_settings_and_keeps_the_counts(certificates, config, tmp_path):
    def refuse(request):
        return [m.BindResponse(LDAPResult(49, "", "80090308: LdapErr: DSID-0C09042A, comment: data 52e, v4563"))]

    with StubServer(certificates, refuse) as server:
        config["directories"]["corp"] = json.loads(json.dumps(server.gateway_directory(), default=str))
        client = config["clients"]["mimecast"]
        client["lockout"] = {"failures": 1}
        with GatewayProcess(tmp_path, json.dumps(config)) as running:
            numbers = itertools.count()

            def guess():
                with RawClient(running.port, certificates.ca_file) as session:
                    # One password is not tried twice.
                    assert session.bind("svc@corp.example", f"wrong {next(numbers)}") == 49
                return sum(isinstance(request, m.BindRequest) for request in server.requests)

            assert [guess(), guess()] == [1, 1]
            client["lockout"] = {"failures": 3}
            assert "reloaded" in running.reload(json.dumps(config))
            assert [guess(), guess(), guess()] == [2, 3, 3]
