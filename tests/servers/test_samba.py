"""A whole sync through the gateway, against a real Active Directory (Samba) from the lab beside the project."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ldap3
import pytest

ROOT = Path(__file__).parents[2]
LAB = ROOT.parent / "shared" / "lab" / "samba-ad"
BASES = ["OU=Staff", "OU=Groups", "OU=Contacts"]
ATTRIBUTES = ["mail", "proxyAddresses", "displayName", "givenName", "sn", "cn", "sAMAccountName", "member", "memberOf", "userAccountControl", "objectClass", "objectGUID"]
USER_PASSWORD = "Lab-User-Passw0rd1"


@pytest.fixture(scope="module")
def samba():
    if not (LAB / "up.sh").exists():
        pytest.skip("the Samba lab is not beside the project")
    if os.geteuid() != 0 or not shutil.which("samba"):
        pytest.skip("needs root and: apt-get install samba samba-ad-provision samba-dsdb-modules ldap-utils openssl")
    address = f"127.{random.randint(20, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    made = subprocess.run(
        [LAB / "up.sh", "--users", "500"],
        env={**os.environ, "LAB_IP": address},
        cwd="/tmp",
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr
    directory = made.stdout.splitlines()[-1]
    try:
        shell = subprocess.run(
            ["bash", "-c", f". {directory}/lab.env; set -o posix; set"], capture_output=True, text=True, check=True
        )
        found = dict(line.partition("=")[::2] for line in shell.stdout.splitlines() if line.startswith("LAB_"))
        yield {key: value.strip("'") for key, value in found.items()} | {"LAB_IP": address}
    finally:
        subprocess.run([LAB / "stop.sh", "--purge", directory], capture_output=True, timeout=60)


class Gateway:
    """The gateway as a process of its own, on a free port of loopback."""

    def __init__(self, directory, config):
        self.directory = directory
        self.config = directory / "gateway.yaml"
        self.config.write_text(config)
        self.log = directory / "log"
        with self.log.open("w") as log, (directory / "audit").open("w") as audit:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "-c", self.config], stdout=audit, stderr=log, cwd=ROOT
            )
        self.wait_for("ready")
        line = next(line for line in self.log.read_text().splitlines() if "listening on" in line)
        self.port = int(line.split("127.0.0.1:")[1].split()[0])

    def wait_for(self, text):
        until = time.monotonic() + 30
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def audit(self):
        return [json.loads(line) for line in (self.directory / "audit").read_text().splitlines()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def configuration(samba, attributes=ATTRIBUTES):
    return f"""
listeners:
  - {{address: "127.0.0.1:0", certificate: gateway.pem, private_key: gateway.key}}
directories:
  corp:
    servers: [{{url: "ldaps://{samba['LAB_IP']}", server_name: dc1.corp.example}}]
    ca_file: {samba['LAB_CA']}
    naming_contexts: ["DC=corp,DC=example"]
clients:
  mimecast:
    sources: [127.0.0.0/8]
    directory: corp
    sync_accounts: ["{samba['LAB_SVC_UPN']}"]
    login_base_dns: ["OU=Test Accounts,DC=corp,DC=example"]
    login_domains: [corp.example, CORP]
    base_dns: {json.dumps([f"{base},DC=corp,DC=example" for base in BASES])}
    attributes: {json.dumps(attributes)}
admin: null
drain_timeout: 2
"""


@pytest.fixture(scope="module")
def gateway(samba):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-keyout", directory / "gateway.key", "-out", directory / "gateway.pem", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True,
            capture_output=True,
        )
        running = Gateway(directory, configuration(samba))
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()


def connect(host, port, ca, name, password):
    tls = ldap3.Tls(ca_certs_file=str(ca), validate=2, valid_names=["localhost", "dc1.corp.example"])
    server = ldap3.Server(host, port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, name, password, receive_timeout=60, auto_range=False, return_empty_attributes=False)
    connection.bind()
    return connection


def through(gateway, name, password):
    return connect("127.0.0.1", gateway.port, gateway.directory / "gateway.pem", name, password)


def sync(connection, attributes, page=100, bases=BASES):
    """Every entry's raw values, by DN."""
    found = {}
    for base in bases:
        for entry in connection.extend.standard.paged_search(
            f"{base},DC=corp,DC=example", "(objectClass=*)", attributes=attributes, paged_size=page, generator=True
        ):
            assert entry["type"] == "searchResEntry"
            values = {key: sorted(value) for key, value in entry["raw_attributes"].items() if value}
            assert found.setdefault(entry["raw_dn"], values) is values
    return found


@pytest.fixture(scope="module")
def account(samba):
    return samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"]


@pytest.mark.parametrize("page", [100, 500])
def test_a_paged_sync_gives_exactly_what_a_direct_read_gives(samba, gateway, account, page):
    direct = sync(connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account), ATTRIBUTES, page)
    relayed = sync(through(gateway, *account), ATTRIBUTES, page)
    assert len(relayed) > 530
    assert relayed == direct


@pytest.mark.parametrize("asked", [["*"], ["*", "+"], ["employeeID", "pager", "mail"], ["employeeID;range=0-*", "cn"]])
def test_what_is_not_listed_stays_behind(gateway, account, asked):
    relayed = sync(through(gateway, *account), asked)
    assert relayed
    assert {name for values in relayed.values() for name in values} <= set(ATTRIBUTES)
    assert b"LEAK-" not in repr(relayed).encode() and b"SECRET-" not in repr(relayed).encode()


@pytest.mark.parametrize(
    "base, text, code",
    [
        ("CN=Computers,DC=corp,DC=example", "(objectClass=*)", 50),
        ("CN=Users,DC=corp,DC=example", "(objectClass=*)", 50),
        ("OU=Staff,DC=corp,DC=example", "(employeeID=LEAK*)", 50),
        ("OU=Staff,DC=corp,DC=example", "(1.2.840.113556.1.4.35=LEAK*)", 50),
        ("OU=Staff,DC=corp,DC=example", "(memberOf:1.2.840.113556.1.4.1941:=CN=x)", 50),
        ("OU=Missing,OU=Staff,DC=corp,DC=example", "(objectClass=*)", 32),
    ],
)
def test_refused_searches_say_so(gateway, account, base, text, code):
    connection = through(gateway, *account)
    connection.search(base, text)
    assert connection.result["result"] == code


def test_every_container_with_an_awkward_name_can_be_searched(samba, gateway, account):
    connection = connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account)
    connection.search("OU=Staff,DC=corp,DC=example", "(objectClass=organizationalUnit)")
    names = [entry["dn"] for entry in connection.response]
    assert len(names) >= 20
    relayed = through(gateway, *account)
    for name in names:
        relayed.search(name, "(objectClass=*)", ldap3.BASE)
        assert relayed.result["result"] == 0, name
        assert len(relayed.response) == 1


@pytest.mark.parametrize("asked, count", [("member", 500), ("member;range=0-9", 10)])
def test_a_large_group_whole_and_in_ranges(samba, gateway, account, asked, count):
    def read(connection):
        connection.search("OU=Groups,DC=corp,DC=example", "(cn=GG-All-Staff)", attributes=[asked])
        return connection.response[0]["raw_attributes"]

    relayed = read(through(gateway, *account))
    assert relayed == read(connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account))
    assert count in [len(values) for values in relayed.values()]


@pytest.mark.parametrize(
    "name, password, code",
    [
        ("t-plain@corp.example", USER_PASSWORD, 0),
        ("CORP\\t-plain", USER_PASSWORD, 0),
        ("t-plain@corp.example", "wrong", 49),
        ("t-disabled@corp.example", USER_PASSWORD, 49),
        ("u00001@corp.example", USER_PASSWORD, 49),
        ("t-plain@other.example", USER_PASSWORD, 49),
        ("CORP\\svc-mimecast", "Lab-Sync-Passw0rd1", 49),
        ("Administrator@corp.example", "Lab-Admin-Passw0rd1", 49),
    ],
)
def test_who_may_sign_in(gateway, name, password, code):
    connection = through(gateway, name, password)
    assert connection.result["result"] == code
    if code:
        assert connection.result["message"] == ""
    else:
        connection.search("OU=Staff,DC=corp,DC=example", "(objectClass=*)")
        assert connection.result["result"] == 50


def test_nothing_is_written(gateway, account):
    connection = through(gateway, *account)
    connection.modify("CN=x,OU=Staff,DC=corp,DC=example", {"mail": [(ldap3.MODIFY_REPLACE, ["a"])]})
    assert connection.result["result"] == 53
    connection.delete("CN=x,OU=Staff,DC=corp,DC=example")
    assert connection.result["result"] == 53


def test_a_wrong_reload_changes_nothing_and_a_right_one_holds_for_new_sessions(samba, gateway, account):
    before = through(gateway, *account)
    gateway.config.write_text(configuration(samba).replace("base_dns:", "base_dn:", 1))
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for("reload refused")
    assert "unknown key" in gateway.log.read_text()
    gateway.config.write_text(configuration(samba, ["cn", "objectClass"]))
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for("reloaded")
    assert "mail" in {name for values in sync(before, ["*"]).values() for name in values}
    after = sync(through(gateway, *account), ["*"])
    assert {name for values in after.values() for name in values} == {"cn", "objectClass"}


def test_the_audit_tells_of_each_operation_and_of_no_value(samba, gateway, account):
    records = gateway.audit()
    assert {"bind", "search", "modify", "delete"} <= {record["operation"] for record in records}
    assert any(record["reason"] == "login-outside-base" for record in records)
    text = (gateway.directory / "audit").read_text() + gateway.log.read_text()
    assert account[1] not in text and USER_PASSWORD not in text and "LEAK-" not in text
