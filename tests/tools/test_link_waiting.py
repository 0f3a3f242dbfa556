"""A link at the end that waits, as `doctor` tells of it: its keys, its sources, and what an agent may lack."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509

from gateway.ask.findings import Area, Section
from gateway.link.settings import OutsideSettings
from gateway.link.standing import ClientStanding, LinkStanding, PeerStanding, Side
from gateway.tools.doctor.link_waiting import check_servers, check_waiting
from gateway.tools.doctor.running_links import Running, check_line
from tests.link.key_files import made

NOW = datetime.now(UTC)
READY = ClientStanding("mimecast", True, "")
HERE = PeerStanding(
    name="inside-1",
    up=True,
    why="",
    version="0.1.0",
    round_trip=0.0003,
    berths=4,
    sessions=2,
    key_expires=0.0,
    clients=(READY,),
    differs=(),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    return {name: made(directory, name) for name in ("outside", "inside-1", "inside-2")}


def changed(**changes):
    return replace(HERE, **changes)


class Doctor:
    """What was found, by subject and step."""

    def __init__(self, keys, *peers, sources=(), now=NOW, why="", agents=("inside-1",), address="127.0.0.1:1"):
        self.findings = []
        pinned = {name: keys[name].certificate for name in agents}
        link = OutsideSettings("inside", "127.0.0.1", 1, sources, keys["outside"], pinned)
        known = [LinkStanding("inside", Side.outside, address, 0.0, peers)] if peers else None
        self.running = Running(known, why)
        check_waiting(self.section, link, ["mimecast"], self.running, now)

    def section(self, subject):
        return Section(self.findings.append, Area.link, subject)

    def __call__(self, step, subject="inside, agent inside-1"):
        (found,) = [each for each in self.findings if (each.subject, each.step) == (subject, step)]
        return found.status.value, found.said, found.advice


def test_an_agent_that_is_well(keys):
    doctor = Doctor(keys, HERE, sources=(ip_network("192.0.2.1"),))
    assert {each.status.value for each in doctor.findings} == {"ok"}
    assert doctor("here")[1] == "version 0.1.0, round trip 0.3 ms, 4 connections wait, 2 sessions"
    assert doctor("sources", "inside")[1] == "192.0.2.1/32 may connect"


@pytest.mark.parametrize(
    "changes, step, status, said, advice",
    [
        ({"berths": 0}, "here", "warning", "0 connections wait", "waits for a connection first"),
        ({"clients": ()}, "clients", "failed", "it has no client mimecast on this link", "link export"),
        (
            {"clients": (ClientStanding("mimecast", False, "no server of its directory is up"),)},
            "clients",
            "failed",
            "not ready for mimecast: no server of its directory is up",
            "run doctor at the inside",
        ),
        ({"differs": ("clients.mimecast.attributes",)}, "policies", "warning", "clients.mimecast.attributes", "export"),
        ({"differs": None}, "policies", "skipped", "it has not said yet", ""),
        ({"up": False, "why": "it was silent for 15 s"}, "here", "failed", "it was silent for 15 s", "at the inside"),
    ],
)
def test_what_an_agent_may_lack(keys, changes, step, status, said, advice):
    found = Doctor(keys, changed(**changes))(step)
    assert found[0] == status
    assert said in found[1] and advice in found[2]


def test_one_of_several_that_is_not_here_is_no_hurry(keys):
    doctor = Doctor(
        keys, HERE, changed(name="inside-2", up=False, why="it is not here"), agents=("inside-1", "inside-2")
    )
    assert doctor("here", "inside, agent inside-2")[0] == "warning"


def test_an_agent_that_the_running_gateway_does_not_know(keys):
    assert "reload" in Doctor(keys, changed(name="other"))("here")[1]


def test_keys_that_end(keys):
    until = x509.load_pem_x509_certificate(keys["inside-1"].certificate.read_bytes()).not_valid_after_utc
    assert Doctor(keys, HERE, now=until - timedelta(days=61))("pinned key")[0] == "ok"
    assert Doctor(keys, HERE, now=until - timedelta(days=59))("pinned key")[0] == "warning"
    status, said, advice = Doctor(keys, HERE, now=until + timedelta(days=1))("pinned key")
    assert (status, "expired on" in said) == ("failed", True)
    assert "`ldap-gateway link key` at the inside" in advice
    early = Doctor(keys, HERE, now=until - timedelta(days=800))("pinned key")
    assert early[0] == "failed" and "clocks" in early[2]


def test_a_pinned_file_that_is_gone_or_is_none(keys, tmp_path):
    (tmp_path / "text.pem").write_text("nothing")
    for path, said in (
        (tmp_path / "gone.pem", "there is no such file"),
        (tmp_path / "text.pem", "no certificate in PEM"),
    ):
        files = {**keys, "inside-1": type(keys["inside-1"])(path, path)}
        status, found, advice = Doctor(files, HERE)("pinned key")
        assert status == "failed" and said in found and advice


def test_an_address_that_is_in_force_from_the_next_reload_on(keys):
    doctor = Doctor(keys, HERE, address="127.0.0.1:2")
    status, said, advice = doctor("listens", "inside")
    assert (status, advice) == ("warning", "kill -HUP the gateway")
    assert said == "the running gateway waits at 127.0.0.1:2, and the configuration says 127.0.0.1:1"


def test_the_line_of_a_running_gateway_inside(keys):
    for changes, status, said in (
        ({}, "ok", "the running gateway has one, round trip 0.3 ms, 2 sessions"),
        ({"up": False, "why": "it refused"}, "failed", "the running gateway has none: it refused"),
        ({"name": "elsewhere"}, "skipped", "the running gateway does not know it yet: reload it"),
    ):
        doctor = Doctor(keys, changed(**changes))
        check_line(doctor.section("dmz"), doctor.running, "inside", "inside-1")
        assert doctor("line", "dmz")[:2] == (status, said)


def test_what_stands_for_the_servers_of_a_directory(keys):
    for peers, status in (((HERE,), "ok"), ((changed(clients=()),), "failed"), ((), "skipped")):
        doctor = Doctor(keys, *peers)
        check_servers(doctor.section("corp"), ["mimecast"], doctor.running, "inside", "run it there")
        assert doctor("servers", "corp")[0] == status
