"""How many connections there may be, and for how long without TLS."""

import contextlib
import socket

import pytest

from gateway.ldap.messages import BASE_OBJECT
from gateway.net.admission import Admission, Place
from gateway.net.settings import ConnectionLimits
from gateway.policy.reasons import Reason
from tests.net.test_listener import CLIENT, closed_without_an_octet
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import PATIENCE, RawClient

LIMITS = ConnectionLimits(sessions=4, sessions_per_source=2, handshakes=3)


def enter(admission, source, limits=LIMITS):
    place = admission.enter(limits)
    return place if isinstance(place, Reason) else (place.claim(source, limits) or place)


def test_places_are_counted_by_source_in_all_and_until_tls_is_up():
    admission = Admission()
    first, second = enter(admission, "a"), enter(admission, "a")
    assert enter(admission, "a") is Reason.too_many_sessions_of_source
    # The refused connection is closed by whoever asked; until then it counts.
    assert admission.enter(LIMITS) is Reason.too_many_handshakes
    first.established()
    third = enter(admission, "b")
    assert isinstance(third, Place)
    assert admission.enter(LIMITS) is Reason.too_many_sessions
    second.leave()
    second.leave()
    assert (admission.open, admission.handshakes, admission.by_source) == (3, 2, {"a": 1, "b": 1})


def test_nothing_is_remembered_of_sources_that_have_left():
    admission = Admission()
    for number in range(100):
        place = enter(admission, f"s{number}")
        place.established()
        place.leave()
    assert (admission.open, admission.handshakes, len(admission.by_source)) == (0, 0, 0)


def gateway_with(certificates, tmp_path, **limits):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {**CLIENT, "sources": ["127.0.0.0/8"]}
    return GatewayProcess(tmp_path, configuration(certificates, directory, client, limits=limits))


def root_dse(client):
    return client.result(client.search("", scope=BASE_OBJECT))[1].code


def test_one_source_too_many_times_is_closed_and_another_is_served(certificates, tmp_path):
    with gateway_with(certificates, tmp_path, sessions_per_source=2) as gateway:
        with (
            RawClient(gateway.port, certificates.ca_file),
            RawClient(gateway.port, certificates.ca_file),
        ):
            assert closed_without_an_octet(gateway.port, "127.0.0.1")
            with RawClient(gateway.port, certificates.ca_file, source="127.0.0.2") as other:
                assert root_dse(other) == 0
            assert "limits.sessions_per_source" in gateway.wait_for("too-many-sessions-of-source")
        # A place becomes free when a session ends, which the gateway hears of a moment later.
        for _ in range(100):
            try:
                with RawClient(gateway.port, certificates.ca_file) as again:
                    assert root_dse(again) == 0
                    break
            except OSError:
                continue
        else:
            pytest.fail("no place became free")


def test_too_many_sessions_in_all(certificates, tmp_path):
    with (
        gateway_with(certificates, tmp_path, sessions=1) as gateway,
        RawClient(gateway.port, certificates.ca_file) as only,
    ):
        assert closed_without_an_octet(gateway.port, "127.0.0.2")
        assert "see limits.sessions" in gateway.wait_for("too-many-sessions:")
        assert root_dse(only) == 0


def test_who_is_silent_before_tls_keeps_nobody_out_for_longer_than_that_may_last(certificates, tmp_path):
    with (
        gateway_with(certificates, tmp_path, handshakes=2, tls_handshake=0.5) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as one,
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as two,
    ):
        two.sendall(b"\x16\x03\x01")
        assert closed_without_an_octet(gateway.port, "127.0.0.2")
        gateway.wait_for("too-many-handshakes")
        for silent in (one, two):
            with contextlib.suppress(ConnectionResetError):
                assert silent.recv(1) == b""
        assert "see limits.tls_handshake" in gateway.wait_for("tls-handshake-timeout")
        with RawClient(gateway.port, certificates.ca_file) as client:
            assert root_dse(client) == 0
        assert "Traceback" not in gateway.log()
