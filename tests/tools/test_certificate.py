"""A listener's certificate as a strict client judges it."""

from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ask.findings import Area
from gateway.tools.doctor.certificate import check_certificate
from tests.tools.chains import NOW, Authority, self_signed, weak_key
from tests.tools.said import Said


@pytest.fixture(scope="module")
def root():
    return Authority.make("Public Root CA")


@pytest.fixture(scope="module")
def issuing(root):
    return Authority.make("Public Issuing CA", root)


def judge(chain, *authorities, name="ldap.example.com", now=NOW):
    said = Said(Area.certificate)
    check_certificate(said.section, chain, [each.certificate for each in authorities], name, now)
    return said


def test_one_that_every_client_accepts(root, issuing):
    leaf, _ = issuing.issue("ldap.example.com", "192.0.2.1")
    said = judge([leaf, issuing.certificate], root)
    assert set(said.status().values()) == {"ok"}
    assert judge([leaf, issuing.certificate], root, name="192.0.2.1")["name"].status == "ok"


def test_a_wildcard_is_for_one_label(root):
    leaf, _ = root.issue("*.example.com")
    assert judge([leaf], root)["name"].status == "ok"
    assert judge([leaf], root, name="ldap.dmz.example.com")["name"].status == "failed"


def test_a_chain_without_its_intermediate(root, issuing):
    leaf, _ = issuing.issue("ldap.example.com")
    found = judge([leaf], root)["chain"]
    assert found.status == "warning"
    assert "Public Issuing CA, the issuer of ldap.example.com" in found.said
    assert "append the issuer's certificate" in found.advice


def test_an_authority_that_the_service_does_not_know(root):
    own = Authority.make("Corp CA")
    leaf, _ = own.issue("ldap.example.com")
    found = judge([leaf, own.certificate], root)["chain"]
    assert (found.status, "Corp CA" in found.said, "given this authority" in found.advice) == ("warning", True, True)


def test_a_self_signed_one(root):
    leaf, _ = self_signed("ldap.example.com")
    found = judge([leaf], root)["chain"]
    assert (found.status, found.said) == ("warning", "self-signed")


def test_another_name(root):
    leaf, _ = root.issue("gw.example.com")
    found = judge([leaf], root)["name"]
    assert found.status == "failed"
    assert found.said == "does not carry ldap.example.com; it is for gw.example.com"


def test_a_common_name_alone_is_no_name(root):
    leaf, _ = root.issue("CN=ldap.example.com")
    said = judge([leaf], root)
    assert (said["name"].status, said["strength"].status) == ("failed", "failed")
    assert "subjectAltName" in said["strength"].said


@pytest.mark.parametrize(
    ("days", "status"), [(-1, "failed"), (0, "warning"), (29, "warning"), (30, "ok")], ids=lambda value: str(value)
)
def test_expiry(root, days, status):
    leaf, _ = root.issue("ldap.example.com", days=days)
    assert judge([leaf], root)["expiry"].status == status


def test_an_intermediate_that_expires_first_is_named(root):
    short = Authority.make("Short CA", root, days=10)
    leaf, _ = short.issue("ldap.example.com")
    found = judge([leaf, short.certificate], root)["expiry"]
    assert (found.status, "(Short CA)" in found.said) == ("warning", True)
    assert judge([leaf, short.certificate], root, now=NOW + timedelta(days=11))["expiry"].status == "failed"


def test_a_chain_that_only_lenient_clients_take(root):
    # RFC 5280 4.2.1.1: the authority key identifier must be there.
    leaf, _ = root.issue("ldap.example.com", identified=False)
    found = judge([leaf], root)["chain"]
    assert (found.status, found.said) == ("failed", "a strict client says: Missing Authority Key Identifier")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"key": weak_key()}, "1024 bits"), ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "serverAuth")],
    ids=["weak key", "no server"],
)
def test_what_strict_clients_refuse(root, options, said):
    leaf, _ = root.issue("ldap.example.com", **options)
    found = judge([leaf], root)["strength"]
    assert (found.status, said in found.said) == ("failed", True)
