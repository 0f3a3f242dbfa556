"""`ldap-gateway doctor` as an administrator runs it, against Samba AD, slapd and servers that refuse."""

import json
import os
import subprocess
import sys

import pytest

from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from tests.net.dns_server import DnsServer
from tests.servers import slapd_tree
from tests.servers.gateway_process import ROOT, configuration
from tests.servers.samba_domain import USER_PASSWORD
from tests.servers.slapd import Slapd
from tests.servers.stub_server import StubServer
from tests.servers.sync_client import connect

DOMAIN = "DC=corp,DC=example"
STAFF = f"OU=Staff,{DOMAIN}"
OLD_PASSWORD = "Sync-Passw0rd-of-1999"
ATTRIBUTES = ["objectClass", "objectGUID", "mail", "proxyAddresses", "member", "userAccountControl"]


class Doctor:
    """One run. findings: as printed with --json; output: of a run without it."""

    def __init__(self, directory, config, password, *arguments, as_json=True):
        (directory / "gateway.yaml").write_text(config)
        command = [sys.executable, "-m", "gateway", "doctor", "-c", str(directory / "gateway.yaml"), *arguments]
        if password is not None:
            (directory / "password").write_text(password + "\n")
            command += ["--password-file", str(directory / "password")]
        ended = subprocess.run(
            command + ["--json"] * as_json,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "LDAP_GATEWAY_PASSWORD"},
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        if password:
            assert password not in ended.stdout + ended.stderr
        self.status, self.output = ended.returncode, ended.stdout + ended.stderr
        if as_json and ended.stdout:
            said = json.loads(ended.stdout)
            assert said["exit_status"] == self.status
            self.findings = said["findings"]

    def find(self, area, step=None, subject=None):
        """The only finding of that area, step and subject."""
        (found,) = self.all(area, step, subject)
        return found

    def all(self, area, step=None, subject=None):
        return [
            each
            for each in self.findings
            if each["area"] == area and step in (None, each["step"]) and subject in (None, each["subject"])
        ]

    def worst(self, area):
        """failed, warning, ok or skipped."""
        found = {each["status"] for each in self.all(area)}
        return next(status for status in ("failed", "warning", "ok", "skipped") if status in found)


@pytest.fixture
def examine_samba(samba, certificates, tmp_path):
    """A function that runs doctor for a client of the Samba domain; keys: of its block."""

    def examine(*arguments, password=samba["LAB_SVC_PW"], as_json=True, **keys):
        directory = {
            "servers": [{"url": f"ldaps://{samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
            "ca_file": samba["LAB_CA"],
        }
        client = {"sync_accounts": [samba["LAB_SVC_UPN"]], "base_dns": [STAFF], "attributes": ATTRIBUTES} | keys
        config = configuration(certificates, directory, client)
        return Doctor(tmp_path, config, password, *arguments, as_json=as_json)

    return examine


def test_a_domain_that_is_well(samba, examine_samba):
    def changes():
        connection = connect(samba["LAB_IP"], 636, samba["LAB_CA"], samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"])
        connection.search("", "(objectClass=*)", "BASE", attributes=["highestCommittedUSN"])
        return connection.entries[0].highestCommittedUSN.value

    before = changes()
    bases = [STAFF, f"OU=Groups,{DOMAIN}", f"OU=Contacts,{DOMAIN}"]
    said = examine_samba(base_dns=bases)
    assert changes() == before
    for area in ("server", "account", "directory", "policy"):
        assert said.worst(area) == "ok", said.all(area)
    assert "Active Directory (Samba)" in said.find("server", "answers")["said"]
    counts = [said.find("directory", "contents", base)["said"] for base in bases]
    assert [count.partition(";")[0] for count in counts] == [
        "500 people, 0 groups, 0 contacts",
        "0 people, 21 groups, 0 contacts",
        "0 people, 0 groups, 10 contacts",
    ]
    assert "in 2 pages" in counts[0]
    assert "up to 1000 entries" in said.find("directory", "paging")["said"]
    assert "locks nobody out" in said.find("directory", "lockout")["said"]


def test_names_that_need_escaping_are_shown_as_they_must_be_written(examine_samba):
    found = examine_samba().find("directory", "special characters")
    assert found["said"].startswith("12 containers")
    shown = [name for name in found["said"].split("`") if name.startswith("OU=")]
    assert set(shown) <= {
        "OU=Sales\\, EMEA", "OU=R\\+D", "OU=\\#Ops", "OU=\\ Leading space", "OU=Trailing space\\ ",
        'OU=The \\"A\\" Team', "OU=Back\\\\slash", "OU=Less\\<Than", "OU=Greater\\>Than", "OU=x\\=y", "OU=Semi\\;Colon",
        'OU=Key\\; \\"A\\" \\<Accounts\\>\\, #1',
    }  # fmt: skip


# Accounts of the lab, and what is said of each.
REFUSED = {
    "wrong password": ("svc-mimecast", OLD_PASSWORD, "wrong password, or no account", "set the password anew"),
    "unknown": ("svc-mimekast", OLD_PASSWORD, "wrong password, or no account", "set the password anew"),
    "disabled": ("t-disabled", USER_PASSWORD, "the account is disabled", "enable the account"),
    "locked": ("t-locked", USER_PASSWORD, "locked after too many wrong passwords", "who sends the wrong one"),
    "expired": ("t-expired", USER_PASSWORD, "the account has expired", "Account expires"),
    "must change": ("t-mustchange", USER_PASSWORD, "must be changed before", "User must change password"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_account_that_cannot_sign_in_is_told_why(examine_samba, case):
    name, password, text, advice = REFUSED[case]
    said = examine_samba(sync_accounts=[f"{name}@corp.example"], password=password)
    assert said.status == 2
    found = said.find("account")
    assert found["status"] == "failed"
    assert text in found["said"]
    assert advice in found["advice"]
    assert said.worst("directory") == "skipped"
    assert {each["said"] for each in said.all("directory")} == {"the account does not sign in"}
    for words in ("80090308", "AcceptSecurityContext", "DSID"):
        assert words not in said.output


def test_what_was_mistyped_is_named_with_what_is_there(examine_samba):
    wrong, excluded = f"OU=Stff,{DOMAIN}", f"OU=Sales\\, EMAE,{STAFF}"
    empty = f"CN=ForeignSecurityPrincipals,{DOMAIN}"
    said = examine_samba(
        base_dns=[wrong, empty, STAFF],
        excluded_base_dns=[excluded],
        login_base_dns=[f"OU=Elsewhere,{DOMAIN}"],
        attributes=[*ATTRIBUTES, "telphoneNumber", "favouriteColour"],
    )
    assert said.status == 2
    assert said.find("directory", "exists", wrong)["advice"] == f'did you mean "{STAFF}"?'
    assert said.find("directory", "contents", wrong)["status"] == "skipped"
    assert said.find("directory", "exists", excluded)["advice"] == f'did you mean "OU=Sales\\, EMEA,{STAFF}"?'
    elsewhere = said.find("directory", "exists", f"OU=Elsewhere,{DOMAIN}")
    assert "login_base_dns" in elsewhere["said"]
    assert f'below "{DOMAIN}" there are: ' in elsewhere["advice"]
    assert said.find("directory", "exists", empty)["status"] == "ok"
    contents = said.find("directory", "contents", empty)
    assert contents["status"] == "warning"
    assert contents["said"].startswith("empty: 0 people")
    assert "may the account read" in contents["advice"]
    assert [each["said"].rpartition(" ")[2] for each in said.all("directory", "schema")] == [
        "telphoneNumber",
        "favouriteColour",
    ]
    assert said.all("directory", "schema")[0]["advice"] == "did you mean telephoneNumber or telexNumber?"


def test_another_naming_context(examine_samba, samba, certificates, tmp_path):
    directory = {
        "servers": [{"url": f"ldaps://{samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
        "ca_file": samba["LAB_CA"],
        "naming_contexts": ["DC=other,DC=example"],
    }
    base = "OU=Staff,DC=other,DC=example"
    client = {"sync_accounts": [samba["LAB_SVC_UPN"]], "base_dns": [base], "attributes": ATTRIBUTES}
    said = Doctor(tmp_path, configuration(certificates, directory, client), samba["LAB_SVC_PW"])
    found = said.find("directory", "naming contexts")
    assert (found["status"], found["said"]) == ("failed", "DC=other,DC=example is none of the server's")
    assert DOMAIN in found["advice"]
    assert said.find("directory", "exists", base)["advice"] == "compare it with the server's naming contexts"


def test_without_a_password_what_needs_one_is_skipped_with_a_word(examine_samba):
    said = examine_samba(password=None)
    assert said.status == 1
    assert said.worst("server") == "ok"
    found = said.find("account")
    assert (found["status"], found["said"]) == ("skipped", "no password was given")
    assert "LDAP_GATEWAY_PASSWORD" in found["advice"]
    assert said.worst("directory") == "skipped"
    assert said.worst("policy") == "ok"


def test_what_is_printed_for_people(examine_samba):
    said = examine_samba(as_json=False)
    lines = said.output.splitlines()
    assert "account: client mimecast" in lines
    assert "  ok       signs in           as svc-mimecast@corp.example" in lines
    assert lines[-1].endswith(" skipped") and "ok" in lines[-1]
    assert "\x1b" not in said.output


def test_a_configuration_that_does_not_load_is_the_first_broken_stone(examine_samba):
    said = examine_samba(base_dns=["OU=Sales, EMEA,DC=corp,DC=example"])
    assert said.status == 2
    assert [each["area"] for each in said.findings] == ["configuration"]
    assert "gateway.yaml:" in said.findings[0]["said"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--client", "mimekast"], "no client mimekast; there are: mimecast"),
        (["--account", "Administrator"], "no sync account Administrator"),
        (["--service-ca", "missing.pem"], "missing.pem: cannot be read"),
        (["--password-file", "missing"], "missing: cannot be read"),
    ],
)
def test_a_wrong_question_is_said_to_be_one(examine_samba, arguments, said):
    ended = examine_samba(*arguments, password=None, as_json=False)
    assert ended.status != 0
    assert said in ended.output


@pytest.fixture(scope="module")
def small_slapd():
    """slapd with two people, a group and an empty container; reading in pages is forbidden to all."""
    tree = [
        entry
        for entry in slapd_tree.make_tree(users=2, contacts=0, photo_every=9)
        if "GG-All" not in entry[0] and "GG-None" not in entry[0]
    ]
    with Slapd(tree, database_settings="limits * size.prtotal=disabled") as running:
        yield running


def examine_slapd(slapd, certificates, tmp_path, password=slapd_tree.SYNC_PASSWORD, *, directory=None, **keys):
    directory = slapd.gateway_directory | (directory or {})
    client = {
        "sync_accounts": [slapd_tree.SYNC_ACCOUNT],
        "base_dns": [slapd_tree.STAFF],
        "attributes": [*ATTRIBUTES, "entryUUID"],
    } | keys
    return Doctor(tmp_path, configuration(certificates, directory, client), password)


def test_a_slapd_that_is_well(slapd, certificates, tmp_path):
    said = examine_slapd(slapd, certificates, tmp_path)
    assert said.worst("account") == said.worst("policy") == said.worst("directory") == "ok", said.findings
    assert "OpenLDAP" in said.find("server", "answers")["said"]
    assert said.find("directory", "contents")["said"].startswith("500 people, 0 groups, 0 contacts")
    assert said.find("directory", "special characters")["said"].startswith("10 containers")
    for step in ("clock", "lockout"):
        assert said.find("directory", step)["status"] == "skipped"


def test_a_slapd_with_an_empty_container(small_slapd, certificates, tmp_path):
    bases = [slapd_tree.STAFF, slapd_tree.CONTACTS]
    said = examine_slapd(small_slapd, certificates, tmp_path, directory={"paging": "never"}, base_dns=bases)
    assert said.find("directory", "contents", slapd_tree.STAFF)["said"].startswith("2 people")
    assert said.find("directory", "contents", slapd_tree.CONTACTS)["status"] == "warning"


def test_a_slapd_whose_limits_forbid_what_the_gateway_needs(small_slapd, certificates, tmp_path):
    said = examine_slapd(small_slapd, certificates, tmp_path)
    found = said.find("directory", "contents")
    assert found["status"] == "failed"
    assert "a limit of the server for this account" in found["said"]
    assert "raise the server's limits" in found["advice"]


@pytest.mark.parametrize("account", [slapd_tree.SYNC_ACCOUNT, f"CN=nobody,{slapd_tree.SERVICE}"])
def test_slapd_does_not_say_whether_name_or_password_is_wrong(slapd, certificates, tmp_path, account):
    said = examine_slapd(slapd, certificates, tmp_path, OLD_PASSWORD, sync_accounts=[account])
    found = said.find("account")
    assert (said.status, found["status"]) == (2, "failed")
    assert "wrong name or password; the server does not say which" in found["said"]


def test_plain_ldap_on_the_ldaps_port(slapd, certificates, tmp_path):
    server = {"url": f"ldaps://127.0.0.1:{slapd.plain_port}", "server_name": "localhost"}
    said = examine_slapd(slapd, certificates, tmp_path, directory={"servers": [server]})
    assert said.status == 2
    assert said.find("server", "connects")["status"] == "ok"
    found = said.find("server", "TLS")
    assert found["status"] == "failed"
    assert "plain LDAP" in found["said"] + found["advice"]
    assert said.find("account")["said"] == "no server can be used"


def test_a_password_that_one_server_refuses_is_not_tried_at_the_next(certificates, tmp_path, start_stubs):
    said, binds = start_stubs([49, 0])
    assert said.find("account", "signs in")["status"] == "failed"
    assert [len(each) for each in binds] == [1, 0]


def test_a_password_that_is_right_is_tried_at_every_server(start_stubs):
    said, binds = start_stubs([0, 49])
    assert said.find("account", "signs in")["status"] == "ok"
    assert [each["status"] for each in said.all("account")] == ["ok", "failed"]
    assert [len(each) for each in binds] == [1, 1]


def test_nothing_but_reading_reaches_a_server(start_stubs):
    requests = []
    start_stubs([0], requests)
    assert {type(each) for each in requests} <= {m.BindRequest, m.SearchRequest, m.UnbindRequest}


@pytest.fixture
def start_stubs(certificates, tmp_path):
    """A function that runs doctor against servers that answer binds with these codes; the findings, and the binds
    that came to each."""

    def start(codes, requests=None):
        def answering(code):
            def answer(request):
                if isinstance(request, m.BindRequest):
                    return [m.BindResponse(LDAPResult(code))]
                return [m.SearchResultDone(LDAPResult(0))] if isinstance(request, m.SearchRequest) else []

            return answer

        servers = [StubServer(certificates, answering(code)) for code in codes]
        try:
            directory = servers[0].gateway_directory()
            directory["servers"] = [{"url": each.url, "server_name": "localhost"} for each in servers]
            client = {"sync_accounts": ["svc@corp.example"], "base_dns": [STAFF], "attributes": ATTRIBUTES}
            said = Doctor(tmp_path, configuration(certificates, directory, client), "Passw0rd-that-must-not-travel")
            if requests is not None:
                requests += [request for each in servers for request in each.requests]
            return said, [[r for r in each.requests if isinstance(r, m.BindRequest)] for each in servers]
        finally:
            for each in servers:
                each.__exit__()

    return start


def test_the_servers_that_dns_names(start_slapd, certificates, tmp_path):
    service = "_ldap._tcp.dc._msdcs.corp.example"
    named = start_slapd(slapd_tree.make_tree(10), names=("dc1.corp.example",))
    with DnsServer(tmp_path) as dns:
        directory = {"discover": {"domain": "corp.example", "port": named.port, "resolver": dns.resolver}}
        directory |= {key: value for key, value in named.gateway_directory.items() if key != "servers"}
        client = {"sync_accounts": [slapd_tree.SYNC_ACCOUNT], "base_dns": [slapd_tree.STAFF], "attributes": ATTRIBUTES}
        config = configuration(certificates, directory, client)
        records = [(0, 100, 389, "dc1.corp.example"), (5, 1, 389, "dc.evil.test")]
        dns.set({service: records}, {"dc1.corp.example": ["127.0.0.1"]})
        said = Doctor(tmp_path, config, slapd_tree.SYNC_PASSWORD)
        found = said.find("server", "discovers")
        assert found["status"] == "warning"
        assert f"{service} names dc1.corp.example (0, 100) (priority, weight), for 600 s" in found["said"]
        assert "left out: dc.evil.test" in found["said"]
        assert said.find("account", "signs in")["status"] == "ok"
        assert said.find("server", "resolves", f"ldaps://dc1.corp.example:{named.port}")["said"] == "127.0.0.1"
        dns.set()
        said = Doctor(tmp_path, config, slapd_tree.SYNC_PASSWORD)
        found = said.find("server", "discovers")
        assert (said.status, found["status"]) == (2, "failed")
        assert "no such name in DNS" in found["said"]
        assert "discover.domain" in found["advice"]
        assert said.find("account")["said"] == "no server can be used"


def test_a_store_of_wrong_passwords_that_does_not_answer_is_a_warning(certificates, tmp_path):
    directory = {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    client = {"sync_accounts": [slapd_tree.SYNC_ACCOUNT], "base_dns": [slapd_tree.STAFF], "attributes": ATTRIBUTES}
    config = configuration(certificates, directory, client, lockout_store="redis://127.0.0.1:1/0")
    found = Doctor(tmp_path, config, None).find("lockout_store", "answers", "redis://127.0.0.1:1/0")
    assert (found["status"], "nothing listens" in found["said"]) == ("warning", True)
