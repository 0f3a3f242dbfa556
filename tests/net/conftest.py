"""Certificates for listeners and servers, made once per run; what the log is told."""

import pytest

from gateway.demo.certificates import CertificateFiles, make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Of the gateway's listener, for localhost and 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "gateway")


@pytest.fixture(scope="session")
def server_certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Of a server, by another authority."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")
