"""Passwords where nobody thinks of them: in repr, in tracebacks, in what a crash leaves behind.

That none is in what the whole suite emits is for tests/emitted.py to see.
"""

import dataclasses
import importlib
import io
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet import defer
from twisted.logger import Logger, LogPublisher, textFileLogObserver
from twisted.python.failure import Failure

import gateway
from gateway.ask.client import Client
from gateway.ldap import messages as m
from gateway.ldap.decoding import decode_request, decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.policy.credentials import MappedAccount, OwnAccount, OwnPassword, Secret, SecretCheck
from gateway.policy.decision import AccountKind, BindPlan
from gateway.relay import commands as c
from gateway.relay.steps import Ask
from tests.hostile import octets as o
from tests.hostile.answers import results
from tests.hostile.at_work import HostileServer, RawConnection, gateway_configuration
from tests.hostile.from_clients import FAMILIES
from tests.relay.harness import Harness, bind

PASSWORD = b"Secret-Passw0rd-77aa"


# Why there is none.
NO_SECRETS = ("no_password",)


def modules():
    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if found.name != "gateway.__main__":
            yield importlib.import_module(found.name)


def dataclass_fields():
    seen = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    return [(cls, field) for cls in seen for field in dataclasses.fields(cls)]


def test_no_field_that_holds_a_secret_is_shown():
    """By their names; a number or a path about a password is none, and a Secret shows nothing of itself."""
    shown = [
        f"{cls.__module__}.{cls.__qualname__}.{field.name}"
        for cls, field in dataclass_fields()
        if any(word in field.name for word in ("password", "secret", "credential"))
        and not any(word in str(field.type) for word in ("int", "bool", "Path", "Secret", "OwnPassword"))
        and field.repr
        and field.name not in NO_SECRETS
    ]
    assert shown == []


REQUEST = m.BindRequest(3, o.SYNC, m.SimpleAuthentication(PASSWORD))
CARRIERS = [
    m.SimpleAuthentication(PASSWORD),
    m.SaslAuthentication("PLAIN", PASSWORD),
    REQUEST,
    m.LDAPMessage(1, REQUEST),
    m.ExtendedRequest("1.3.6.1.4.1.4203.1.11.1", PASSWORD),
    m.BindResponse(m.LDAPResult(0), PASSWORD),
    BindPlan(REQUEST, AccountKind.sync),
    Ask(REQUEST),
    c.SendToServer(encode(m.LDAPMessage(1, REQUEST))),
    c.SendToClient(PASSWORD),
    Client().bind(o.SYNC, PASSWORD),
    Secret(PASSWORD),
    MappedAccount("svc", (PASSWORD.decode(),), OwnAccount("CN=svc", OwnPassword(PASSWORD))),
    SecretCheck((PASSWORD.decode(),), Secret(PASSWORD)),
]


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: type(carrier).__name__)
def test_what_carries_a_password_does_not_show_it(carrier):
    assert PASSWORD.decode() not in repr(carrier) + str(carrier) + f"{carrier}"


@pytest.mark.parametrize("name, octets, _", [row for rows in FAMILIES.values() for row in rows if b"\x60" in row[1]])
def test_no_refusal_of_octets_repeats_them(name, octets, _):
    """The text of a DecodeError goes to the log, the audit and the client."""
    for decode in (decode_request, decode_response):
        try:
            decode(octets.replace(o.PASSWORD.encode(), PASSWORD))
        except DecodeError as error:
            assert "Passw0rd" not in f"{error!r} {error.__cause__!r} {error.__context__!r}", name


class BrokenRates:
    def admit(self, account, now):
        raise KeyError("something of ours is wrong")


def broken():
    """The failure of a session that meets an error of its own while it holds a password."""
    try:
        Harness(rates=BrokenRates()).send(bind(o.SYNC, PASSWORD))
    except KeyError:
        return Failure()
    raise AssertionError("it was not broken")


def test_the_log_of_an_error_of_ours_has_its_traceback_and_no_password():
    failure = broken()
    written = io.StringIO()
    publisher = LogPublisher(textFileLogObserver(written))
    Logger(observer=publisher).failure("Unhandled Error", failure)
    assert "something of ours is wrong" in written.getvalue() and "in _decide" in written.getvalue()
    assert "Passw0rd" not in written.getvalue()


@pytest.mark.parametrize("detail", ["default", "brief", "verbose"])
def test_a_failure_shows_no_password_however_much_it_is_asked_for(detail):
    failure = broken()
    assert "Passw0rd" not in failure.getTraceback(detail=detail)


@pytest.mark.servers
def test_twisted_keeps_no_local_variables_for_tracebacks():
    """With its debugging it would, and `verbose` would show the octets that a session was given."""
    assert defer.getDebugging() is False
    asked = "from gateway.serve import service; from twisted.internet import defer; print(defer.getDebugging())"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "False"


# A gateway that runs.


@pytest.fixture
def site(certificates, server_certificates, start_gateway):
    with HostileServer(server_certificates) as server:
        text = gateway_configuration(certificates, server, audit={"filter_values": True})
        yield certificates, start_gateway(text)


def test_neither_a_wrong_nor_a_right_password_is_in_log_audit_or_proc(site):
    certificates, running = site
    with RawConnection(running.port, certificates.ca_file) as session:
        session.send(o.bind(o.SYNC, PASSWORD, id=1) + o.bind("nobody", PASSWORD, id=2))
        assert results(session.until_results(2)) == ((1, 0), (2, 49))
        # Cut off, so that what is malformed has the password in it.
        session.send(o.bind(o.SYNC, PASSWORD, id=3).replace(b"\x80\x14", b"\x80\x13"))
        assert results(session.until_results(1)) == ((0, 2),)
    running.wait_for_audit(operation="malformed")
    process = Path("/proc", str(running.process.pid))
    shown = running.log() + running.audit_text()
    for name in ("cmdline", "environ", "comm", "maps"):
        shown += (process / name).read_text(errors="replace")
    assert "Passw0rd" not in shown
    assert json.loads(running.audit_text().splitlines()[0])["operation"] == "bind"


@pytest.mark.servers
def test_a_crash_shows_where_it_was_and_no_password(tmp_path):
    """faulthandler, as PYTHONFAULTHANDLER turns it on, writes the names of functions and no values. Compiled ones are
    not among them."""
    code = f"""
import faulthandler, sys
faulthandler.enable()
from tests.hostile import octets as o
from tests.relay.harness import Harness, bind
class Rates:
    def admit(self, account, now):
        faulthandler._sigsegv()
Harness(rates=Rates()).send(bind(o.SYNC, {PASSWORD!r}))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode < 0 and "in admit" in ended.stderr and "in send" in ended.stderr
    assert "Passw0rd" not in ended.stderr + ended.stdout
