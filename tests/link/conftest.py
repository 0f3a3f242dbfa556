"""Both ends of a link with one server behind them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.certificates import CertificateFiles, make_certificates
from tests.link.world import World, answers, world_of
from tests.servers.stub_server import StubServer


@pytest.fixture(scope="module")
def server_certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server", ("localhost",))


@pytest.fixture
def server(server_certificates: CertificateFiles) -> Iterator[StubServer]:
    with StubServer(server_certificates, answers) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: StubServer) -> Iterator[World]:
    with world_of(tmp_path, server) as made:
        yield made
