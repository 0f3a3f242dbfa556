"""Real servers and the gateway before them. What takes long to set up is set up once per run."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.demo.certificates import LOOPBACK_NAMES, CertificateFiles, make_certificates
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, GatewayProcess
from tests.servers.linked_gateway import LinkedGateway
from tests.servers.raw_client import RawClient
from tests.servers.samba_domain import running_samba
from tests.servers.slapd import Slapd


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only a gateway that reaches its servers directly can pass."""
    if config.getoption("--via") == "link":
        items[:] = [item for item in items if item.get_closest_marker("direct") is None]


@pytest.fixture(scope="session")
def samba(pytestconfig: pytest.Config) -> Iterator[dict[str, str]]:
    """The settings of a Samba domain of 500 people; nothing in it may be changed by a test."""
    with running_samba(pytestconfig.cache.mkdir("samba")) as settings:
        yield settings


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    """slapd with slapd_tree's company of 500 people; for tests that stop or change it there is start_slapd."""
    with Slapd() as running:
        yield running


@pytest.fixture
def start_slapd() -> Iterator[Callable[..., Slapd]]:
    """A function that takes Slapd's arguments; what it started is gone after the test."""
    started: list[Slapd] = []

    def start(*arguments: Any, **keywords: Any) -> Slapd:
        started.append(Slapd(*arguments, **keywords))
        return started[-1]

    yield start
    for running in started:
        running.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """CertificateFiles of the gateway's listeners, for localhost, 127.0.0.1 and 127.0.0.2."""
    directory = tmp_path_factory.mktemp("certificates")
    return make_certificates(directory, "gateway", (*LOOPBACK_NAMES, "127.0.0.2"))


@pytest.fixture
def open_client(certificates: CertificateFiles) -> Iterator[Callable[..., RawClient]]:
    """A function that takes a GatewayProcess, a name and a password, and RawClient's keywords; the client is bound,
    and closed after the test."""
    opened: list[RawClient] = []

    def open_(running: GatewayProcess, name: str, password: str, **keywords: Any) -> RawClient:
        opened.append(RawClient(running.port, certificates.ca_file, **keywords))
        assert opened[-1].bind(name, password) == 0
        return opened[-1]

    yield open_
    for client in opened:
        client.socket.close()


def _tripped(inside: GatewayProcess) -> dict[tuple[str, ...], float]:
    assert inside.admin_port is not None
    found = samples(inside.admin_port)
    return {key: count for key, count in found.items() if count and "link_policy_refusals_total" in key[0]}


@pytest.fixture(scope="module")
def via(pytestconfig: pytest.Config) -> str:
    """How gateways reach their servers: `direct`, or by a `link`. A module may have a fixture of its own."""
    return str(pytestconfig.getoption("--via"))


@pytest.fixture(scope="module")
def start_gateway(tmp_path_factory: pytest.TempPathFactory, via: str) -> Iterator[Callable[[str], GatewayProcess]]:
    """A function that takes a configuration's text and returns a GatewayProcess.

    At the end of the module each must stop with status 0 on SIGTERM, unless the test has stopped it, and none may
    have met an error that nobody caught. Where they go through links, nothing that came by one may have been refused
    inside by the policy, which is the same at both ends.
    """
    started: list[GatewayProcess] = []
    insides: list[GatewayProcess] = []
    numbers = itertools.count()

    def start(config: str) -> GatewayProcess:
        directory = tmp_path_factory.mktemp(f"gateway{next(numbers)}")
        if via == "link" and "links" not in json.loads(config):
            # Its servers are behind another gateway, which calls it.
            linked = LinkedGateway(directory, tmp_path_factory.mktemp("inside"), config)
            insides.append(linked.inside)
            started.extend((linked, linked.inside))
            return linked
        started.append(GatewayProcess(directory, config))
        return started[-1]

    yield start
    try:
        serving = [running for running in started if running.process.poll() is None]
        for running in serving:
            if running in insides:
                assert not _tripped(running)
        for running in serving:
            running.terminate()
        for running in serving:
            assert running.process.wait(PATIENCE) == 0, running.log()
        for running in started:
            assert "Traceback" not in running.log()
    finally:
        for running in started:
            running.kill()
