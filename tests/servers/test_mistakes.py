"""The mistakes of docs/troubleshooting.md, each made against slapd, Samba or a stub, and what is said of it.

`LDAP_GATEWAY_REWRITE_MISTAKES=1 pytest tests/servers/test_mistakes.py` writes what is said now into the table.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from tests.servers import slapd_tree
from tests.servers.gateway_process import GatewayProcess, configuration, free_port
from tests.servers.mistakes import (
    REWRITES,
    Said,
    documented,
    listen_to,
    of_a_start,
    of_doctor,
    rewrite,
)
from tests.servers.raw_client import RawClient
from tests.servers.samba_domain import USER_PASSWORD
from tests.servers.slapd_tree import STAFF, SUFFIX, SYNC_ACCOUNT, SYNC_PASSWORD
from tests.servers.stub_server import StubServer

WRONG = "Mistaken-Passw0rd"
ATTRIBUTES = ["objectClass", "objectGUID", "entryUUID", "cn", "mail", "proxyAddresses", "userAccountControl"]
QUIET = {"connect_timeout": 1, "health": "off", "spares": 0}


class Made:
    """One mistake. directory: for its files. baseline: what doctor says where nothing is wrong."""

    def __init__(self, directory, certificates, slapd, samba):
        self.directory, self.certificates = directory, certificates
        self.slapd, self._samba = slapd, samba
        (directory / "state").mkdir()

    @property
    def samba(self):
        return self._samba()

    def config(self, directory=None, client=None, **others):
        own = self.slapd.gateway_directory | QUIET | (directory or {})
        sync = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ATTRIBUTES} | (client or {})
        whole = {"admin": {"address": "127.0.0.1:0"}, "state_dir": str(self.directory / "state")} | others
        return configuration(self.certificates, own, sync, **whole)

    def of_samba(self, account):
        directory = {
            "servers": [{"url": f"ldaps://{self.samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
            "ca_file": self.samba["LAB_CA"],
        }
        return self.config(directory, {"sync_accounts": [account], "base_dns": [f"OU=Staff,{SUFFIX}"]})

    def serve(self, config, act, *, only="", password=SYNC_PASSWORD, arguments=()):
        """Runs a gateway with this text, makes it do what act does, and listens. only: the area and the step of
        doctor that is meant; "" where doctor has nothing to look at."""
        (self.directory / "run").mkdir()
        with GatewayProcess(self.directory / "run", config) as running:
            act(running)
            running.audit_text()
            said = listen_to(running)
            if only:
                here = self.directory / "gateway.yaml"
                here.write_text(config.replace("127.0.0.1:0", f"127.0.0.1:{running.port}", 1))
                found = of_doctor(here, password, *arguments)
                said.doctor = [text for step, text in found if step == only]
            assert running.stop() == 0
        return said

    def refuse(self, config, prelude=""):
        here = self.directory / "gateway.yaml"
        here.write_text(config)
        lines = of_a_start(here, prelude)
        told = [
            text.removeprefix("loads: ") for step, text in of_doctor(here, None, prelude=prelude) if "loads" in step
        ]
        same = {text.partition(" → ")[0] for text in told} == set(lines)
        return Said(log=lines, doctor=["the same"] if same else told)

    def sign_in(self, name, *passwords):
        def act(running):
            for password in passwords:
                with RawClient(running.port, self.certificates.ca_file) as client:
                    client.bind(name, password)

        return act

    def search(self, base, text="(objectClass=*)", attributes=("cn",)):
        def act(running):
            with RawClient(running.port, self.certificates.ca_file) as client:
                assert client.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0
                client.result(client.search(base, text, attributes))

        return act


SYNC = (SYNC_ACCOUNT, SYNC_PASSWORD)


def wrong_ca(made):
    other = make_certificates(made.directory, "other")
    config = made.config({"ca_file": other.ca_file})
    return made.serve(config, made.sign_in(*SYNC), only="server chain", password=None)


def wrong_server_name(made):
    server = {"url": made.slapd.url, "server_name": "dc9.corp.example"}
    return made.serve(made.config({"servers": [server]}), made.sign_in(*SYNC), only="server name", password=None)


def wrong_name_at_the_service(made):
    """As a service does that is told to connect to a name that the certificate lacks."""

    def act(running):
        context = ssl.create_default_context(cafile=str(made.certificates.ca_file))
        plain = socket.create_connection(("127.0.0.1", running.port), 30)
        with plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="ldap.example.com")
        running.wait_for("tls-failed")

    arguments = ("--name", "ldap.example.com")
    return made.serve(made.config(), act, only="certificate name", password=None, arguments=arguments)


def expired_server(made):
    files = make_certificates(made.directory, "old", valid=timedelta(minutes=-1))
    with StubServer(files) as server:
        config = made.config(server.gateway_directory() | QUIET)
        return made.serve(config, made.sign_in(*SYNC), only="server expiry", password=None)


def expired_listener(made):
    made.certificates = make_certificates(made.directory, "gateway", valid=timedelta(minutes=-1))
    return made.refuse(made.config())


def wrong_password(made):
    name = made.samba["LAB_SVC_UPN"]
    return made.serve(made.of_samba(name), made.sign_in(name, WRONG), password=WRONG, only="account signs in")


def three_wrong_then_right(made):
    name, right = made.samba["LAB_SVC_UPN"], made.samba["LAB_SVC_PW"]
    wrong = [f"{WRONG}{number}" for number in range(4)]
    act = made.sign_in(name, *wrong, right)
    return made.serve(made.of_samba(name), act, password=right, only="account lockout guard")


def account(login):
    def staged(made):
        name = f"{login}@corp.example"
        act = made.sign_in(name, USER_PASSWORD)
        return made.serve(made.of_samba(name), act, password=USER_PASSWORD, only="account signs in")

    return staged


def unescaped_in_the_file(made):
    return made.refuse(made.config(client={"base_dns": [f"OU=Sales, EMEA,{STAFF}"]}))


def unescaped_in_a_request(made):
    act = made.search(f"OU=Sales, EMEA,{STAFF}")
    return made.serve(made.config(), act)


def base_typo(made):
    config = made.config(client={"base_dns": [f"OU=Staf,{SUFFIX}"]})
    return made.serve(config, made.search(f"OU=Staf,{SUFFIX}"), only="directory exists")


def base_typo_at_the_service(made):
    return made.serve(made.config(), made.search(f"OU=Staf,{SUFFIX}"))


def missing_attribute(made):
    listed = [name for name in ATTRIBUTES if name not in ("mail", "proxyAddresses")]
    config = made.config(client={"attributes": listed})
    return made.serve(config, made.search(STAFF, "(cn=*)", ("cn", "mail")), only="policy addresses")


def source_not_listed(made):
    def act(running):
        with (
            contextlib.suppress(OSError, ssl.SSLError),
            RawClient(running.port, made.certificates.ca_file, source="127.0.0.9") as client,
        ):
            client.bind(*SYNC)
        running.wait_for("source-not-listed")

    return made.serve(made.config(client={"sources": ["127.0.0.1/32"]}), act)


def nothing_listens(made):
    server = {"url": f"ldaps://127.0.0.1:{free_port()}", "server_name": "localhost"}
    config = made.config({"servers": [server]})
    return made.serve(config, made.sign_in(*SYNC), only="server connects", password=None)


def black_hole(made):
    with socket.socket() as full, contextlib.ExitStack() as filling:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            # Whoever comes after these gets no answer from the system.
            each = filling.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        server = {"url": f"ldaps://127.0.0.1:{full.getsockname()[1]}", "server_name": "localhost"}
        config = made.config({"servers": [server]})
        return made.serve(config, made.sign_in(*SYNC), only="server connects", password=None)


YAML = """\
clients:
  mimecast:
    sources: [198.51.100.0/24]
    attributes:
      - mail
      - cn
    directory: corp
"""


def tab(made):
    return made.refuse(YAML.replace("    directory", "\tdirectory"))


def indentation(made):
    return made.refuse(YAML.replace("    directory", "   directory"))


def missing_dash(made):
    return made.refuse(YAML.replace("- cn", "cn"))


def clock_of_the_server(made):
    """A server whose clock is an hour ahead; it says so in its root DSE."""
    ahead = datetime.now(UTC) + timedelta(hours=1)

    def answer(request):
        if isinstance(request, m.BindRequest):
            return [m.BindResponse(LDAPResult(0))]
        if not isinstance(request, m.SearchRequest):
            return []
        if request.base:
            return [m.SearchResultDone(LDAPResult(0))]
        time = m.Attribute("currentTime", (f"{ahead:%Y%m%d%H%M%S}.0Z".encode(),))
        contexts = m.Attribute("namingContexts", (SUFFIX.encode(),))
        return [m.SearchResultEntry("", (time, contexts)), m.SearchResultDone(LDAPResult(0))]

    with StubServer(made.certificates, answer) as server:
        config = made.config(server.gateway_directory())
        return made.serve(config, lambda running: None, only="directory clock")


def clock_of_the_host(made):
    """A certificate that is valid from tomorrow on, as one of today is for a host whose clock stands still."""
    later = "import gateway.config.certificates as c; from datetime import *; "
    later += "c.datetime = type('Then', (datetime,), {'now': classmethod(lambda k, z: datetime(2020, 1, 1, tzinfo=z))})"
    return made.refuse(made.config(), later)


def port_in_use(made):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = made.refuse(made.config().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
        found = of_doctor(made.directory / "gateway.yaml", None)
        said.doctor = [text for step, text in found if step == "listener serves"]
        return said


def unreadable_key(made):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        made.certificates = make_certificates(directory, "gateway")
        made.directory = directory
        (directory / "state").mkdir()
        config = made.config({"ca_file": str(made.certificates.ca_file)})
        # Nobody may not read where Python's own modules lie: they are all imported before.
        rooms = "gateway.cli.check, gateway.cli.doctor, gateway.tools.doctor.walk, gateway.ask.running"
        load = f"gateway.config.load.load_configuration(pathlib.Path({str(directory / 'gateway.yaml')!r}))"
        prelude = f"import os, pathlib, gateway.config.load, {rooms}; {load}; os.setgroups([]); "
        return made.refuse(config, f"{prelude}os.setgid(65534); os.setuid(65534)")


def state_dir_missing(made):
    return made.refuse(made.config(state_dir=str(made.directory / "gone" / "state")))


def overlapping(made):
    whole = json.loads(made.config())
    whole["clients"]["other"] = whole["clients"]["mimecast"]
    return made.refuse(json.dumps(whole, indent=1))


def base_at_the_root(made):
    config = made.config(client={"base_dns": [SUFFIX]})
    return made.serve(config, lambda running: None, only="directory scope")


def unlisted_filter_attribute(made):
    act = made.search(STAFF, "(employeeID=1)")
    return made.serve(made.config(), act)


MISTAKES = {
    "`ca_file` is of another authority": wrong_ca,
    "wrong `server_name`": wrong_server_name,
    "the service connects to a name that the listener's certificate lacks": wrong_name_at_the_service,
    "a server's certificate has expired": expired_server,
    "the listener's certificate has expired": expired_listener,
    "wrong password at the service": wrong_password,
    "wrong password until the guard begins, then the right one": three_wrong_then_right,
    "sync account locked": account("t-locked"),
    "sync account disabled": account("t-disabled"),
    "sync account must change its password": account("t-mustchange"),
    "sync account expired": account("t-expired"),
    "unescaped comma in the configuration": unescaped_in_the_file,
    "unescaped comma in the service's base DN": unescaped_in_a_request,
    "typo in `base_dns`": base_typo,
    "typo in the service's base DN": base_typo_at_the_service,
    "attribute not listed": missing_attribute,
    "source not listed": source_not_listed,
    "nothing listens at the server's port": nothing_listens,
    "a firewall drops what goes to the server": black_hole,
    "tab in the configuration": tab,
    "wrong indentation": indentation,
    "missing dash": missing_dash,
    "the server's clock is wrong": clock_of_the_server,
    "this host's clock is wrong": clock_of_the_host,
    "port in use": port_in_use,
    "unreadable key": unreadable_key,
    "`state_dir` missing": state_dir_missing,
    "two clients with the same sources": overlapping,
    "base DN is the whole domain": base_at_the_root,
    "filter on an attribute that is not listed": unlisted_filter_attribute,
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.skipif(os.geteuid() != 0, reason="Samba needs root, and only root may act as another user")
def test_the_document_has_what_is_said_of_a_mistake(mistake, certificates, slapd, request, tmp_path):
    made = Made(tmp_path, certificates, slapd, lambda: request.getfixturevalue("samba"))
    row = MISTAKES[mistake](made).row(mistake)
    assert slapd_tree.SYNC_PASSWORD not in row and WRONG not in row
    if REWRITES:
        rewrite(mistake, row, list(MISTAKES))
    assert documented().get(mistake) == row


def test_the_document_has_no_other_mistakes():
    assert set(documented()) - {"mistake"} == set(MISTAKES)
