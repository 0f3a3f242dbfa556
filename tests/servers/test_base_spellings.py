"""Base DNs that a real server spells otherwise than the configuration: a sync is whole, or it fails visibly."""

import json
import os
import subprocess
import sys

import pytest

from tests.servers.gateway_process import ROOT, configuration
from tests.servers.samba_domain import USER_PASSWORD, running_samba
from tests.servers.slapd import Slapd
from tests.servers.sync_client import connect
from tests.servers.whole_reads import read, read_directly

SUFFIX = "DC=corp,DC=example"
SYNC, PASSWORD = f"CN=svc,{SUFFIX}", "Sync-Account-Passw0rd"
# As they are configured, and as slapd has them: decomposed, with a no-break space, in full-width letters.
STORED = {
    f"OU=Z\u00fcrich,{SUFFIX}": f"ou=Zu\u0308rich,{SUFFIX.lower()}",
    f"OU=Head Office,{SUFFIX}": f"ou=Head\u00a0Office,{SUFFIX.lower()}",
    f"OU=Staff,OU=ABC,{SUFFIX}": f"ou=Staff,ou=\uff21\uff22\uff23,{SUFFIX.lower()}",
}
ZURICH, OFFICE, NESTED = STORED
PEOPLE = 60
ATTRIBUTES = ("mail", "objectClass")


def unit():
    return {"objectClass": ["organizationalUnit"]}


def person(name):
    return {
        "objectClass": ["user"],
        "sn": [name],
        "sAMAccountName": [name],
        "mail": [f"{name}@corp.example"],
        "userPassword": [PASSWORD],
    }


def tree():
    """Each container with so many people, and of each of these people's units one that is excluded."""
    yield SUFFIX, {"objectClass": ["domain"], "dc": ["corp"]}
    yield SYNC, person("svc")
    yield f"ou=\uff21\uff22\uff23,{SUFFIX}", unit()
    for number, stored in enumerate(STORED.values()):
        yield stored, unit()
        yield f"OU=Gru\u0308ne,{stored}", unit()
        yield f"OU=Bo\u0308ard,{stored}", unit()
        for each in range(PEOPLE):
            below = stored if each % 2 else f"OU=Gru\u0308ne,{stored}"
            yield f"CN=p{number}{each:03},{below}", person(f"p{number}{each:03}")
        yield f"CN=hidden{number},OU=Bo\u0308ard,{stored}", person(f"hidden{number}")


@pytest.fixture(scope="module")
def slapd():
    with Slapd(tree()) as running:
        yield running


@pytest.fixture(scope="module")
def direct(slapd):
    """What is there and not excluded, by base, read without the gateway."""
    found = {
        base: read_directly(slapd.url, slapd.certificates.ca_file, (SYNC, PASSWORD), [base], ATTRIBUTES)
        for base in STORED
    }
    return {base: {dn: each for dn, each in found[base].items() if "Bo\u0308ard" not in dn} for base in found}


@pytest.fixture
def start(certificates, slapd, start_gateway):
    """A function that starts a gateway before slapd. It knows nothing of slapd's spellings yet."""

    def begin(*bases, directory=(), **client):
        keys = {"sync_accounts": [SYNC], "base_dns": bases, "attributes": ATTRIBUTES, **client}
        return start_gateway(configuration(certificates, {**slapd.gateway_directory, **dict(directory)}, keys))

    return begin


@pytest.mark.parametrize("paging", ["auto", "always", "never"])
@pytest.mark.parametrize("page", [None, 7])
def test_a_sync_is_whole_the_first_time_and_every_time(start, open_client, direct, paging, page):
    excluded = [f"OU=B\u00f6ard,{base}" for base in STORED]
    running = start(*STORED, directory={"paging": paging, "page_size": 20}, excluded_base_dns=excluded)
    how = {} if page is None else {"page": page, "critical": False}
    for _ in range(2):
        client = open_client(running, SYNC, PASSWORD)
        for base in STORED:
            whole = read(client, [base], ATTRIBUTES, **how)
            assert whole.code == 0
            assert whole.entries == direct[base] and len(whole.entries) >= PEOPLE
    whole = read(open_client(running, SYNC, PASSWORD), [SUFFIX], ATTRIBUTES, **how)
    assert whole.code == 0
    assert whole.entries == {dn: each for found in direct.values() for dn, each in found.items()}
    # Each base is read once; both spellings are in the audit.
    told = [record["detail"] for record in running.audit(operation="search") if "detail" in record]
    assert len(told) == len(STORED)
    assert any("OU=Z\\c3\\bcrich,DC=corp" in each and "ou=Zu\\cc\\88rich,dc=corp" in each for each in told)


def test_a_base_above_in_one_search_is_whole_the_first_time(start, open_client, direct):
    running = start(*STORED, excluded_base_dns=[f"OU=B\u00f6ard,{base}" for base in STORED])
    whole = read(open_client(running, SYNC, PASSWORD), [SUFFIX], ATTRIBUTES)
    assert whole.code == 0
    assert whole.entries == {dn: each for found in direct.values() for dn, each in found.items()}


def test_a_client_goes_on_from_an_entry_that_it_got(start, open_client):
    running = start(OFFICE)
    client = open_client(running, SYNC, PASSWORD)
    found = read(client, [OFFICE], ATTRIBUTES)
    dn = next(dn for dn in found.entries if dn.startswith("cn=p1"))
    assert read(client, [dn], ATTRIBUTES).entries == {dn: found.entries[dn]}


def test_a_spelling_that_changes_while_the_gateway_runs(certificates, start_slapd, start_gateway, open_client):
    """The container is renamed from one spelling to the other and back: syncs before and behind it are whole."""
    slapd = start_slapd(tree(), database_settings=f'rootpw "{PASSWORD}"')
    keys = {"sync_accounts": [SYNC], "base_dns": [ZURICH], "attributes": ATTRIBUTES}
    running = start_gateway(configuration(certificates, slapd.gateway_directory, keys))
    client = open_client(running, SYNC, PASSWORD)
    root = connect("127.0.0.1", slapd.port, slapd.certificates.ca_file, f"cn=root,{SUFFIX}", PASSWORD)
    names = ["Zu\u0308rich", "Z\u00fcrich", "\uff3au\u0308rich"]
    for number, (name, other) in enumerate([("", ""), (names[0], names[2]), (names[2], names[1])]):
        if name:
            assert root.modify_dn(f"ou={name},{SUFFIX}", f"ou={other}", delete_old_dn=True), root.result
        whole = read(client, [ZURICH], ATTRIBUTES)
        assert (number, whole.code, len(whole.entries) >= PEOPLE) == (number, 0, True)


def test_where_the_base_itself_may_not_be_read_the_search_fails(certificates, start_slapd, start_gateway, open_client):
    """Its entries alone do not say that the server takes them for the configured ones."""
    closed = f'access to dn.base="{STORED[ZURICH]}" attrs=entry,objectClass by users search by * none'
    slapd = start_slapd(tree(), database_settings=closed)
    keys = {"sync_accounts": [SYNC], "base_dns": [ZURICH], "attributes": ATTRIBUTES}
    running = start_gateway(configuration(certificates, slapd.gateway_directory, keys))
    whole = read(open_client(running, SYNC, PASSWORD), [ZURICH], ATTRIBUTES)
    assert (whole.code, whole.entries) == (52, {})
    (record,) = running.wait_for_audit(code=52)
    assert record["reason"] == "base-spelled-otherwise"
    for said in (record["detail"], running.wait_for("a search failed, because ldaps://")):
        assert "OU=Z\\c3\\bcrich,DC=corp,DC=example" in said and "ou=Zu\\cc\\88rich,dc=corp,dc=example" in said


def doctor(directory, config, password):
    """What `ldap-gateway doctor` says of spellings: status, what is said and the advice, by base."""
    (directory / "gateway.yaml").write_text(config)
    (directory / "password").write_text(password)
    files = ("-c", directory / "gateway.yaml", "--password-file", directory / "password")
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "doctor", "--json", *files],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "LDAP_GATEWAY_PASSWORD"},
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    found = [each for each in json.loads(ended.stdout)["findings"] if each["step"] == "spelling"]
    return {each["subject"]: (each["status"], each["said"], each["advice"]) for each in found}


def test_doctor_shows_both_spellings_of_each_base(certificates, slapd, tmp_path):
    excluded, login = f"OU=B\u00f6ard,{ZURICH}", f"OU=Gr\u00fcne,{OFFICE}"
    keys = {
        "sync_accounts": [SYNC],
        "base_dns": [ZURICH, SUFFIX],
        "excluded_base_dns": [excluded],
        "login_base_dns": [login],
        "attributes": ATTRIBUTES,
    }
    said = doctor(tmp_path, configuration(certificates, slapd.gateway_directory, keys), PASSWORD)
    assert set(said) == {ZURICH, SUFFIX, excluded, login}
    assert said[SUFFIX][0] == "ok"
    status, both, advice = said[ZURICH]
    assert status == "warning"
    assert "OU=Z\\c3\\bcrich,DC=corp,DC=example" in both and "ou=Zu\\cc\\88rich,dc=corp,dc=example" in both
    # What it advises is right.
    keys |= {"base_dns": [advice.removeprefix('write "').removesuffix('"')], "excluded_base_dns": []}
    said = doctor(tmp_path, configuration(certificates, slapd.gateway_directory, keys), PASSWORD)
    assert [status for status, _, _ in said.values()] == ["ok", "warning"]


# Samba compares in upper case. A small sigma has two forms, of which one is for the end of words; it is the only letter
# of which two spellings are one in upper case there and two in lower case.
INNER, FINAL = "\u03a4\u03bf\u03bc\u03b5\u03b1\u03c3", "\u03a4\u03bf\u03bc\u03b5\u03b1\u03c2"


@pytest.fixture(scope="module")
def domain(pytestconfig):
    with running_samba(pytestconfig.cache.mkdir("samba"), users=20) as settings:
        administrator = (f"Administrator@{settings['LAB_DNSDOMAIN']}", settings["LAB_ADMIN_PW"])
        connection = connect(settings["LAB_IP"], 636, settings["LAB_CA"], *administrator)
        base = f"OU={FINAL},{SUFFIX}"
        assert connection.add(base, "organizationalUnit"), connection.result
        for number in range(30):
            # However it is written here: an entry has its parent's spelling.
            below = f"OU={INNER},{SUFFIX}" if number % 3 == 0 else base
            values = {"sAMAccountName": f"labor{number}", "mail": f"labor{number}@corp.example"}
            assert connection.add(f"CN=labor{number},{below}", "user", values), connection.result
        dn = f"CN=labor1,{base}"
        assert connection.extend.microsoft.modify_password(dn, USER_PASSWORD), connection.result
        assert connection.modify(dn, {"userAccountControl": [("MODIFY_REPLACE", ["512"])]}), connection.result
        yield settings


@pytest.mark.parametrize("configured", [INNER, FINAL], ids=["inner sigma", "final sigma"])
@pytest.mark.parametrize("page", [None, 7])
def test_samba(certificates, domain, start_gateway, open_client, configured, page):
    base = f"OU={configured},{SUFFIX}"
    directory = {
        "servers": [{"url": f"ldaps://{domain['LAB_IP']}", "server_name": "dc1.corp.example"}],
        "ca_file": domain["LAB_CA"],
    }
    keys = {
        "sync_accounts": [domain["LAB_SVC_UPN"]],
        "base_dns": [base],
        "attributes": ATTRIBUTES,
        "login_base_dns": [base],
        "login_domains": ["corp.example"],
    }
    running = start_gateway(configuration(certificates, directory, keys))
    account = (domain["LAB_SVC_UPN"], domain["LAB_SVC_PW"])
    direct = read_directly(domain["LAB_LDAPS"], domain["LAB_CA"], account, [base], ATTRIBUTES)
    assert len(direct) == 31
    for _ in range(2):
        whole = read(open_client(running, *account), [base], ATTRIBUTES, page=page)
        assert whole.code == 0
        assert whole.entries == direct
    # Somebody who is in it signs in by the name that the server finds there.
    open_client(running, "labor1@corp.example", USER_PASSWORD)
    assert running.wait_for_audit(operation="bind", account="labor1@corp.example")[0]["code"] == 0
