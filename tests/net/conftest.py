"""Certificates for listeners and servers, made once per run; what the log is told."""

from collections.abc import Iterator
from typing import cast

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from gateway.demo.certificates import CertificateFiles, make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Of the gateway's listener, for localhost and 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "gateway")


@pytest.fixture(scope="session")
def server_certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Of a server, by another authority."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")


@pytest.fixture
def told() -> Iterator[list[LogEvent]]:
    """The events of the log, as they come."""
    events: list[LogEvent] = []
    # Twisted declares what an observer is in a way that mypy cannot read.
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)
