import json

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.policy.reasons import REASONS, Reason
from tests.cli.configurations import write_configuration

STAFF = "OU=Staff,DC=corp,DC=example"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_configuration(tmp_path_factory.mktemp("configuration"))


@pytest.fixture
def explain(path):
    """A function that returns the exit status and what --json says."""

    def ask(*arguments):
        result = CliRunner().invoke(main, ["explain", "-c", str(path), "--client", "mimecast", "--json", *arguments])
        assert result.stderr == ""
        return result.exit_code, json.loads(result.stdout)

    return ask


def test_a_permitted_search_is_shown_as_it_would_be_sent(explain):
    status, said = explain("--base", "ou=STAFF, dc=corp,dc=example", "-a", "MAIL", "-a", "pager", "--scope", "one")
    assert status == 0
    assert said == {
        "decision": "permit",
        "base": STAFF,
        "scope": "one",
        "filter": "(objectClass=*)",
        "forwarded": ["mail"],
        "held back": ["pager"],
        "reported": [],
    }


def test_reads_of_the_root_dse_and_of_the_schema(tmp_path):
    path = write_configuration(
        tmp_path, ("state_dir: .", "    root_dse: [highestCommittedUSN]\n    subschema: cn=Subschema\nstate_dir: .")
    )

    def ask(*arguments):
        result = CliRunner().invoke(main, ["explain", "-c", str(path), "--client", "mimecast", "--json", *arguments])
        return result.exit_code, json.loads(result.stdout)

    status, said = ask("--scope", "base", "-a", "highestCommittedUSN", "-a", "dnsHostName")
    assert (status, said["forwarded"], said["held back"]) == (0, ["highestCommittedUSN"], ["dnsHostName"])
    assert "for whoever may search" in said["sent"]
    status, said = ask("--scope", "base", "-a", "namingContexts")
    assert (status, said["sent"]) == (0, "nothing: the gateway answers the root DSE by itself")
    status, said = ask("--base", "CN=subschema", "--scope", "base", "-a", "attributeTypes", "-a", "mail")
    assert (status, said["forwarded"], said["held back"]) == (0, ["attributeTypes"], ["mail"])
    assert said["sent"].startswith("the entry cn=Subschema by itself")
    status, said = ask("--base", "cn=Subschema", "--scope", "sub")
    assert (status, said["reason"]) == (1, "base-not-allowed")


def test_a_base_above_the_allowed_ones_is_narrowed_to_them(path, explain):
    status, said = explain("--base", "DC=corp,DC=example")
    assert status == 0
    assert said["base"] == [STAFF]
    result = CliRunner().invoke(
        main, ["explain", "-c", str(path), "--client", "mimecast", "--base", "DC=corp,DC=example"]
    )
    # In quotes, since there may be several.
    assert f'base:        "{STAFF}"\n' in result.stdout


def test_without_attributes_the_listed_ones_are_asked_for(explain):
    status, said = explain("--base", STAFF)
    assert status == 0
    assert said["forwarded"] == ["mail", "cn", "member"]


@pytest.mark.parametrize(
    "arguments, reason, result",
    [
        (["--base", "DC=example", "--scope", "one"], "base-above-allowed", "insufficientAccessRights (50)"),
        (["--base", "OU=Other,DC=corp,DC=example"], "base-not-allowed", "insufficientAccessRights (50)"),
        (["--base", f"OU=Board,{STAFF}"], "base-excluded", "insufficientAccessRights (50)"),
        (["--base", "no DN"], "base-malformed", "invalidDNSyntax (34)"),
        (["--base", f"CN=a, b+UID=c,{STAFF}"], "ambiguous-dn", "invalidDNSyntax (34)"),
        (["--base", STAFF, "--filter", "(pager=*)"], "filter-attribute-not-allowed", "insufficientAccessRights (50)"),
        (["--base", STAFF, "--filter", "(:caseExactMatch:=x)"], "filter-untyped", "insufficientAccessRights (50)"),
        (["--bind", "svc@other.example"], "account-spelling-not-listed", "invalidCredentials (49)"),
        (["--bind", "jane@other.example"], "login-domain-not-listed", "invalidCredentials (49)"),
        (["--bind", "Jane Doe"], "bind-name-form-not-allowed", "invalidCredentials (49)"),
    ],
)
def test_a_refusal_comes_with_its_reason_and_the_setting_that_would_allow_it(explain, arguments, reason, result):
    status, said = explain(*arguments)
    assert status == 1
    assert (said["decision"], said["reason"], said["result"]) == ("refuse", reason, result)
    doc = REASONS[Reason(reason)]
    assert said["meaning"] == doc.meaning
    # Of several keys that it may be, the one that this request is about.
    assert said["setting"] in (doc.setting.replace(".X.", ".mimecast.") or "none would allow it").split(" or ")


@pytest.mark.parametrize(
    "name, kind, then",
    [
        ("svc@corp.example", "sync", "the server's answer"),
        ("jane@corp.example", "login", "the person must be found inside login_base_dns"),
        (f"CN=Jane,{STAFF}", "login", "the server's answer"),
    ],
)
def test_a_bind_is_explained_by_its_name(explain, name, kind, then):
    assert explain("--bind", name) == (0, {"decision": "permit", "as": kind, "sent": name, "then": then})


def test_the_root_dse_is_the_gateways_own(explain):
    status, said = explain("--scope", "base")
    assert status == 0
    assert said["sent"] == "nothing: the gateway answers the root DSE by itself"


def test_for_people_there_is_a_line_for_each(path):
    result = CliRunner().invoke(
        main, ["explain", "-c", str(path), "--client", "mimecast", "--base", STAFF, "-a", "mail", "-a", "cn"]
    )
    assert result.exit_code == 0
    assert "decision:    permit\n" in result.stdout
    assert "forwarded:   mail, cn\n" in result.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--client", "nobody", "--base", STAFF], "no client nobody; there are: mimecast"),
        (["--client", "mimecast", "--filter", "(mail=*"], '--filter: ")" is expected'),
        (["--client", "mimecast", "--scope", "everything"], "'everything' is not one of"),
        (["--base", STAFF], "Missing option '--client'"),
    ],
)
def test_a_wrong_question_is_status_2(path, arguments, words):
    result = CliRunner().invoke(main, ["explain", "-c", str(path), *arguments])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr


def test_a_wrong_configuration_is_status_2(tmp_path):
    result = CliRunner().invoke(main, ["explain", "-c", str(tmp_path / "missing.yaml"), "--client", "mimecast"])
    assert result.exit_code == 2
    assert "missing.yaml: cannot be read" in result.stderr


def test_a_mended_name_is_shown_as_it_came_and_as_it_was_meant(path, explain):
    received, meant = f"CN=Smith, John,{STAFF}", f"CN=Smith\\, John,{STAFF}"
    for option, where in (("--base", "base"), ("--bind", "name")):
        status, said = explain(option, received)
        assert status == 0
        assert said["mended"] == [{"where": where, "received": received, "meant": meant}]
    result = CliRunner().invoke(main, ["explain", "-c", str(path), "--client", "mimecast", "--base", received])
    assert f"received:    base {received}\nmeant:       base {meant}\n" in result.stdout


def test_what_looks_escaped_twice_is_shown(explain):
    _, said = explain("--base", STAFF, "--filter", r"(cn=Sales\5c2c EMEA)")
    assert said["suspicious"] == ["suspicious-escape: cn"]
