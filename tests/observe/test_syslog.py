import json
import time
from collections import deque
from pathlib import Path

import pytest
from twisted.logger import LogLevel

from gateway.demo.certificates import LOOPBACK_NAMES, make_certificates
from gateway.observe.audit.line import AuditLine, Severity
from gateway.observe.audit.log import AuditError, AuditLog
from gateway.observe.audit.output import RecordTooLong
from gateway.observe.audit.settings import AuditSettings, SyslogSettings, SyslogTransport
from gateway.observe.audit.syslog import SyslogHeader, syslog_output
from tests.observe.records import record
from tests.observe.syslog_server import PATIENCE, SyslogServer, parse

NOW = 1_700_000_000.5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("syslog"), "syslog", LOOPBACK_NAMES)


@pytest.fixture(params=list(SyslogTransport))
def server(request, tmp_path, certificates):
    tls = request.param is SyslogTransport.tls
    with SyslogServer(request.param, tmp_path / "log", certificates if tls else None) as running:
        yield running


def settings(server, ca_file=None, **changes):
    if server.transport is SyslogTransport.unix:
        host, port = server.address, 0
    else:
        host, port = "localhost", int(server.address.rpartition(":")[2])
    return SyslogSettings(server.transport, host, port, ca_file=ca_file, **changes)


@pytest.fixture
def start(server, certificates):
    opened = []

    def make(**changes):
        said = []
        ca_file = certificates.ca_file if server.transport is SyslogTransport.tls else None
        wanted = AuditSettings(syslog=settings(server, ca_file, **changes))
        opened.append(AuditLog(wanted, lambda *each: said.append(each), clock=lambda: NOW, retry=0.02))
        return opened[-1], said

    yield make
    for audit in opened:
        audit.close(PATIENCE)


def search(number, **fields):
    return record(base=f"OU={number}", **fields)


def bases(messages):
    return [int(json.loads(message["text"])["base"].removeprefix("OU=")) for message in messages]


def test_the_header_is_that_of_the_rfc():
    line = AuditLine('{"base":"ü"}\n'.encode(), "search", Severity.notice, NOW)
    parts = parse(SyslogHeader(facility=17).message(line, 4))
    # local1.notice; RFC 5424 6.2.1.
    assert parts["pri"] == str(17 * 8 + 5)
    assert parts["time"] == "2023-11-14T22:13:20.500+00:00"
    assert (parts["app"], parts["kind"], parts["sequence"]) == ("ldap-gateway", "search", 5)
    assert '[origin software="ldap-gateway" swVersion="' in parts["data"]
    # RFC 5424 7.3.1: after the largest number comes 1.
    assert parse(SyslogHeader(0).message(line, 2**31 - 2))["sequence"] == 2**31 - 1
    assert parse(SyslogHeader(0).message(line, 2**31 - 1))["sequence"] == 1
    assert parts["text"] == '{"base":"ü"}'


def test_the_room_for_the_header_is_enough():
    header = SyslogHeader(23)
    line = AuditLine(b"\n", "a-kind-of-thirty-two-characters-", Severity.informational, NOW)
    assert len(header.message(line, 2**31 - 2)) <= header.most


def test_records_arrive_numbered_and_with_their_severity(server, start):
    audit, said = start(facility=20)
    audit.write(search(0))
    audit.write(search(1, code=50, decision="refuse", reason="base-not-allowed"))
    audit.write(search(2, code=52, reason="server-lost"))
    messages = server.wait_for(3)
    assert bases(messages) == [0, 1, 2]
    assert [message["sequence"] for message in messages] == [1, 2, 3]
    assert [int(message["pri"]) for message in messages] == [20 * 8 + 6, 20 * 8 + 5, 20 * 8 + 4]
    assert {message["kind"] for message in messages} == {"search"}
    assert said == []


def test_a_long_record_is_shortened_and_says_so(server, start):
    audit, _ = start(message_octets=2048)
    audit.write(search(0, asked=tuple(f"attribute{i}" for i in range(500))))
    (message,) = server.wait_for(1)
    shown = json.loads(message["text"])
    assert shown["shortened"] == {"asked": 500}
    assert shown["asked"] == [f"attribute{i}" for i in range(len(shown["asked"]))]
    assert len(server.messages[0]) <= 2048


def test_a_server_that_goes_and_comes_back_gets_what_waited(server, start):
    audit, said = start()
    for i in range(10):
        audit.write(search(i))
    server.wait_for(10)
    server.go()
    for i in range(10, 40):
        audit.write(search(i))
    until = time.monotonic() + PATIENCE
    while not audit.health.problem:
        # UDP has no way to tell of the first one; the next one finds out.
        if server.transport is SyslogTransport.udp:
            audit.write(search(99))
        assert time.monotonic() < until
        time.sleep(0.01)
    assert server.address.rpartition("//")[2] in audit.health.problem
    server.come()
    if server.transport is SyslogTransport.udp:
        while audit.health.problem:
            assert time.monotonic() < until
            time.sleep(0.01)
        # Numbers that are missing show what was lost on the way.
        numbers = [message["sequence"] for message in server.wait_for(11)]
        assert numbers[-1] > 11
    else:
        messages = server.wait_for(40)
        assert bases(messages) == list(range(40))
        assert [message["sequence"] for message in messages] == list(range(1, 41))
    # It is said once the server has everything, so perhaps a moment after that.
    while len(said) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert [level for level, _ in said] == [LogLevel.error, LogLevel.warn]
    assert audit.health.lost == 0


# The receive buffer of UDP may drop some.
@pytest.mark.parametrize(
    "server", [transport for transport in SyslogTransport if transport is not SyslogTransport.udp], indirect=True
)
def test_more_records_than_one_write_takes_arrive_whole_and_in_order(server, start):
    audit, _ = start()
    for i in range(3000):
        audit.write(search(i))
    assert audit.close(PATIENCE) == 0
    assert bases(server.wait_for(3000)) == list(range(3000))


def test_a_server_whose_certificate_is_of_somebody_else_gets_nothing(certificates, tmp_path):
    other = make_certificates(tmp_path, "other", LOOPBACK_NAMES)
    with SyslogServer(SyslogTransport.tls, certificates=certificates) as server:
        output = syslog_output(settings(server, other.ca_file))
        waiting = deque([AuditLine(b"{}\n", "search", Severity.informational, NOW)])
        with pytest.raises(OSError, match="certificate verify failed"):
            output.write(waiting)
        assert len(waiting) == 1
        assert server.messages == []


def test_a_renewed_authority_is_used_once_it_is_opened_anew(certificates, tmp_path):
    trusted = make_certificates(tmp_path, "other").ca_file
    with SyslogServer(SyslogTransport.tls, certificates=certificates) as server:
        output = syslog_output(settings(server, trusted))
        waiting = deque([AuditLine(b"{}\n", "search", Severity.informational, NOW)])
        with pytest.raises(OSError, match="certificate verify failed"):
            output.write(waiting)
        trusted.write_bytes(certificates.ca_file.read_bytes())
        output.reopen()
        output.write(waiting)
        output.close()
        assert not waiting
        trusted.unlink()
        with pytest.raises(OSError):
            output.reopen()


def test_a_datagram_that_is_too_long_is_named(tmp_path):
    with SyslogServer(SyslogTransport.udp) as server:
        output = syslog_output(settings(server))
        with pytest.raises(RecordTooLong):
            output.write(deque([AuditLine(b"x" * 70_000, "search", Severity.informational, NOW)]))
        output.close()


def test_a_ca_file_that_is_missing_is_named():
    wanted = SyslogSettings(SyslogTransport.tls, "localhost", 6514, ca_file=Path("/missing.pem"))
    with pytest.raises(AuditError, match=r"^audit\.syslog\.ca_file /missing\.pem: there is no such file$"):
        AuditLog(AuditSettings(syslog=wanted), print)
