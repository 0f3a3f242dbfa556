"""Certificates of servers to probe."""

import pytest

from gateway.demo.certificates import CertificateFiles, make_certificates


@pytest.fixture(scope="session")
def server_certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """CertificateFiles of a server on localhost and 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")
