"""Handshakes of a link in memory: who gets through, who does not, and what is said of it. No sockets here."""

import ssl
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from gateway.link.pins import Pins, read_pins
from gateway.link.tls import PROTOCOL, Stranger, explain_handshake, inside_context, outside_context, peer
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.tls_policy import client_context
from tests.link.key_files import NOW, identity, made, pinned, unread_pins, write


class Handshake:
    """Two ends that have said all that they have to say."""

    def __init__(self, outside, inside):
        self.outside = TlsLayer(outside, server_side=True)
        self.inside = TlsLayer(inside, server_side=False)
        self.heard = b""
        here, there = self.inside.begin(), b""
        while here or there:
            self.outside.receive(here)
            there = self.outside.outgoing()
            self.heard += self.inside.receive(there)
            here, there = self.inside.outgoing(), b""
        # In TLS 1.3 the inside is up before the outside has judged its certificate.
        self.up = self.outside.established and self.inside.established and self.inside.failure is None

    def failures(self):
        """What the outside and the inside say of it."""
        return [
            None if each.failure is None else explain_handshake(each.failure) for each in (self.outside, self.inside)
        ]


class Ends:
    """outside, inside: the pairs that they show. Each pins what the other one shows, if nothing else is said."""

    def __init__(self, tmp_path):
        self.outside = made(tmp_path / "out", "dmz")
        self.inside = made(tmp_path / "in", "inside-1")

    def shake(self, inside=None, outside=None, agents=None, hosts=None):
        agents = pinned(inside_1=self.inside) if agents is None else agents
        hosts = pinned(gw=self.outside) if hosts is None else hosts
        return Handshake(
            outside_context(identity(outside or self.outside), agents),
            inside_context(identity(inside or self.inside), hosts),
        )


@pytest.fixture
def ends(tmp_path):
    return Ends(tmp_path)


@pytest.fixture
def stranger(tmp_path):
    return made(tmp_path / "stranger", "inside-1")


OTHER_KEY = "it shows another key than the one that is pinned here"
NOT_KNOWN = "TLS: the other end does not know the key that this one shows"


def test_both_ends_are_who_they_should_be(ends):
    done = ends.shake()
    assert done.up
    assert done.outside.version == done.inside.version == "TLSv1.3"
    assert done.outside.application_protocol == done.inside.application_protocol == PROTOCOL
    assert peer(done.outside, pinned(inside_1=ends.inside)) == "inside-1"
    assert peer(done.inside, pinned(gw=ends.outside)) == "gw"
    octets = done.outside.send(b"hello")
    assert done.inside.receive(octets) == b"hello"


def test_the_same_with_the_checks_that_later_pythons_make(ends):
    contexts = (
        outside_context(identity(ends.outside), pinned(inside_1=ends.inside)),
        inside_context(identity(ends.inside), pinned(gw=ends.outside)),
    )
    for context in contexts:
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert Handshake(*contexts).up


def test_an_agent_with_a_key_that_nobody_pinned(ends, stranger):
    done = ends.shake(inside=stranger)
    assert not done.outside.established
    here, there = done.failures()
    assert here.startswith(OTHER_KEY)
    assert there.startswith(NOT_KNOWN)


def test_an_outside_with_a_key_that_nobody_pinned(ends, stranger):
    done = ends.shake(outside=stranger)
    assert not done.inside.established
    assert done.failures()[1].startswith(OTHER_KEY)
    assert done.failures()[0].startswith(NOT_KNOWN)


def test_a_stranger_with_the_same_subject(tmp_path, ends):
    pin, copy = write(tmp_path / "1", "inside-1"), write(tmp_path / "2", "inside-1")
    agents = pinned(inside_1=pin)
    assert ends.shake(inside=pin, agents=agents).up
    done = ends.shake(inside=copy, agents=agents)
    assert not done.outside.established
    assert done.failures()[0].startswith(OTHER_KEY)


@pytest.mark.parametrize("ca", [False, None, True])
def test_a_certificate_that_a_pinned_key_has_issued(ca, tmp_path, ends):
    key = generate_private_key(SECP256R1())
    authority = write(tmp_path / "authority", "issuer", key=key, ca=ca)
    leaf = write(tmp_path / "leaf", "leaf", issuer=key)
    # Only a reader that looks at nothing would pin one that may issue others, and even then the leaf is nobody.
    agents = unread_pins(authority)
    context = inside_context(identity(ends.inside), pinned(gw=ends.outside))
    context.load_cert_chain(leaf.certificate, leaf.private_key)
    done = Handshake(outside_context(identity(ends.outside), agents), context)
    assert done.outside.established is (ca is True)
    if done.outside.established:
        with pytest.raises(Stranger, match="not pinned"):
            peer(done.outside, agents)


@pytest.mark.parametrize(
    ("begun", "left", "said"),
    [
        (timedelta(days=9), timedelta(days=-1), "its certificate has expired"),
        (
            timedelta(days=-1),
            timedelta(days=9),
            "its certificate is not valid yet: are the clocks of both hosts right?",
        ),
    ],
)
def test_a_pin_whose_time_is_not_now(begun, left, said, tmp_path, ends):
    files = write(tmp_path / "old", "inside-1", begun=begun, left=left)
    context = inside_context(identity(ends.inside), pinned(gw=ends.outside))
    context.load_cert_chain(files.certificate, files.private_key)
    done = Handshake(outside_context(identity(ends.outside), unread_pins(files)), context)
    assert not done.outside.established
    assert done.failures()[0].startswith(said)


def test_with_nobody_pinned_nobody_gets_through(ends):
    done = ends.shake(agents=Pins({}))
    assert not done.outside.established
    assert done.failures()[0].startswith(OTHER_KEY)
    done = ends.shake(hosts=Pins({}))
    assert not done.inside.established


def test_a_pair_out_of_time_is_shown_and_refused(tmp_path, ends):
    old = made(tmp_path / "old", "inside-1", NOW - timedelta(days=800))
    done = ends.shake(inside=old, agents=pinned(inside_1=old))
    assert not done.outside.established
    assert [said.partition(":")[0] for said in done.failures()] == ["its certificate has expired", "TLS"]
    assert "this one's certificate has expired" in done.failures()[1]


def test_two_pins_of_one_end_while_its_key_is_changed(tmp_path, ends):
    later = made(tmp_path / "later", "inside-1")
    agents = Pins({"inside-1": read_pins(ends.inside.certificate) + read_pins(later.certificate)})
    for shown in (ends.inside, later):
        done = ends.shake(inside=shown, agents=agents)
        assert done.up
        assert peer(done.outside, agents) == "inside-1"
    hosts = Pins({"gw": read_pins(ends.outside.certificate) + read_pins(later.certificate)})
    for shown in (ends.outside, later):
        done = ends.shake(outside=shown, hosts=hosts)
        assert done.up
        assert peer(done.inside, hosts) == "gw"


def test_one_whose_pin_was_taken_away(tmp_path, ends):
    other = made(tmp_path / "other", "inside-2")
    done = ends.shake()
    with pytest.raises(Stranger, match="not pinned"):
        peer(done.outside, pinned(inside_2=other))


def caller(ends, **options):
    """A client of TLS that trusts the outside, and may do things differently."""
    context = client_context()
    context.check_hostname = False
    context.load_verify_locations(cafile=str(ends.outside.certificate))
    if options.get("shows", True):
        context.load_cert_chain(ends.inside.certificate, ends.inside.private_key)
    if options.get("protocols", [PROTOCOL]):
        context.set_alpn_protocols(options.get("protocols", [PROTOCOL]))
    context.maximum_version = options.get("version", ssl.TLSVersion.MAXIMUM_SUPPORTED)
    return context


def towards(ends, **options):
    return Handshake(outside_context(identity(ends.outside), pinned(inside_1=ends.inside)), caller(ends, **options))


def test_one_like_a_gateway_is_let_in(ends):
    assert towards(ends).up


def test_one_without_a_certificate(ends):
    done = towards(ends, shows=False)
    assert not done.outside.established
    assert done.failures()[0].startswith("TLS: it showed no certificate, so it is no gateway of this link")
    assert done.failures()[1].startswith("TLS: the other end asks for a certificate, and this one showed none")


def test_one_that_has_no_tls_of_this_age(ends):
    done = towards(ends, version=ssl.TLSVersion.TLSv1_2)
    assert not done.outside.established
    for said in done.failures():
        assert said.startswith("TLS: the two ends have no TLS 1.3 in common")


@pytest.mark.parametrize("protocols", [[], ["ldap-gateway-link/2"], ["h2", "http/1.1"]])
def test_one_that_speaks_another_protocol_is_told_apart_once_tls_is_up(protocols, ends):
    done = towards(ends, protocols=protocols)
    assert done.up
    with pytest.raises(Stranger, match="speaks no ldap-gateway-link/1"):
        peer(done.outside, pinned(inside_1=ends.inside))


def test_one_that_speaks_a_later_version_too(ends):
    done = towards(ends, protocols=["ldap-gateway-link/2", PROTOCOL])
    assert peer(done.outside, pinned(inside_1=ends.inside)) == "inside-1"


def test_no_session_can_be_resumed(ends):
    outside = outside_context(identity(ends.outside), pinned(inside_1=ends.inside))
    inside = inside_context(identity(ends.inside), pinned(gw=ends.outside))
    first = Handshake(outside, inside)
    first.inside.receive(first.outside.send(b"x"))
    session = first.inside.session
    assert session is None or not session.has_ticket
    assert outside.session_stats()["hits"] == 0
    again = TlsLayer(outside, server_side=True), TlsLayer(inside, server_side=False, session=session)
    octets = again[1].begin()
    while octets:
        again[0].receive(octets)
        again[1].receive(again[0].outgoing())
        octets = again[1].outgoing()
    assert not again[0].resumed
    assert not again[1].resumed


def test_a_pair_that_changed_after_it_was_looked_at_is_still_the_one_that_was_read(tmp_path, ends):
    shown = identity(ends.inside)
    ends.inside.private_key.write_bytes(made(tmp_path / "new", "inside-1").private_key.read_bytes())
    assert inside_context(shown, pinned(gw=ends.outside))
