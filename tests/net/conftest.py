"""Certificates for listeners and servers, made once per run; what the log is told."""

import pytest
from twisted.logger import globalLogPublisher

from gateway.demo.certificates import make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Of the gateway's listener, for localhost and 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "gateway")


@pytest.fixture(scope="session")
def server_certificates(tmp_path_factory):
    """Of a server, by another authority."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")


@pytest.fixture
def told():
    """The events of the log, as they come."""
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)
