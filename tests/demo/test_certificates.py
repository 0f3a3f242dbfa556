"""Test certificates pass the checks that the gateway itself makes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from gateway.demo.certificates import make_certificates


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """The TLS version that the two agree on; raises what the client's side raises."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                server.wrap_socket(theirs, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with client.wrap_socket(ours, server_hostname=name) as connection:
                return connection.version()
        finally:
            thread.join(10)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_strict_client_accepts_them_by_name_and_by_address(tmp_path: Path, name: str) -> None:
    files = make_certificates(tmp_path, "gateway")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.private_key)
    client = ssl.create_default_context(cafile=str(files.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(server, client, name) == "TLSv1.3"


def test_another_name_and_another_authority_are_refused(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "gateway")
    other = make_certificates(tmp_path, "other")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.private_key)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(cafile=str(files.ca_file)), "dc1.demo.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(cafile=str(other.ca_file)), "localhost")


def test_keys_are_readable_by_their_owner_alone_even_over_an_older_file(tmp_path: Path) -> None:
    (tmp_path / "gateway.key").write_text("old")
    (tmp_path / "gateway.key").chmod(0o644)
    files = make_certificates(tmp_path, "gateway")
    assert files.private_key.stat().st_mode & 0o777 == 0o600
    assert b"old" not in files.private_key.read_bytes()


def test_the_key_of_the_authority_is_not_kept(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "gateway")
    assert sorted(tmp_path.iterdir()) == sorted([files.ca_file, files.certificate, files.private_key])
    ca = x509.load_pem_x509_certificate(files.ca_file.read_bytes())
    assert files.private_key.read_bytes().count(b"PRIVATE KEY") == 2
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
