"""The word that metrics and pages have for a failed connection to a server, and what is said of it."""

import builtins
import errno
import os
import re
import socket
import ssl
import threading

import pytest
from twisted.internet import defer
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
    getConnectError,
)
from twisted.python.failure import Failure

from gateway.net.transport.failures import explain_failure, failure_cause, tls_failure
from tests.observe.admin_client import samples
from tests.servers.gateway_process import GatewayProcess, configuration, free_port
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

CLIENT = {"sync_accounts": ["svc@corp.example"], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (DNSLookupError(), "name-unknown"),
        (TimeoutError(), "timeout"),
        (defer.TimeoutError(), "timeout"),
        (ConnectingCancelledError(None), "timeout"),
        (ConnectionRefusedError(), "refused"),
        (ConnectError(), "other"),
        (OSError(), "other"),
    ],
)
def test_failures_before_tls(error, cause):
    assert failure_cause(Failure(error)) == cause


@pytest.mark.parametrize(
    "alert",
    [
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
    ],
)
def test_the_certificate_that_a_peer_does_not_accept_is_named(alert):
    error = ssl.SSLError(ssl.SSLErrorNumber.SSL_ERROR_SSL, alert)
    error.reason = alert
    assert " client_certificate" in explain_failure(Failure(error))
    assert " the listener's certificate" in tls_failure(Failure(error))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (getConnectError((errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))), "refused: the host is there, and"),
        (getConnectError((errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))), "there is no way to the host"),
        (
            getConnectError((errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))),
            "this host has no route to that network",
        ),
        (getConnectError((errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))), "no interface of this host has"),
        (ConnectionRefusedError(), "refused: the host is there, and nothing listens"),
        (ConnectionLost(), "the connection broke"),
        (ConnectionDone(), "the other side closed the connection"),
        (ConnectError(), "the connection broke"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "this process has as many files and connections open"),
        (builtins.TimeoutError(), "no answer in time"),
        (DNSLookupError(), "its name does not resolve"),
        (KeyError("SECRET"), "the gateway failed at it (KeyError): please report it"),
    ],
)
def test_no_text_of_the_framework_or_the_system_is_told(error, said):
    told = explain_failure(Failure(error))
    assert told.startswith(said)
    assert "SECRET" not in told and "twisted" not in told.lower() and not re.search(r"[0-9]", told)


@pytest.mark.parametrize(
    ("code", "said"),
    [(9, "not valid yet: are the clocks"), (10, "has expired"), (18, "self-signed"), (62, "see server_name")],
)
def test_what_is_wrong_with_a_certificate_is_told(code, said):
    error = ssl.SSLCertVerificationError(ssl.SSLErrorNumber.SSL_ERROR_SSL, "CERTIFICATE_VERIFY_FAILED")
    error.verify_code, error.verify_message = code, "words of OpenSSL"
    assert said in explain_failure(Failure(error)) and "OpenSSL" not in explain_failure(Failure(error))


@pytest.fixture
def no_tls():
    """The port of a server that speaks first, and not TLS."""

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"220 no TLS here\r\n")
                connection.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(30)


@pytest.mark.servers
def test_failures_of_real_servers(certificates, server_certificates, tmp_path, no_tls):
    closed = free_port()
    with StubServer(server_certificates) as named, StubServer(certificates) as trusted:
        ports = {closed: "refused", no_tls: "tls", named.port: "certificate", trusted.port: "certificate"}
        names = dict.fromkeys(ports, "localhost") | {named.port: "dc1.corp.example"}
        directory = {
            "servers": [{"url": f"ldaps://127.0.0.1:{port}", "server_name": names[port]} for port in ports],
            "ca_file": server_certificates.ca_file,
            "health": "off",
        }
        config = configuration(certificates, directory, CLIENT, admin={"address": "127.0.0.1:0"})
        with GatewayProcess(tmp_path, config) as running:
            with RawClient(running.port, certificates.ca_file) as session:
                assert session.bind("svc@corp.example", "Passw0rd") == 52
            found = samples(running.admin_port)
    for port, cause in ports.items():
        place = ("corp", cause, f"{names[port]}:{port}")
        assert found["ldap_gateway_server_connection_failures_total", *place] >= 1
        assert found["ldap_gateway_server_up", "corp", f"{names[port]}:{port}"] == 0
