"""The copy of a tenant over TLS: Microsoft's own library for tokens against the stand-in's authority, by certificate
and by secret; who is trusted; and what the environment has no say in."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.demo.certificates import make_certificates
from gateway.demo.tenant.authority import App
from gateway.demo.tenant.cloud import Cloud, ServedCloud
from gateway.demo.tenant.delta import Untidiness
from gateway.demo.tenant.made_up import Size, make_tenant
from gateway.demo.tenant.mishaps import Fault, Mishap
from gateway.demo.tenant.model import Kind
from gateway.entra.keeper import Keeper
from gateway.entra.settings import CertificateFiles, CopySettings, EntraSettings, RoundSettings, TenantSettings
from gateway.entra.settings import Cloud as CloudUrls
from gateway.entra.status import read_status
from gateway.entra.trouble import Passing, Stopped
from gateway.entra.web import Web, trust
from gateway.ldap.dn import parse
from tests.entra.played import BASE, CLIENT, EVERYTHING, SECRET, TENANT, PlayedTime, shown


def made_pair(directory, stem, key=None, days=90):
    """A certificate for the app, as an administrator makes one."""
    key = key or rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ldap-gateway")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = CertificateFiles(directory / f"{stem}.pem", directory / f"{stem}.key")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.private_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, files


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return made_pair(tmp_path_factory.mktemp("app"), "app")


@pytest.fixture(scope="module")
def served(tmp_path_factory, pair):
    directory = tmp_path_factory.mktemp("tls")
    files = make_certificates(directory, "cloud")
    cloud = Cloud(make_tenant(), App(TENANT, CLIENT, SECRET, pair[0]))
    with ServedCloud(cloud, files) as server:
        yield server, files


class Copy:
    """A copy in a file of its own."""

    def __init__(self, served, tmp_path, credential=None):
        self.server, files = served
        self.cloud = self.server.cloud
        self.said = []
        secret = tmp_path / "secret"
        secret.write_text(SECRET + "\n")
        urls = CloudUrls(self.server.origin, self.server.origin)
        self.settings = EntraSettings(
            "cloud",
            TenantSettings(TENANT, CLIENT, credential or secret, urls, files.ca_file),
            CopySettings(parse(BASE), EVERYTHING, guests=True),
            tmp_path / "copy.sqlite3",
            RoundSettings(),
        )

    def tenant(self, **changes):
        self.settings = replace(self.settings, tenant=replace(self.settings.tenant, **changes))

    def once(self, patience=2, **others):
        # Only the waits are played.
        clock = replace(PlayedTime().clock(), now=time.time)
        with closing(Keeper(self.settings, self.said.append, clock=clock, patience=patience, **others)) as keeper:
            keeper.once()

    def people(self):
        return {dn for dn in shown(self.settings.store) if dn.startswith("CN=")}


@pytest.fixture
def copy(served, tmp_path):
    found = Copy(served, tmp_path)
    yield found
    found.cloud.graph.behaviour = type(found.cloud.graph.behaviour)()


EVERYBODY = Size().people + Size().groups + Size().contacts


def test_a_copy_by_secret_is_whole_whatever_happens_on_the_way(copy):
    mishaps = iter([None, Mishap.throttled, Mishap.cut, None, Mishap.no_answer, None, Mishap.ends_early] * 2)

    def fault(asked):
        mishap = next(mishaps, None)
        return None if mishap is None else Fault(mishap, "0.25" if mishap is Mishap.throttled else None)

    copy.cloud.graph.behaviour.untidy = Untidiness(page=9, links=5, empty=0.2, again=0.2, shuffled=True)
    copy.cloud.graph.behaviour.fault = fault
    copy.once(patience=5)
    assert len(copy.people()) == EVERYBODY
    assert read_status(copy.settings.store).certificate_ends is None


def test_a_copy_by_certificate(copy, pair):
    certificate, files = pair
    copy.tenant(credential=files)
    copy.once()
    assert len(copy.people()) == EVERYBODY
    assert read_status(copy.settings.store).certificate_ends == certificate.not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ({"secret": "another"}, "(AADSTS7000215): the secret is not that of the app"),
        ({"client_id": "another"}, "(AADSTS700016): there is no app with this client_id"),
        ({"tenant": "another"}, "(AADSTS90002): there is no such tenant"),
    ],
)
def test_what_the_authority_refuses_is_said_in_words(copy, app, said, caplog):
    caplog.set_level("DEBUG")
    real = copy.cloud.authority.app
    copy.cloud.authority.app = replace(real, **app)
    try:
        with pytest.raises(Stopped) as raised:
            copy.once()
    finally:
        copy.cloud.authority.app = real
    assert said in str(raised.value)
    assert SECRET not in str(raised.value) + caplog.text


def test_a_certificate_that_is_not_registered_is_refused(copy, tmp_path, caplog):
    caplog.set_level("DEBUG")
    _, files = made_pair(tmp_path, "other")
    copy.tenant(credential=files)
    with pytest.raises(Stopped, match=r"\(AADSTS700027\): the certificate is not registered for the app"):
        copy.once()
    assert "eyJ" not in caplog.text


def test_a_credential_that_cannot_be_used_is_said_in_words(copy, tmp_path, pair):
    _, files = pair
    _, other = made_pair(tmp_path, "other")
    _, curved = made_pair(tmp_path, "curved", ec.generate_private_key(ec.SECP256R1()))
    empty, odd = tmp_path / "empty", tmp_path / "odd"
    empty.write_text(" \n")
    odd.write_bytes(b"\xff\xfe")
    for credential, said in [
        (empty, "is empty"),
        (odd, "is no text"),
        (tmp_path / "missing", "there is no such file"),
        (CertificateFiles(files.private_key, files.private_key), "is no certificate in PEM form"),
        (CertificateFiles(files.certificate, files.certificate), "is no key in PEM form"),
        (CertificateFiles(files.certificate, other.private_key), "does not belong to certificate"),
        (curved, "is no RSA key"),
    ]:
        copy.tenant(credential=credential)
        with pytest.raises(Stopped, match=said):
            copy.once()
    assert not copy.settings.store.exists() or not copy.people()


def test_only_the_authorities_of_ca_file_count(copy, tmp_path):
    other = make_certificates(tmp_path, "other")
    copy.tenant(ca_file=other.ca_file)
    with pytest.raises(Passing, match=r"not issued by a CA in ca_file.*a proxy that inspects TLS needs its authority"):
        copy.once()
    copy.tenant(ca_file=None)
    with pytest.raises(Passing, match="not issued by a CA"):
        copy.once()
    copy.tenant(ca_file=tmp_path / "missing.pem")
    with pytest.raises(Stopped, match=r"ca_file .*missing.pem cannot be read: there is no such file"):
        copy.once()


def test_the_environment_has_no_say_in_authorities_and_proxies(copy, tmp_path, monkeypatch, served):
    other = make_certificates(tmp_path, "other")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other.ca_file))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("MSAL_FORCE_REGION", "westeurope")
    copy.once()
    assert len(copy.people()) == EVERYBODY
    # Nor do those of the environment make trusted what ca_file does not have.
    monkeypatch.setenv("SSL_CERT_FILE", str(served[1].ca_file))
    copy.tenant(ca_file=None)
    with pytest.raises(Passing, match="not issued by a CA"):
        copy.once()


def test_a_proxy_that_does_not_answer_is_said_without_its_password(copy):
    copy.tenant(proxy=f"http://gateway:{SECRET}@127.0.0.1:9")
    with pytest.raises(Passing) as raised:
        copy.once()
    assert "refused" in str(raised.value)
    assert SECRET not in str(raised.value) + repr(copy.settings)
    copy.tenant(proxy=f"odd://gateway:{SECRET}@proxy")
    with pytest.raises(Stopped, match="`proxy` is no URL of a proxy") as raised:
        copy.once()
    assert SECRET not in str(raised.value)


def test_an_answer_without_an_end_is_not_taken(copy, monkeypatch):
    monkeypatch.setattr("gateway.entra.web.MOST_OCTETS", 1000)
    with pytest.raises(Passing, match="more than 1000 octets"):
        copy.once()


def test_an_answer_that_trickles_is_given_up():
    class Trickle(httpx.SyncByteStream):
        def __iter__(self):
            for _ in range(10):
                moment[0] += 100
                yield b"x"

    moment = [0.0]
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Trickle()))
    settings = TenantSettings(TENANT, CLIENT, None)
    with (
        closing(Web(settings, transport, lambda: moment[0])) as web,
        pytest.raises(Passing, match="within 300 seconds"),
    ):
        web.get("https://graph.test/", {})


def test_the_stand_in_counts_and_lists_over_https(served):
    server, files = served
    assert sum(1 for _ in server.cloud.tenant.present(Kind.users)) == Size().people
    with httpx.Client(verify=trust(files.ca_file), trust_env=False) as client:
        assert client.get(f"{server.origin}/v1.0/users/delta").status_code == 401
        assert client.get(f"{server.origin}/nowhere").json()["error"] == "invalid_tenant"
