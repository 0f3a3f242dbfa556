"""A server that is well, and one for each thing that goes wrong on the way to it."""

import socket
from datetime import timedelta

import pytest

from gateway.ldap import messages as m
from gateway.ldap.encoding import encode
from gateway.ldap.results import LDAPResult
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.tools.doctor.server import STEPS, check_server
from tests.servers.stub_server import StubServer
from tests.tools.chains import NOW, Authority, self_signed, write
from tests.tools.ports import black_hole, serving
from tests.tools.said import Said

ROOT_DSE = m.SearchResultEntry(
    "", (m.Attribute("objectClass", (b"top", b"OpenLDAProotDSE")), m.Attribute("namingContexts", (b"DC=corp",)))
)


def answer(request):
    return [ROOT_DSE, m.SearchResultDone(LDAPResult(0))] if isinstance(request, m.SearchRequest) else []


def examine(on_reactor, host, port, ca_file, server_name="localhost", patience=5, now=NOW):
    said = Said()
    server = ServerSettings(host, port, server_name)
    directory = DirectorySettings("corp", (server,), ca_file, patience)
    said.dse = on_reactor(lambda reactor: check_server(said.section, directory, server, now, reactor))
    return said


def failed_at(said, step):
    """That everything before the step is well, and everything behind it was not looked at."""
    assert said.dse is None
    found = said.status()
    assert found[step] == "failed"
    before = STEPS[: STEPS.index(step)]
    assert {found[each] for each in before} <= {"ok"}
    assert said[step].advice
    return said[step]


def test_a_server_that_is_well(server_certificates, on_reactor):
    with StubServer(server_certificates, answer) as server:
        said = examine(on_reactor, "127.0.0.1", server.port, server.ca_file)
        (request,) = [each for each in server.requests if not isinstance(each, m.UnbindRequest)]
    assert (request.base, request.scope) == ("", m.BASE_OBJECT)
    assert said.status() == dict.fromkeys(STEPS, "ok") | {"expiry": "warning"}
    assert said.dse.naming_contexts == ("DC=corp",)
    assert "OpenLDAP" in said["answers"].said


def test_a_name_that_does_not_resolve(server_certificates, on_reactor):
    said = examine(on_reactor, "dc1.corp.invalid", 636, server_certificates.ca_file)
    found = failed_at(said, "resolves")
    assert "dc1.corp.invalid does not resolve" in found.said
    assert "server_name" in found.advice


def test_a_closed_port(server_certificates, on_reactor):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    found = failed_at(examine(on_reactor, "127.0.0.1", port, server_certificates.ca_file), "connects")
    assert "nothing listens" in found.said


def test_a_port_whose_packets_are_dropped(server_certificates, on_reactor):
    with black_hole() as port:
        said = examine(on_reactor, "127.0.0.1", port, server_certificates.ca_file, patience=0.5)
    found = failed_at(said, "connects")
    assert "no answer within 0.5 seconds" in found.said
    assert "firewall" in found.advice


def plain_ldap(connection):
    """As a server of plain LDAP takes the greeting of TLS: not LDAP, so a notice of disconnection and the end."""
    connection.recv(4096)
    connection.sendall(encode(m.notice_of_disconnection(m.ResultCode.protocolError, "decoding error")))
    connection.recv(4096)


@pytest.mark.parametrize(
    ("reply", "said", "advice"),
    [
        (plain_ldap, "plain LDAP on an LDAPS port", "636"),
        (lambda connection: connection.recv(100_000) and connection.recv(1), "says nothing", "plain LDAP"),
        (lambda connection: None, "closed before TLS", "no certificate on the server"),
    ],
    ids=["plain LDAP", "silence", "closed"],
)
def test_no_tls(server_certificates, on_reactor, reply, said, advice):
    with serving(reply) as port:
        found = failed_at(examine(on_reactor, "127.0.0.1", port, server_certificates.ca_file, patience=1), "TLS")
    assert said in found.said
    assert advice in found.advice


@pytest.fixture(scope="module")
def root():
    return Authority.make("Corp Root CA")


@pytest.fixture(scope="module")
def issuing(root):
    return Authority.make("Corp Issuing CA", root)


@pytest.fixture
def examine_chain(tmp_path, on_reactor):
    """A function that serves a chain and returns what is said of it; nothing may have been asked of the server."""

    def examine_it(chain, key, *authorities, server_name="localhost", trusted=False):
        files = write(tmp_path, chain, key, *authorities)
        with StubServer(files, answer) as server:
            said = examine(on_reactor, "127.0.0.1", server.port, files.ca_file, server_name)
            assert bool(server.requests) is trusted
        assert (said.dse is not None) is trusted
        return said

    return examine_it


def test_a_whole_chain_is_accepted(examine_chain, root, issuing):
    certificate, key = issuing.issue("localhost")
    said = examine_chain([certificate, issuing.certificate], key, root.certificate, trusted=True)
    assert set(said.status().values()) == {"ok"}


def test_one_that_expires_soon_is_a_warning(examine_chain, root):
    certificate, key = root.issue("localhost", days=12)
    said = examine_chain([certificate], key, root.certificate, trusted=True)
    assert said["expiry"].status == "warning"
    assert "12 days" in said["expiry"].said


def flawed(flaw, root, issuing):
    """chain, key, authorities."""
    other = Authority.make("Other CA")
    if flaw == "expired":
        certificate, key = root.issue("localhost", days=-2)
        return [certificate], key, [root.certificate]
    if flaw == "self-signed":
        certificate, key = self_signed("localhost")
        return [certificate], key, [root.certificate]
    if flaw == "incomplete":
        certificate, key = issuing.issue("localhost")
        return [certificate], key, [root.certificate]
    if flaw == "unknown root":
        certificate, key = other.issue("localhost")
        return [certificate, other.certificate], key, [root.certificate]
    certificate, key = root.issue("dc7.corp.example")
    return [certificate], key, [root.certificate]


FLAWS = {
    "expired": ("expiry", "localhost expired on", "renew it on the server"),
    "self-signed": ("chain", "localhost is self-signed", "this very certificate"),
    "incomplete": ("chain", "Corp Issuing CA, the issuer of localhost, is neither sent", "intermediate certificate"),
    "unknown root": ("chain", "issued by Other CA", "if that is your authority"),
    "wrong name": ("name", "does not carry localhost; it is for dc7.corp.example", "server_name"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_of_a_certificate_has_its_own_advice(examine_chain, root, issuing, flaw):
    step, text, advice = FLAWS[flaw]
    chain, key, authorities = flawed(flaw, root, issuing)
    said = examine_chain(chain, key, *authorities)
    assert said[step].status == "failed"
    assert text in said[step].said
    assert advice in said[step].advice
    assert said["answers"].status == "skipped"
    others = {each.advice for each in said.findings if each.status == "failed"} - {said[step].advice}
    assert others == set()


def test_a_certificate_from_the_future_blames_the_clock(tmp_path, on_reactor, root):
    certificate, key = root.issue("localhost", days=500)
    files = write(tmp_path, [certificate], key, root.certificate)
    with StubServer(files, answer) as server:
        said = examine(on_reactor, "127.0.0.1", server.port, files.ca_file, now=NOW - timedelta(days=450))
    assert "not valid before" in said["chain"].said
    assert "clock" in said["chain"].advice
