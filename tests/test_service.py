"""Listeners over a configuration's life: opened, kept, replaced, or everything as before."""

import errno
import json
import os
import socket
import time

import pytest
from twisted.internet.error import CannotListenError

from gateway.config.load import load_configuration
from gateway.demo.certificates import make_certificates
from gateway.ldap.messages import BASE_OBJECT
from gateway.service import Gateway, StartError
from gateway.state.sizes import SizesInMemory
from tests.config.certificates import write_pair
from tests.config.test_load import GOOD
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient


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


def with_listeners(config, *addresses):
    more = [{**config["listeners"][0], "address": address} for address in addresses]
    return json.dumps(config | {"listeners": config["listeners"] + more})


def test_a_reload_that_cannot_open_an_address_changes_nothing(certificates, config, gateway):
    with socket.create_server(("127.0.0.1", 0)) as free:
        free_port = free.getsockname()[1]
    with RawClient(gateway.port, certificates.ca_file) as before, socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said = gateway.reload(with_listeners(config, f"127.0.0.1:{free_port}", address))
        assert f"listener {address}: Address already in use" in said
        assert "reload refused: the configuration from before stays in force" in said
        assert not is_open(free_port)
        assert read_root_dse(before) == 0
    with RawClient(gateway.port, certificates.ca_file) as later:
        assert read_root_dse(later) == 0


def test_a_reload_opens_what_is_new_keeps_what_stays_and_closes_what_is_gone(certificates, config, gateway):
    with RawClient(gateway.port, certificates.ca_file) as before:
        said = gateway.reload(with_listeners(config, "127.0.0.2:0"))
        listening = [line.split("listening on ")[1] for line in said.splitlines() if "listening on" in line]
        assert listening[0] == f"127.0.0.1:{gateway.port} (ldaps)"
        assert listening[1].startswith("127.0.0.2:")
        config["listeners"][0]["address"] = "127.0.0.3:0"
        assert "reloaded" in gateway.reload(json.dumps(config))
        # The old socket is closed in the turn of the reactor that follows.
        until = time.monotonic() + 30
        while is_open(gateway.port):
            assert time.monotonic() < until
        assert read_root_dse(before) == 0


def test_a_renewed_certificate_is_served_after_a_reload(certificates, config, gateway, tmp_path):
    make_certificates(tmp_path, "gateway")
    renewed = certificates.ca_file
    with pytest.raises(OSError, match="certificate verify failed"):
        RawClient(gateway.port, renewed)
    assert "reloaded" in gateway.reload(json.dumps(config))
    with RawClient(gateway.port, renewed) as session:
        assert read_root_dse(session) == 0


def test_a_change_that_needs_a_restart_is_told(config, gateway, tmp_path):
    config["admin"] = {"address": "127.0.0.1:0"}
    config["audit"] = {"file": str(tmp_path / "elsewhere")}
    said = gateway.reload(json.dumps(config))
    assert "admin.address has changed: it is used from the next start on" in said
    assert "audit.file has changed: it is used from the next start on" in said


class RefusingReactor:
    """One whose kernel answers every attempt to listen with this error."""

    seconds = staticmethod(time.monotonic)

    def __init__(self, number):
        self._number = number

    def listenTCP(self, port, factory, interface):
        raise CannotListenError(interface, port, OSError(self._number, os.strerror(self._number)))


def test_a_low_port_without_the_right_to_it_is_refused_with_what_gives_that_right(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "gateway.yaml").write_text(GOOD.replace("127.0.0.1:0", "127.0.0.1:636"))
    settings = load_configuration(tmp_path / "gateway.yaml").settings
    with pytest.raises(StartError, match=r"listener 127.0.0.1:636: Permission denied: .*ip_unprivileged_port_start"):
        Gateway(settings, lambda record: None, SizesInMemory(), RefusingReactor(errno.EACCES)).start()
    with pytest.raises(StartError, match=r"listener 127.0.0.1:636: Address already in use$"):
        Gateway(settings, lambda record: None, SizesInMemory(), RefusingReactor(errno.EADDRINUSE)).start()
