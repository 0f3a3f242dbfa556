"""The operational log names nothing of the framework that the gateway runs on."""

import re

import pytest

from tests.servers.gateway_process import GatewayProcess, configuration, free_port
from tests.servers.raw_client import RawClient

FRAMEWORK = re.compile(
    r"[Tt]wisted|Factory|_\w*Site\b|Port \d+ Closed|Main loop|DatagramProtocol|<\w+ .*>|0x[0-9a-f]{6}"
)


@pytest.fixture
def log(certificates, tmp_path):
    """Of a gateway that started, could not reach a server, was asked for its page, reloaded and stopped."""
    directory = {
        "servers": [{"url": f"ldaps://127.0.0.1:{free_port()}", "server_name": "localhost"}],
        "ca_file": certificates.ca_file,
    }
    client = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
    config = configuration(certificates, directory, client, admin={"address": "127.0.0.1:0"})
    with GatewayProcess(tmp_path, config) as running:
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.bind("svc@corp.example", "Passw0rd") == 52
        running.wait_for("is down")
        running.reload(config)
        assert running.stop() == 0
        return running.log()


def test_the_log_of_a_whole_life_names_no_class_of_the_framework(log):
    lines = log.splitlines()
    assert any("] listening on 127.0.0.1:" in line for line in lines)
    assert any("] stopped" in line for line in lines)
    assert any("refused: the host is there, and nothing listens on this port" in line for line in lines)
    for line in lines:
        assert re.match(r"\S+ \[gateway\.[a-z_.]+#(info|warn|error|critical)\] ", line), line
        assert not FRAMEWORK.search(line), line
