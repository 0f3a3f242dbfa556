"""`ldap-gateway init` and `escape --directory` as an administrator runs them, against slapd and Samba AD."""

import json
import os
import stat
import subprocess
import sys
from hashlib import sha256

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ask.chain import carries_name
from gateway.config.certificates import read_certificates
from gateway.config.load import load_configuration
from tests.servers import slapd_tree as tree
from tests.servers.domino_like import DominoLike
from tests.servers.gateway_process import ROOT
from tests.servers.profile_trees import CONTACTS, PEOPLE, domino_tree
from tests.servers.terminal import Terminal


def gateway(*arguments):
    """The ended process of a command, without a terminal."""
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "LDAP_GATEWAY_PASSWORD"},
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def sha256_of(pem):
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


@pytest.fixture
def home(tmp_path):
    """Where the configuration is to be written, with the password in a file beside it."""
    (tmp_path / "password").write_text(tree.SYNC_PASSWORD + "\n")
    return tmp_path


@pytest.fixture
def flags(slapd, home):
    """A function that gives all that init needs for slapd; changes: other values, None for none."""

    def give(**changes):
        values = {
            "output": home / "gateway.yaml",
            "server": f"127.0.0.1:{slapd.port}",
            "fingerprint": sha256_of(slapd.certificates.ca_file),
            "account": tree.SYNC_ACCOUNT,
            "password-file": home / "password",
            "base": tree.STAFF,
            "source": "198.51.100.0/24",
            "no-login": "",
            "test-certificate": "ldap.example.com",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        written = [(f"--{name}", value) for name, value in values.items() if value is not None]
        return ["init", *(each for name, value in written for each in ([name, value] if value != "" else [name]))]

    return give


def test_without_a_terminal_options_say_it_all(flags, home, slapd):
    ended = gateway(*flags())
    assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in home.iterdir()) == [
        *("corp-ca.pem", "gateway-ca.pem", "gateway.key", "gateway.pem", "gateway.yaml", "password"),
    ]
    assert stat.S_IMODE((home / "gateway.key").stat().st_mode) == 0o600
    assert sha256_of(home / "corp-ca.pem") == sha256_of(slapd.certificates.ca_file)
    assert "TEST PAIR" in (home / "gateway.yaml").read_text()
    assert tree.SYNC_PASSWORD not in (home / "gateway.yaml").read_text() + ended.stdout
    assert gateway("check", "-c", home / "gateway.yaml").returncode == 0
    (client,) = load_configuration(home / "gateway.yaml").settings.clients
    assert [str(base).lower() for base in client.policy.base_dns] == [tree.STAFF.lower()]
    assert client.policy.login_base_dns == ()
    said = gateway("preview", "-c", home / "gateway.yaml", "--client", "mimecast", "--json", "--password-file",
                   home / "password")  # fmt: skip
    assert json.loads(said.stdout)["bases"][0]["kinds"]["user"]["entries"] == 500


def test_asked_on_a_terminal(flags, home, slapd):
    arguments = ["init", "-o", home / "gateway.yaml", "--password-file", home / "password"]
    with Terminal(*arguments) as terminal:
        terminal.answer("first choice first", f"127.0.0.1:{slapd.port}")
        terminal.answer("Trust this authority", "y")
        terminal.answer("Sync account", tree.SYNC_ACCOUNT)
        terminal.answer("such as 2,4-6", "99")
        terminal.answer("such as 2,4-6", "2,3")
        terminal.answer("sign in with their own password", "y")
        terminal.answer("connects from", "everywhere")
        terminal.answer("connects from", "198.51.100.0/24 203.0.113.7")
        terminal.answer("certificate chain", str(home / "password"))
        terminal.answer("certificate chain", "")
        terminal.answer("Host name", "ldap.example.com")
        assert terminal.end() == 0
    shown = terminal.text
    assert sha256_of(slapd.certificates.ca_file).upper() in shown.replace(":", "")
    assert max(len(line) for line in terminal.lines if "─ " in line) <= 80
    assert "ou=Sales\\, EMEA  34 users  escaped" in shown
    assert "99: from 1 to" in shown
    assert "no certificate in PEM in it" in shown
    (client,) = load_configuration(home / "gateway.yaml").settings.clients
    assert [str(base).lower() for base in client.policy.base_dns] == [tree.CONTACTS.lower(), tree.GROUPS.lower()]
    assert client.policy.login_base_dns == client.policy.base_dns
    assert client.policy.login_domains == ("corp.example",)


def test_active_directory_by_its_address(samba, home):
    (home / "password").write_text(samba["LAB_SVC_PW"])
    bases = [f"OU=Sales, EMEA,OU=Staff,{tree.SUFFIX}", tree.GROUPS]
    ended = gateway(
        *("init", "-o", home / "gateway.yaml", "--server", samba["LAB_IP"], "--server-name", "dc1.corp.example"),
        *("--ca-file", samba["LAB_CA"], "--account", samba["LAB_SVC_UPN"], "--password-file", home / "password"),
        *("--base", bases[0], "--base", bases[1], "--source", "198.51.100.7", "--login"),
        *("--test-certificate", "ldap.example.com"),
    )
    assert ended.returncode == 0, ended.stderr
    assert gateway("check", "-c", home / "gateway.yaml").returncode == 0
    (client,) = load_configuration(home / "gateway.yaml").settings.clients
    policy = client.policy
    assert [str(base) for base in policy.base_dns] == [f"OU=Sales\\, EMEA,OU=Staff,{tree.SUFFIX}", tree.GROUPS]
    assert policy.sync_accounts == (samba["LAB_SVC_UPN"], samba["LAB_SVC_DN"])
    assert policy.login_domains == ("corp.example",)
    assert {"objectGUID", "userAccountControl", "proxyAddresses"} <= set(policy.attributes)
    assert "uid" not in policy.attributes
    assert client.directory.servers[0].server_name == "dc1.corp.example"
    assert not (home / "corp-ca.pem").exists()


def test_a_domain_controller_that_does_not_send_its_authority(samba, home):
    ended = gateway("init", "-o", home / "gateway.yaml", "--server", samba["LAB_IP"])
    assert ended.returncode == 2
    assert "does not send AD lab root CA" in ended.stderr
    assert "--ca-file" in ended.stderr


# Domino, whose root has everything.


@pytest.fixture(scope="module")
def domino():
    with DominoLike(domino_tree()) as running:
        yield running


DOMINO_ACCOUNT = "CN=Mimecast Sync,O=Acme"


def init_of(domino, home):
    return (
        *("init", "-o", home / "gateway.yaml", "--server", domino.url, "--ca-file", domino.certificates.ca_file),
        *("--account", DOMINO_ACCOUNT, "--password-file", home / "password", "--source", "198.51.100.7"),
        *("--test-certificate", "ldap.example.com"),
    )


def test_of_domino_the_root_is_shown_and_written_as_the_profile_has_it(domino, home):
    with Terminal(*init_of(domino, home), "--login") as terminal:
        terminal.answer("such as 2,4-6", "1")
        assert terminal.end() == 0
    shown = terminal.text
    assert f"{domino.url}: HCL Domino" in shown
    everybody, flat = PEOPLE + CONTACTS + 1, CONTACTS
    assert f'1 "" (the root)  {everybody} users, 3 groups ({flat} users, 3 groups right in it)' in shown
    assert f"o=Acme  {PEOPLE + 1} users" in shown
    assert gateway("check", "-c", home / "gateway.yaml").returncode == 0
    text = (home / "gateway.yaml").read_text()
    whole = yaml.safe_load(text)
    profile = yaml.safe_load((ROOT / "conf" / "domino.yaml").read_text())
    (made,), (shipped,) = whole["clients"].values(), profile["clients"].values()
    for key in ("required_filter", "filter_attributes", "matching_rules", "base_dns"):
        assert made[key] == shipped[key], key
    assert set(made["attributes"]) == set(shipped["attributes"])
    assert "login_domains" not in made
    (corp,), (acme,) = whole["directories"].values(), profile["directories"].values()
    assert (corp["paging"], corp["naming_contexts"]) == (acme["paging"], acme["naming_contexts"]) == ("never", [""])


@pytest.mark.parametrize("bases", [[""], ["O=Acme"]])
def test_what_was_written_for_domino_serves_all_of_it(domino, home, bases):
    ended = gateway(*init_of(domino, home), "--no-login", *(each for base in bases for each in ("--base", base)))
    assert ended.returncode == 0, ended.stderr
    said = gateway("preview", "-c", home / "gateway.yaml", "--client", "mimecast", "--json", "--password-file",
                   home / "password")  # fmt: skip
    kinds = json.loads(said.stdout)["bases"][0]["kinds"]
    assert kinds["user"]["entries"] == PEOPLE + 1 + (CONTACTS if bases == [""] else 0)
    found = gateway("doctor", "-c", home / "gateway.yaml", "--client", "mimecast", "--json", "--password-file",
                    home / "password")  # fmt: skip
    findings = {(each["area"], each["step"]): each for each in json.loads(found.stdout)["findings"]}
    contexts = findings["directory", "naming contexts"]
    assert (contexts["status"], contexts["said"]) == ("ok", "the root is one of the server's")
    assert findings["directory", "paging"]["said"] == "the server cannot page"
    assert findings["directory", "paging"]["status"] == "ok"
    assert findings["directory", "schema"]["status"] == "ok", findings["directory", "schema"]


def test_an_authority_that_is_not_trusted(home, slapd):
    with Terminal("init", "-o", home / "gateway.yaml", "--server", f"127.0.0.1:{slapd.port}") as terminal:
        terminal.answer("Trust this authority", "n")
        assert terminal.end() == 2
    assert "not trusted; nothing was written" in terminal.text
    assert [path.name for path in home.iterdir()] == ["password"]


def test_a_server_by_another_name_than_its_certificates(start_slapd, home):
    running = start_slapd(names=("dc1.corp.example",))
    arguments = ["-o", home / "gateway.yaml", "--server", f"127.0.0.1:{running.port}", "--account", tree.SYNC_ACCOUNT]
    files = ["--ca-file", running.certificates.ca_file, "--password-file", home / "password"]
    with Terminal("init", *arguments, *files, "--base", tree.STAFF, "--source", "10.0.0.0/8", "--no-login",
                  "--test-certificate", "localhost") as terminal:  # fmt: skip
        terminal.answer("Expect dc1.corp.example", "y")
        assert terminal.end() == 0
    (client,) = load_configuration(home / "gateway.yaml").settings.clients
    assert client.directory.servers[0].server_name == "dc1.corp.example"
    assert client.directory.servers[0].host == "127.0.0.1"


def test_a_password_at_the_prompt_is_not_shown(home, slapd):
    flags = ["--server", f"127.0.0.1:{slapd.port}", "--ca-file", slapd.certificates.ca_file]
    with Terminal("init", "-o", home / "gateway.yaml", *flags, "--account", tree.SYNC_ACCOUNT) as terminal:
        terminal.answer("Password of", tree.SYNC_PASSWORD)
        terminal.answer("such as 2,4-6", "\x03")
        assert terminal.end() == 1
    assert "ou=Staff  500 users" in terminal.text
    assert tree.SYNC_PASSWORD not in terminal.raw


def test_ctrl_c_leaves_nothing(home, slapd):
    arguments = ["init", "-o", home / "gateway.yaml", "--password-file", home / "password"]
    with Terminal(*arguments, "--server", f"127.0.0.1:{slapd.port}") as terminal:
        terminal.answer("Trust this authority", "y")
        terminal.answer("Sync account", "\x03")
        assert terminal.end() == 1
    assert "Aborted!" in terminal.text
    assert [path.name for path in home.iterdir()] == ["password"]


def test_nothing_is_overwritten(flags, home, slapd):
    remedies = {
        "gateway.yaml": "give another --output",
        "corp-ca.pem": "give it with --ca-file",
        "gateway.key": "give --certificate and --private-key",
    }
    for name, remedy in remedies.items():
        (home / name).write_text("mine")
        ended = gateway(*flags())
        assert ended.returncode == 2
        assert f"{name} is there already" in ended.stderr and remedy in ended.stderr
        assert (home / name).read_text() == "mine"
        assert sorted(path.name for path in home.iterdir()) == sorted([name, "password"])
        (home / name).unlink()
    (home / "gateway.yaml").write_text("mine")
    assert gateway(*flags(force="")).returncode == 0
    assert gateway("check", "-c", home / "gateway.yaml").returncode == 0


def test_force_costs_nothing_where_the_new_files_cannot_be_placed(flags, home):
    mine = ("corp-ca.pem", "gateway.pem", "gateway.key", "gateway-ca.pem")
    for name in mine:
        (home / name).write_text("mine")
    (home / "gateway.yaml").mkdir()
    ended = gateway(*flags(force=""))
    assert ended.returncode == 2
    assert "gateway.yaml: cannot be written" in ended.stderr
    assert {name: (home / name).read_text() for name in mine} == dict.fromkeys(mine, "mine")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"fingerprint": "00" * 32}, "shows another authority"),
        ({"fingerprint": None}, "--ca-file or --fingerprint is needed: there is no terminal to ask on"),
        ({"account": None}, "--account is needed"),
        ({"account": "somebody"}, "--account: a DN, name@domain"),
        ({"source": None}, "--source is needed"),
        ({"source": "198.51.100.1/24"}, "has host bits; did you mean 198.51.100.0/24?"),
        ({"base": None}, "--base is needed"),
        ({"base": f"OU=Staf,{tree.SUFFIX}"}, "no container of that name"),
        ({"base": "Staff"}, "--base: Staff"),
        ({"no-login": None}, "--login or --no-login is needed"),
        ({"test-certificate": None}, "--certificate or --test-certificate is needed"),
        ({"server": "ldap://127.0.0.1"}, "only ldaps:// is served inside"),
        ({"server": "127.0.0.1:1"}, "nothing listens on this port"),
        ({"listen": "everywhere"}, "an IP address and a port are expected"),
        ({"account": f"CN=nobody,{tree.SUFFIX}"}, "cannot sign in: wrong name or password"),
        ({"password-file": None}, "no password: give it at the prompt"),
        ({"server-name": "dc9.corp.example"}, "does not carry the expected name"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(flags, home, changes, words):
    ended = gateway(*flags(**changes))
    assert ended.returncode == 2
    assert words in ended.stderr
    assert [path.name for path in home.iterdir()] == ["password"]


@pytest.fixture(scope="module")
def configured(slapd, tmp_path_factory):
    """The arguments with which escape looks a name up in slapd."""
    home = tmp_path_factory.mktemp("escape")
    (home / "password").write_text(tree.SYNC_PASSWORD)
    ended = gateway(
        *("init", "-o", home / "gateway.yaml", "--server", f"127.0.0.1:{slapd.port}"),
        *("--fingerprint", sha256_of(slapd.certificates.ca_file), "--account", tree.SYNC_ACCOUNT),
        *("--password-file", home / "password", "--base", tree.STAFF, "--source", "198.51.100.0/24", "--no-login"),
        *("--test-certificate", "localhost"),
    )
    assert ended.returncode == 0, ended.stderr
    return ["--directory", "corp", "-c", home / "gateway.yaml", "--password-file", home / "password"]


def test_a_test_pair_for_localhost_is_also_for_the_address(configured):
    """ldapsearch looks for this host's own name in place of localhost, so that the address is what it can be given."""
    made = read_certificates(configured[3].parent / "gateway.pem")[0]
    assert carries_name(made, "localhost") and carries_name(made, "127.0.0.1")


@pytest.mark.parametrize("typed", ["OU=Sales, EMEA", "OU=R+D", "OU=#Ops", 'OU=The "A" Team', "OU=Back\\slash"])
def test_a_name_is_looked_up(configured, typed):
    ended = gateway("escape", f"{typed},{tree.STAFF}", *configured)
    assert ended.returncode == 0, ended.stdout
    assert "in corp:     exists" in ended.stdout


def test_of_several_readings_the_one_that_exists_is_told(configured):
    name = f"OU=Semi;Colon,{tree.STAFF}"
    said = json.loads(gateway("escape", name, *configured, "--json").stdout)["readings"]
    assert [each["rfc4514"] for each in said if each["exists"]] == [f"OU=Semi\\;Colon,{tree.STAFF}"]


def test_a_name_that_is_not_there(configured):
    ended = gateway("escape", f"OU=Salez, EMEA,{tree.STAFF}", *configured)
    assert ended.returncode == 1
    assert "there is no entry of this name; did you mean" in ended.stdout
    assert "Sales\\, EMEA" in ended.stdout
    assert gateway("escape", "OU=x", *configured[:1], "lab", *configured[2:]).returncode == 2
