"""TLS as it is: every version and cipher that OpenSSL's own client can offer, tried on a listener."""

import shutil
import socket
import ssl
import subprocess

import pytest

from gateway.demo.certificates import CertificateFiles
from tests.net.test_listener import CLIENT
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl's command is not installed"),
    pytest.mark.servers,
]

# Without this a client of today would not even offer what must be refused.
WEAK = ":@SECLEVEL=0"
TLS12 = {
    "ECDSA": {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    "RSA": {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
}
BIND = bytes.fromhex("300c020101600702010304008000")
TLS13 = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"}


@pytest.fixture(scope="module")
def rsa(tmp_path_factory):
    """A certificate with an RSA key, which is its own authority."""
    directory = tmp_path_factory.mktemp("rsa")
    certificate, key = directory / "rsa.pem", directory / "rsa.key"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return CertificateFiles(certificate, certificate, key)


@pytest.fixture(scope="module")
def gateways(certificates, rsa, tmp_path_factory):
    """By the kind of the listener's key."""
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    with (
        GatewayProcess(tmp_path_factory.mktemp("ecdsa"), configuration(certificates, directory, CLIENT)) as ecdsa,
        GatewayProcess(tmp_path_factory.mktemp("rsa"), configuration(rsa, directory, CLIENT)) as other,
    ):
        yield {"ECDSA": ecdsa, "RSA": other}


def s_client(port, *options, typed=b""):
    """What openssl's client says; it ends with what is typed."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    ran = subprocess.run(command, input=typed, capture_output=True, timeout=PATIENCE, check=False)
    return (ran.stdout + ran.stderr).decode(errors="replace")


def negotiated(said):
    """Version and cipher; None where there was no TLS."""
    for line in said.splitlines():
        if line.startswith("New, ") and "(NONE)" not in line:
            version, cipher = line.removeprefix("New, ").split(", Cipher is ")
            return version, cipher
    return None


def known_ciphers(version):
    listed = subprocess.run(
        ["openssl", "ciphers", "-s", version, f"ALL:COMPLEMENTOFALL{WEAK}"], capture_output=True, text=True, check=True
    )
    return listed.stdout.strip().split(":")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_older_versions_are_refused(gateways, version, kind):
    said = s_client(gateways[kind].port, version, "-cipher", f"ALL{WEAK}")
    assert negotiated(said) is None
    assert "alert protocol version" in said


def test_what_the_scanner_offers_can_be_had_elsewhere(certificates):
    """Or the refusals above and below would prove nothing."""

    def old(context):
        context.set_ciphers(f"ALL{WEAK}")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED

    with StubServer(certificates, configure=old) as server:
        assert negotiated(s_client(server.port, "-tls1_1", "-cipher", f"ALL{WEAK}"))
        said = s_client(server.port, "-tls1_2", "-cipher", f"ECDHE-ECDSA-AES256-SHA{WEAK}")
        assert negotiated(said)[1] == "ECDHE-ECDSA-AES256-SHA"


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_of_all_the_ciphers_of_1_2_these_are_taken_and_no_other(gateways, kind):
    offered = [cipher for cipher in known_ciphers("-tls1_2") if not cipher.startswith("TLS_")]
    assert set(offered) > TLS12[kind] and "AES256-SHA" in offered
    taken = set()
    for cipher in offered:
        found = negotiated(s_client(gateways[kind].port, "-tls1_2", "-cipher", f"{cipher}{WEAK}"))
        if found is not None:
            taken.add(found[1])
    assert taken == TLS12[kind]


def test_of_all_the_ciphers_of_1_3_these_are_taken_and_no_other(gateways):
    taken = set()
    for cipher in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256", *TLS13):
        found = negotiated(s_client(gateways["ECDSA"].port, "-tls1_3", "-ciphersuites", cipher))
        if found is not None:
            taken.add(found[1])
    assert taken == TLS13


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_a_client_that_has_everything_gets_1_3_and_our_first_cipher(gateways, kind):
    assert negotiated(s_client(gateways[kind].port)) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    weakest_first = f"ECDHE-{kind}-AES128-GCM-SHA256:ECDHE-{kind}-AES256-GCM-SHA384"
    said = s_client(gateways[kind].port, "-tls1_2", "-cipher", weakest_first)
    assert negotiated(said)[1] == f"ECDHE-{kind}-AES256-GCM-SHA384"


def test_no_compression(gateways):
    assert "Compression: NONE" in s_client(gateways["ECDSA"].port, "-tls1_2", "-comp", "-cipher", f"ALL{WEAK}")


def resumes(port, version):
    """Whether a second connection may take up the session of the first."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    session = None
    for _ in range(2):
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        with plain, context.wrap_socket(plain, session=session) as connection:
            # The tickets of 1.3 come ahead of the answer.
            connection.sendall(BIND)
            assert connection.recv(1000)
            session, reused = connection.session, connection.session_reused
    return reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_resumed_where_another_server_resumes_it(gateways, server_certificates, version):
    with StubServer(server_certificates) as server:
        assert resumes(server.port, version)
    assert not resumes(gateways["ECDSA"].port, version)


def test_no_renegotiation(gateways):
    said = s_client(gateways["ECDSA"].port, "-tls1_2", typed=b"R\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said


# Towards servers.


def bind_through(tmp_path, certificates, server):
    config = configuration(certificates, server.gateway_directory(), CLIENT)
    with GatewayProcess(tmp_path, config) as gateway, RawClient(gateway.port, certificates.ca_file) as client:
        return client.bind("svc@corp.example", "Passw0rd"), gateway.log()


def only(version, ciphers):
    def configure(context):
        context.set_ciphers(f"{ciphers}{WEAK}")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version

    return configure


@pytest.mark.parametrize(
    "version, ciphers, code",
    [
        (ssl.TLSVersion.TLSv1_3, "ALL", 0),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", 0),
        (ssl.TLSVersion.TLSv1_2, "AES256-SHA:ECDHE-ECDSA-AES256-SHA", 52),
        (ssl.TLSVersion.TLSv1_1, "ALL", 52),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_servers_are_held_to_the_same(certificates, server_certificates, tmp_path, version, ciphers, code):
    with StubServer(server_certificates, configure=only(version, ciphers)) as server:
        said, log = bind_through(tmp_path, certificates, server)
    assert said == code
    assert ("in common" in log) == (code != 0), log


def test_a_listener_certificate_that_openssl_finds_too_weak_ends_the_start_with_its_name(certificates, tmp_path):
    certificate, key = tmp_path / "weak.pem", tmp_path / "weak.key"
    command = "openssl req -x509 -newkey rsa:1024 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*command.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    weak = configuration(CertificateFiles(certificate, certificate, key), directory, CLIENT)
    with pytest.raises(AssertionError, match=r"weak\.pem: .*too small"):
        GatewayProcess(tmp_path, weak)
