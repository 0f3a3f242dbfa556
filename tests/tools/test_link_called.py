"""A gateway outside as `doctor` at the inside looks at it: one that is well, and one for each thing that goes wrong."""

import contextlib
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from ipaddress import ip_network

import pytest
from cryptography import x509

from gateway.link.agreed import agreed
from gateway.link.host import LinkHost
from gateway.link.keyring import Keyring
from gateway.link.observer import LinkObserver
from gateway.link.settings import CalledHost, OutsideSettings
from gateway.link.tls import PROTOCOL, inside_context, outside_context
from gateway.policy.settings import Mode
from gateway.relay.settings import SessionLimits
from gateway.tools.doctor.link_called import STEPS, check_called
from tests.link.key_files import made
from tests.policy.policies import policy
from tests.tools.chains import Authority, write
from tests.tools.said import Said

LIMITS = SessionLimits()
SERVED = {"mimecast": agreed(policy(), LIMITS, outside=False)}


class Noting(LinkObserver):
    """Notes whatever an outside tells of a link."""

    def __init__(self, noted):
        for name in vars(LinkObserver):
            if not name.startswith("_"):
                setattr(self, name, lambda *arguments, name=name: noted.append((name, arguments)))


class Ends:
    """The keys of both ends, and the outside's end of the link where there is one. call: runs what it is given on the
    reactor. known: whose key the outside has pinned."""

    def __init__(self, directory, call):
        self.call = call
        self.outside, self.agent, self.other = (made(directory, name) for name in ("outside", "inside-1", "other"))
        self.host = None
        self.noted = []

    def waits(self, *policies, shows=None, known=None, version="1.0", sources=()):
        """An outside that asks for these clients; its port."""
        agents = {"inside-1": (known or self.agent).certificate}
        settings = OutsideSettings("inside", "127.0.0.1", 0, sources, shows or self.outside, agents)
        keyring = Keyring(settings.identity, settings.agents, outside_context, server_side=True)

        async def begin(reactor):
            self.host = LinkHost(settings, keyring, version, reactor, Noting(self.noted))
            self.host.ask_for({each.name: agreed(each, LIMITS, outside=True) for each in policies or (policy(),)})
            self.host.gate.open()
            return self.host.gate.port

        return self.call(begin)

    def keyring(self, host):
        pinned = {host.address: host.certificate}
        return Keyring(self.agent, pinned, inside_context, server_side=False)

    def examine(self, port, served=SERVED, now=None, name="127.0.0.1"):
        said = Said()
        host = CalledHost(name, port, self.outside.certificate)
        now = now or datetime.now(UTC)
        self.call(lambda reactor: check_called(said.section, host, self.keyring(host), served, now, reactor))
        return said

    def stop(self):
        async def stop(reactor):
            self.host.stop()

        if self.host is not None:
            self.call(stop)
            self.host = None


@pytest.fixture
def ends(tmp_path, on_reactor):
    made = Ends(tmp_path, on_reactor)
    yield made
    made.stop()


@contextlib.contextmanager
def serving(reply):
    """A port where reply takes each connection, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.settimeout(20)
                    with connection, contextlib.suppress(OSError):
                        reply(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def shows(pair, **options):
    """Speaks TLS, and nothing behind it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.private_key)
    context.maximum_version = options.get("version", ssl.TLSVersion.MAXIMUM_SUPPORTED)

    def reply(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1000)

    return reply


def failed_at(said, step):
    """That everything before the step is well, and everything behind it was not looked at."""
    found = said.status()
    place = STEPS.index(step)
    assert [found[each] for each in STEPS] == ["ok"] * place + ["failed"] + ["skipped"] * (len(STEPS) - place - 1)
    assert said[step].advice
    return said[step]


def until(reached):
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_outside_that_is_well(ends):
    said = ends.examine(ends.waits(version=version("ldap-gateway")))
    assert said.status() == dict.fromkeys(STEPS, "ok")
    assert "SHA256:" in said["key"].said
    assert said["clients"].said == "it asks for mimecast"
    # It has taken no line and no berth there, and leaves nothing behind.
    until(lambda: ends.host._agents["inside-1"].connections == 0)
    assert ends.host.agents_for(None) == []
    assert ends.noted == []


def test_an_outside_that_does_not_know_this_agents_key(ends):
    found = failed_at(ends.examine(ends.waits(known=ends.other)), "accepted")
    assert "agents" in found.advice


def test_an_outside_with_another_key(ends):
    found = failed_at(ends.examine(ends.waits(shows=ends.other)), "key")
    assert "another key than the pinned one" in found.said and "SHA256:" in found.said
    assert "compare this fingerprint" in found.advice


def test_a_proxy_that_looks_into_tls(ends, tmp_path):
    leaf, key = Authority.make("CORP-PROXY").issue("gateway.example.net")
    files = write(tmp_path, [leaf], key)
    with serving(shows(files)) as port:
        found = failed_at(ends.examine(port), "key")
    assert found.said == "another certificate than the pinned one: gateway.example.net, issuer CORP-PROXY"
    assert found.advice.startswith(f"something looks into TLS on the way: exempt 127.0.0.1:{port} from that")


def test_an_old_tls(ends):
    with serving(shows(ends.outside, version=ssl.TLSVersion.TLSv1_2)) as port:
        found = failed_at(ends.examine(port), "TLS")
    assert found.said == "TLSv1.2 is the most that it has, and a link needs TLS 1.3"


def test_the_right_key_that_speaks_no_link(ends):
    with serving(shows(ends.outside)) as port:
        found = failed_at(ends.examine(port), "accepted")
    assert f"it speaks no {PROTOCOL}" in found.said


def test_another_protocol(ends):
    with serving(lambda connection: (connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), connection.recv(1000))) as port:
        found = failed_at(ends.examine(port), "TLS")
    assert "is it the link's address?" in found.advice


def test_one_that_closes_at_once(ends):
    found = failed_at(ends.examine(ends.waits(sources=(ip_network("192.0.2.1"),))), "TLS")
    assert "`sources`" in found.advice


def test_a_closed_port(ends):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert "nothing listens" in failed_at(ends.examine(port), "connects").said


def test_a_name_that_does_not_resolve(ends):
    found = failed_at(ends.examine(8636, name="gateway.example.invalid"), "resolves")
    assert found.said.startswith("gateway.example.invalid does not resolve")


def test_a_pinned_certificate_that_ends_soon(ends):
    port = ends.waits()
    soon = x509.load_pem_x509_certificate(ends.outside.certificate.read_bytes()).not_valid_after_utc - timedelta(days=9)
    said = ends.examine(port, now=soon)
    assert said["pinned key"].status == "warning"
    assert "for 9 days" in said["pinned key"].said and "link key" in said["pinned key"].advice


def test_a_pinned_certificate_that_has_expired(ends):
    found = ends.examine(ends.waits(shows=ends.other), now=datetime.now(UTC) + timedelta(days=800))
    assert found["pinned key"].status == found["key"].status == "failed"
    assert "no certificate that is pinned here is good now" in found["key"].said


@pytest.mark.parametrize(
    "apart, status",
    [(0, "ok"), (59, "ok"), (300, "warning"), (-300, "warning"), (-90_000, "failed"), (90_000, "failed")],
)
def test_the_clocks_of_both_ends(ends, apart, status):
    said = ends.examine(ends.waits(), now=datetime.now(UTC) - timedelta(seconds=apart - 2 * (apart > 0)))
    assert said["clock"].status == status
    if apart:
        assert status == "ok" or ("before" if apart > 0 else "behind") in said["clock"].said


def test_another_version_there(ends):
    said = ends.examine(ends.waits(version="99.1"))
    assert said["version"].status == "warning"
    assert said["version"].said.startswith("99.1, and ")


def test_policies_that_differ_are_named_by_their_keys(ends):
    said = ends.examine(ends.waits(policy(attributes=("mail",), mode=Mode.report)))
    assert said["policies"].status == "warning"
    assert said["policies"].said == "other at the outside: clients.mimecast.attributes, clients.mimecast.mode"
    assert "link export" in said["policies"].advice


def test_clients_of_one_end_alone(ends):
    said = ends.examine(ends.waits(policy(), policy(name="other")))
    assert said["clients"].said == "it asks for other, and no client of that name has this link in `links` here"
    assert (said["clients"].status, said["policies"].status) == ("failed", "ok")
    ends.stop()
    said = ends.examine(ends.waits(policy(name="third")))
    assert [each.status for each in said.all("clients")] == ["failed", "warning"]
    assert said["policies"].status == "skipped"


def test_an_outside_that_stops(ends):
    port = ends.waits()
    ends.host._stopped = True
    assert "it is stopping" in failed_at(ends.examine(port), "accepted").said
