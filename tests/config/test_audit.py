from pathlib import Path

import pytest

from gateway.config.audit_file import AuditPlace, audit_place
from gateway.config.problems import ConfigurationError
from gateway.observe.audit.settings import AuditFormat, AuditSettings, SyslogSettings, SyslogTransport
from tests.config.certificates import write_pair
from tests.config.test_load import GOOD, load


def audit(tmp_path, text):
    return load(tmp_path, f"{GOOD}audit:\n{text}").settings.audit


def test_it_goes_to_standard_output_unless_something_else_is_said(tmp_path):
    assert load(tmp_path, GOOD).settings.audit == AuditSettings()
    settings = audit(tmp_path, "  file: logs/audit.jsonl\n  format: text\n  filter_values: true\n  buffer: 2000000\n")
    assert settings == AuditSettings(tmp_path / "logs/audit.jsonl", None, AuditFormat.text, True, 2_000_000)


@pytest.mark.parametrize(
    "address, transport, host, port",
    [
        ("/dev/log", "unix", "/dev/log", 0),
        ("udp://log.corp.example", "udp", "log.corp.example", 514),
        ("tcp://10.1.2.3", "tcp", "10.1.2.3", 601),
        ("tcp://10.1.2.3:10514", "tcp", "10.1.2.3", 10514),
        ("tls://log.corp.example", "tls", "log.corp.example", 6514),
        ("tls://[2001:db8::1]:6515", "tls", "2001:db8::1", 6515),
    ],
)
def test_the_address_of_a_syslog_server(tmp_path, address, transport, host, port):
    settings = audit(tmp_path, f'  syslog: {{address: "{address}", facility: authpriv}}\n')
    assert settings.syslog == SyslogSettings(SyslogTransport(transport), host, port, facility=10)
    assert settings.file is None


def test_a_syslog_server_by_default_and_with_an_authority_of_its_own(tmp_path):
    assert audit(tmp_path, "  syslog: {}\n").syslog == SyslogSettings(SyslogTransport.unix, "/dev/log", 0)
    settings = audit(tmp_path, '  syslog: {address: "tls://log", ca_file: gateway.pem, message_octets: 4096}\n')
    assert (settings.syslog.ca_file, settings.syslog.message_octets) == (tmp_path / "gateway.pem", 4096)


@pytest.mark.parametrize(
    "text, path, words",
    [
        ("  file: a\n  syslog: {}\n", "audit.syslog", "records go to one place"),
        ("  syslog: {address: log.corp.example}\n", "audit.syslog.address", "a socket like /dev/log is expected, or"),
        ('  syslog: {address: "tcp://log:0"}\n', "audit.syslog.address", "is expected"),
        ('  syslog: {address: "tcp://log:99999"}\n', "audit.syslog.address", "is expected"),
        ('  syslog: {address: "http://log"}\n', "audit.syslog.address", "is expected"),
        ("  syslog: {facility: mail}\n", "audit.syslog.facility", "one of these is expected: user, daemon, auth"),
        ("  syslog: {ca_file: gateway.pem}\n", "audit.syslog.ca_file", "only of use with an address of tls://"),
        ('  syslog: {address: "tls://log", ca_file: none.pem}\n', "audit.syslog.ca_file", "no such file"),
        ("  syslog: {message_octets: 480}\n", "audit.syslog.message_octets", "of at least 2048"),
        ("  syslog: {adress: x}\n", "audit.syslog.adress", 'did you mean "address"'),
        ("  format: xml\n", "audit.format", "'json' or 'text'"),
        ("  buffer: 10\n", "audit.buffer", "of at least 1048576"),
        ('  file: ""\n', "audit.file", "at least 1 character"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, path, words):
    with pytest.raises(ConfigurationError) as caught:
        audit(tmp_path, text)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line > GOOD.count("\n")) == (path, True)
    assert words in problem.message


def test_the_audit_file_of_a_configuration_that_cannot_be_served(tmp_path):
    path = tmp_path / "gateway.yaml"
    for text, found in (
        ("audit: {file: logs/a}\nlisteners: nonsense\n", AuditPlace(tmp_path / "logs/a")),
        ("audit: {file: /var/log/a}\n", AuditPlace(Path("/var/log/a"))),
        ("audit: {syslog: {}}\n", AuditPlace(None, "/dev/log")),
        ("audit: {syslog: {address: 'udp://log'}}\n", AuditPlace(None, "udp://log")),
        ("audit: [1]\n", AuditPlace(None)),
        ("listeners: []\n", AuditPlace(None)),
    ):
        path.write_text(text)
        assert audit_place(path) == found
    write_pair(tmp_path)
    with pytest.raises(ConfigurationError):
        audit_place(tmp_path / "missing.yaml")


def test_a_directory_that_is_missing_is_warned_of(tmp_path):
    def warnings():
        return [each for each in load(tmp_path, f"{GOOD}audit: {{file: logs/a}}\n").warnings if "audit" in each]

    (warning,) = warnings()
    assert f"audit.file: {tmp_path}/logs: no such directory; it must exist when the gateway starts" in warning
    (tmp_path / "logs").mkdir()
    assert warnings() == []
