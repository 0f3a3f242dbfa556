"""`ldap-gateway preview` as an administrator runs it, against slapd and Samba AD."""

import json
import os
import stat
import subprocess
import sys

import pytest

from tests.servers import slapd_tree as tree
from tests.servers.gateway_process import ROOT, configuration
from tests.servers.sync_client import connect
from tests.servers.terminal import Terminal

ATTRIBUTES = [
    *("objectClass", "objectGUID", "mail", "proxyAddresses", "sAMAccountName", "userAccountControl", "member", "title"),
]
BASES = [tree.STAFF, tree.GROUPS, tree.CONTACTS]


class Preview:
    """One run. said: what --json prints, None where nothing was printed. output: what both streams show."""

    def __init__(self, directory, config, password, *arguments):
        (directory / "gateway.yaml").write_text(config)
        (directory / "password").write_text(password + "\n")
        self.arguments = [
            *("preview", "-c", str(directory / "gateway.yaml"), "--client", "mimecast"),
            *("--password-file", str(directory / "password"), *map(str, arguments)),
        ]
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", *self.arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "LDAP_GATEWAY_PASSWORD"},
        )
        self.status, self.output = ended.returncode, ended.stdout + ended.stderr
        assert "Traceback" not in self.output, self.output
        assert password not in self.output
        self.said = json.loads(ended.stdout) if "--json" in arguments and ended.stdout else None

    def base(self, name):
        return next(base for base in self.said["bases"] if base["base"] == name)

    def entries(self, base, kind):
        return self.base(base)["kinds"].get(kind, {"entries": 0})["entries"]


@pytest.fixture
def preview_slapd(slapd, certificates, tmp_path):
    """A function that previews a client of slapd; keys: of its block, directory: keys of its directory's."""

    def preview(*arguments, password=tree.SYNC_PASSWORD, directory=None, **keys):
        client = {"sync_accounts": [tree.SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES} | keys
        config = configuration(certificates, slapd.gateway_directory | (directory or {}), client)
        return Preview(tmp_path, config, password, *arguments)

    return preview


@pytest.fixture
def preview_samba(samba, certificates, tmp_path):
    def preview(*arguments, **keys):
        directory = {
            "servers": [{"url": f"ldaps://{samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
            "ca_file": samba["LAB_CA"],
        }
        client = {"sync_accounts": [samba["LAB_SVC_UPN"]], "base_dns": BASES, "attributes": ATTRIBUTES} | keys
        return Preview(tmp_path, configuration(certificates, directory, client), samba["LAB_SVC_PW"], *arguments)

    return preview


def test_what_a_client_of_slapd_will_see(preview_slapd):
    found = preview_slapd("--json", excluded_base_dns=[tree.BOARD])
    assert found.status == 0
    staff, groups = found.base(tree.STAFF), found.base(tree.GROUPS)
    assert staff["kinds"]["user"] == {
        "entries": 480,
        "no mail": 0,
        "no proxyAddresses": 0,
        "disabled": 0,
        "shares an address": 0,
        "no members": None,
    }
    # The OU itself and the twenty in it.
    assert (staff["held_back"], staff["excluded"]) == (21, [tree.BOARD])
    assert groups["kinds"]["group"]["entries"] == 3
    assert groups["kinds"]["group"]["no members"] == 1
    assert groups["kinds"]["group"]["no proxyAddresses"] == 3
    assert found.entries(tree.CONTACTS, "contact") == 20
    assert found.said["never_filled"] == ["title"]
    assert found.said["attributes"]["userAccountControl"] == {"user": 480}
    assert len(found.said["entries"]) == sum(base["entries"] for base in found.said["bases"]) == 520


def test_what_a_client_of_active_directory_will_see(samba, preview_samba):
    direct = connect(samba["LAB_IP"], 636, samba["LAB_CA"], samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"])

    def count(base, wanted):
        entries = direct.extend.standard.paged_search(
            base, f"(&(objectClass=*){wanted})", attributes=["1.1"], paged_size=500
        )
        return sum(entry["type"] == "searchResEntry" for entry in entries)

    found = preview_samba("--json")
    assert found.status == 0
    users = found.base(tree.STAFF)["kinds"]["user"]
    disabled = "(userAccountControl:1.2.840.113556.1.4.803:=2)"
    assert users["entries"] == count(tree.STAFF, "(objectClass=user)") == 500
    assert users["disabled"] == count(tree.STAFF, f"(objectClass=user){disabled}") > 0
    assert users["no mail"] == count(tree.STAFF, "(objectClass=user)(!(mail=*))")
    assert users["no proxyAddresses"] == count(tree.STAFF, "(objectClass=user)(!(proxyAddresses=*))")
    groups = found.base(tree.GROUPS)["kinds"]["group"]
    assert groups["entries"] == count(tree.GROUPS, "(objectClass=group)") > 0
    assert groups["no members"] == count(tree.GROUPS, "(objectClass=group)(!(member=*))")
    assert found.base(tree.STAFF)["pages"] == 2
    assert all(entry["guid"] for entry in found.said["entries"])


@pytest.mark.parametrize("paging", [{}, {"directory": {"paging": "never"}}])
def test_kinds_are_told_without_objectclass_too(preview_slapd, paging):
    attributes = [name for name in ATTRIBUTES if name != "objectClass"]
    found = preview_slapd("--json", attributes=attributes, **paging)
    assert found.entries(tree.STAFF, "user") == 500
    assert found.entries(tree.STAFF, "container") == 16
    assert found.entries(tree.GROUPS, "group") == 3
    assert found.entries(tree.CONTACTS, "contact") == 20
    found = preview_slapd("--json", attributes=attributes, filter_attributes=["cn"])
    assert found.said["kinds_known"] is False
    assert found.base(tree.STAFF)["kinds"]["other"]["entries"] == 516


def test_entries_are_counted_under_the_innermost_base(preview_slapd):
    found = preview_slapd("--json", base_dns=[tree.STAFF, tree.BOARD])
    assert found.entries(tree.STAFF, "user") == 480
    assert found.entries(tree.BOARD, "user") == 20
    assert len(found.said["entries"]) == 516


def test_the_required_filter_is_in_force_and_said(preview_slapd):
    found = preview_slapd(required_filter="(sAMAccountName=u0000*)")
    assert "9 entries" in found.output
    assert "what required_filter leaves out cannot be counted" in found.output


def test_what_cannot_be_told_is_said(preview_slapd):
    found = preview_slapd(attributes=["objectClass", "mail"])
    assert "no members: cannot be told, because clients.mimecast.attributes has no member or" in found.output
    assert "disabled: cannot be told" in found.output
    assert "no mail: cannot be told" not in found.output
    assert "cannot be told" not in preview_slapd(base_dns=[tree.CONTACTS]).output


def test_what_would_change(preview_slapd, tmp_path):
    saved = tmp_path / "before.json"
    first = preview_slapd("--save", saved, "--csv", tmp_path / "before.csv", excluded_base_dns=[tree.BOARD])
    assert first.status == 0
    assert {stat.S_IMODE((tmp_path / f"before.{kind}").stat().st_mode) for kind in ("json", "csv")} == {0o600}
    assert len((tmp_path / "before.csv").read_text().splitlines()) == 521
    assert preview_slapd("--compare", saved, excluded_base_dns=[tree.BOARD]).output.endswith("nothing would change\n")
    more = preview_slapd("--compare", saved, "--json")
    assert more.status == 0
    assert {entry["dn"].partition(",")[2].lower() for entry in more.said["changes"]["appear"]} == {
        tree.BOARD.lower(),
        tree.STAFF.lower(),
    }
    less = preview_slapd("--compare", saved, "--json", base_dns=[tree.STAFF, tree.GROUPS])
    assert less.status == 1
    assert sorted({entry["kind"] for entry in less.said["changes"]["vanish"]}) == ["contact", "container"]
    assert len(less.said["changes"]["vanish"]) == 21


def test_what_is_not_complete_is_neither_called_so_nor_compared(preview_slapd, tmp_path):
    saved = tmp_path / "before.json"
    preview_slapd("--save", saved)
    found = preview_slapd("--compare", saved, size_limit=100)
    assert found.status == 2
    assert "NOT COMPLETE: size-limit-reached" in found.output
    assert "nothing was compared" in found.output
    assert "vanish" not in found.output
    missing = preview_slapd("--json", base_dns=[tree.GROUPS, f"OU=Gone,{tree.SUFFIX}"])
    assert missing.status == 2
    assert [bool(base["problem"]) for base in missing.said["bases"]] == [False, True]


def test_a_wrong_password_is_said_in_words(preview_slapd):
    found = preview_slapd(password="Sync-Passw0rd-of-1999")
    assert found.status == 2
    assert f"{tree.SYNC_ACCOUNT} cannot sign in: wrong name or password" in found.output
    assert "ldap-gateway doctor --client mimecast" in found.output


def test_a_server_that_is_not_there_is_said_in_words(preview_slapd):
    found = preview_slapd(directory={"servers": ["ldaps://127.0.0.1:1"]})
    assert found.status == 2
    assert "server-unreachable" in found.output
    assert "ldaps://127.0.0.1:1: refused: the host is there" in found.output


def test_questions_that_are_wrong(preview_slapd, tmp_path):
    assert "no client x; there are: mimecast" in preview_slapd("--client", "x").output
    assert f"there are: {tree.SYNC_ACCOUNT}" in preview_slapd("--account", "x").output
    assert "has no sync_accounts" in preview_slapd(sync_accounts=[], login_base_dns=[tree.STAFF]).output
    found = preview_slapd("--compare", tmp_path / "none.json")
    assert (found.status, found.output) == (2, f"{tmp_path}/none.json: cannot be read: there is no such file\n")
    assert "cannot be written" in preview_slapd("--save", tmp_path / "none" / "x.json").output


def test_addresses_of_several_entries_are_listed(preview_samba):
    found = preview_samba()
    assert "1 address of several entries" in found.output
    (line,) = (line for line in found.output.splitlines() if line.startswith("  jyamada@legacy.corp.example: "))
    assert line.count(",OU=Staff,DC=corp,DC=example") == 2


def test_tables_fit_a_terminal(preview_slapd, tmp_path):
    saved = tmp_path / "before.json"
    arguments = preview_slapd("--save", saved, base_dns=BASES[:2]).arguments
    wider = preview_slapd(base_dns=[tree.GROUPS, tree.CONTACTS]).arguments
    assert arguments[:-2] == wider
    with Terminal(*wider, "--compare", saved) as terminal:
        assert terminal.end() == 1
    assert max(map(len, terminal.lines)) <= 80
    assert "\x1b[" in terminal.raw
    assert "entries" in terminal.raw.partition("client mimecast")[0], "the progress bar"
    assert "█" in terminal.text
    (users,) = (line for line in terminal.lines if line.startswith("groups   ") and " 3 " in line)
    assert users.split()[-1] == "1"
    assert "21 would appear" in terminal.text
    assert "516 would vanish" in terminal.text
