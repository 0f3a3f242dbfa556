"""`explain` gives every reason for which a request is refused, with the one setting that would allow it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import REASONS, Reason
from tests.cli.configurations import write_configuration
from tests.config.test_credentials import MAPPED, OWN

STAFF = "OU=Staff,DC=corp,DC=example"
SYNC = "svc@corp.example"
PAGED, SORT = "1.2.840.113556.1.4.319", "1.2.840.113556.1.4.473"
NONE = "none would allow it"
CLIENT = "clients.mimecast"
PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"

END = "state_dir: ."


def block(*lines):
    """Keys of the client's block, behind those that are there."""
    return (END, "".join(f"    {line}\n" for line in lines) + END)


LIMITS = """\
limits:
  filter_elements: 2
  filter_depth: 2
  assertion_value: 4
  attributes: 1
  dn_length: 60
  message_after_bind: 4096
"""
CONFIGURATIONS = {
    "usual": (),
    "refusing": (block("when_denied: refuse", "base_above: refuse", "filter_attributes: [name]"),),
    "sorting": (
        block(f"controls: [{SORT}, {PAGED}]"),
        (f'base_dns: ["{STAFF}"]\n    excl', f'base_dns: ["{STAFF}", "OU=Two,DC=corp,DC=example"]\n    excl'),
    ),
    "unpaged": (
        ('naming_contexts: ["DC=corp,DC=example"]', 'naming_contexts: ["DC=corp,DC=example"]\n    paging: never'),
    ),
    "starttls": (("    private_key: gateway.key", "    private_key: gateway.key\n    starttls: required"),),
    "limited": ((END, f"{END}\n{LIMITS}"),),
    "counting": (block("lockout: {per_source: 3}"),),
    "mapped": (("    sync_accounts: [svc@corp.example]\n", MAPPED),),
}

# The configuration that it is asked of, what is asked, and the one setting.
CASES = {
    Reason.base_malformed: ("usual", ["--base", "no DN"], NONE),
    Reason.base_not_allowed: ("usual", ["--base", "OU=Other,DC=corp,DC=example"], f"{CLIENT}.base_dns"),
    Reason.base_above_allowed: ("refusing", ["--base", "DC=corp,DC=example"], f"{CLIENT}.base_above"),
    Reason.base_excluded: ("usual", ["--base", f"OU=Board,{STAFF}"], f"{CLIENT}.excluded_base_dns"),
    Reason.ambiguous_dn: ("usual", ["--base", f"CN=a, b+UID=c,{STAFF}"], NONE),
    Reason.attribute_not_allowed: ("refusing", ["--base", STAFF, "-a", "pager"], f"{CLIENT}.attributes"),
    Reason.filter_attribute_not_allowed: (
        "usual",
        ["--base", STAFF, "--filter", "(pager=*)"],
        f"{CLIENT}.filter_attributes",
    ),
    Reason.filter_untyped: ("usual", ["--base", STAFF, "--filter", "(:caseExactMatch:=x)"], NONE),
    Reason.filter_dn_attributes: ("usual", ["--base", STAFF, "--filter", "(cn:dn:=x)"], NONE),
    Reason.matching_rule_not_allowed: (
        "usual",
        ["--base", STAFF, "--filter", "(cn:caseExactMatch:=x)"],
        f"{CLIENT}.matching_rules",
    ),
    Reason.filter_supertype: (
        "refusing",
        ["--base", STAFF, "-a", "mail", "--filter", "(name=x*)", "--server", "other"],
        f"{CLIENT}.filter_attributes",
    ),
    Reason.control_not_allowed: (
        "usual",
        ["--base", STAFF, "--control", f"{SORT}=critical:cn"],
        f"{CLIENT}.controls",
    ),
    Reason.control_not_supported: (
        "sorting",
        ["--base", STAFF, "--control", f"{SORT}=critical:cn", "--server", "other"],
        NONE,
    ),
    Reason.sort_key_not_allowed: (
        "sorting",
        ["--base", STAFF, "--control", f"{SORT}=critical:-pager"],
        f"{CLIENT}.filter_attributes",
    ),
    Reason.sort_over_several_bases: (
        "sorting",
        ["--base", "DC=corp,DC=example", "--control", f"{SORT}=critical:cn"],
        f"{CLIENT}.base_dns",
    ),
    Reason.paging_not_supported: (
        "unpaged",
        ["--base", STAFF, "--control", f"{PAGED}=critical"],
        "directories.corp.paging",
    ),
    Reason.cookie_not_valid: ("usual", ["--base", STAFF, "--control", f"{PAGED}:100,00ff"], NONE),
    Reason.control_malformed: ("usual", ["--base", STAFF, "--control", PAGED, "--control", PAGED], NONE),
    Reason.not_bound: ("usual", ["--base", STAFF, "--as", "nobody"], NONE),
    Reason.login_may_only_bind: ("usual", ["--base", STAFF, "--as", "jane@corp.example"], f"{CLIENT}.sync_accounts"),
    Reason.operation_not_allowed: ("usual", ["--operation", "modifyDN"], NONE),
    Reason.extended_not_allowed: ("usual", ["--operation", "extended"], NONE),
    Reason.starttls_required: ("starttls", ["--bind", SYNC, "--before-tls"], "listeners.starttls"),
    Reason.starttls_out_of_order: ("usual", ["--operation", "starttls"], NONE),
    Reason.version_not_3: ("usual", ["--bind", SYNC, "--ldap-version", "2"], NONE),
    Reason.sasl_not_allowed: ("usual", ["--bind", "", "--sasl", "EXTERNAL"], NONE),
    Reason.anonymous_not_allowed: ("usual", ["--bind", ""], f"{CLIENT}.allow_anonymous"),
    Reason.empty_password: ("usual", ["--bind", SYNC, "--no-password"], NONE),
    Reason.bind_name_form_not_allowed: ("usual", ["--bind", "Jane Doe"], NONE),
    Reason.bind_dn_hex_value: ("usual", ["--bind", f"CN=#040141,{STAFF}"], NONE),
    Reason.account_spelling_not_listed: ("usual", ["--bind", "svc@other.example"], f"{CLIENT}.sync_accounts"),
    Reason.gateway_account: ("mapped", ["--bind", OWN], NONE),
    Reason.login_outside_base: ("usual", ["--bind", "CN=Jane,OU=Other,DC=corp,DC=example"], f"{CLIENT}.login_base_dns"),
    Reason.login_domain_not_listed: ("usual", ["--bind", "jane@other.example"], f"{CLIENT}.login_domains"),
    Reason.request_malformed: ("usual", ["--base", STAFF, "--scope", "children"], NONE),
    Reason.request_too_large: (
        "limited",
        ["--base", STAFF, "--filter", "(|(cn=a)(cn=b))"],
        "limits.filter_elements",
    ),
    Reason.stopping: ("usual", ["--base", STAFF, "--while", "stopping"], NONE),
    Reason.too_much_waiting: ("usual", ["--base", STAFF, "--while", "too-much-waiting"], "limits.waiting_in_all"),
    Reason.too_many_requests_of_source: (
        "usual",
        ["--bind", SYNC, "--while", "too-many-requests-of-source"],
        "limits.requests_per_source",
    ),
    Reason.too_many_requests_of_account: (
        "usual",
        ["--base", STAFF, "--while", "too-many-requests-of-account"],
        "limits.requests_per_account",
    ),
    Reason.too_much_mending: (
        "usual",
        ["--base", f"CN=Smith, John,{STAFF}", "--while", "too-much-mending"],
        "limits.mending_per_account",
    ),
    Reason.account_guarded: ("usual", ["--bind", SYNC, "--while", "account-guarded"], f"{CLIENT}.lockout"),
    Reason.password_known_wrong: ("usual", ["--bind", SYNC, "--while", "password-known-wrong"], f"{CLIENT}.lockout"),
    Reason.source_guarded: (
        "counting",
        ["--bind", "jane@corp.example", "--while", "source-guarded"],
        f"{CLIENT}.lockout.per_source",
    ),
    Reason.too_many_guarded: ("usual", ["--bind", SYNC, "--while", "too-many-guarded"], "limits.counted_accounts"),
    Reason.too_many_attempts: ("usual", ["--bind", SYNC, "--while", "too-many-attempts"], "limits.bind"),
    Reason.too_many_verifications: ("mapped", ["--bind", "mimecast-sync", "--while", "too-many-verifications"], NONE),
    Reason.gateway_account_guarded: (
        "mapped",
        ["--bind", "mimecast-sync", "--while", "gateway-account-guarded"],
        f"{CLIENT}.lockout",
    ),
    Reason.gateway_account_replaced: (
        "mapped",
        ["--bind", "mimecast-sync", "--while", "gateway-account-replaced"],
        NONE,
    ),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """The configurations on disk, by name."""
    found = {}
    for name, changes in CONFIGURATIONS.items():
        directory = tmp_path_factory.mktemp(name)
        password = directory / "password"
        password.write_bytes(b"Inner-Passw0rd")
        password.chmod(0o600)
        found[name] = write_configuration(directory, *changes)
    return found


@pytest.fixture
def explain(paths):
    """A function that returns the exit status and what --json says."""

    def ask(configuration, *arguments):
        path = paths[configuration]
        result = CliRunner().invoke(main, ["explain", "-c", str(path), "--client", "mimecast", "--json", *arguments])
        assert result.stderr == ""
        return result.exit_code, json.loads(result.stdout)

    return ask


def test_there_is_a_case_for_every_reason_of_a_request_and_of_the_gateways_state():
    assert set(CASES) == {reason for reason, kind in KINDS.items() if kind in (Kind.request, Kind.state)}


@pytest.mark.parametrize(("reason", "case"), CASES.items(), ids=[str(reason) for reason in CASES])
def test_the_reason_is_given_with_its_one_setting(explain, reason, case):
    configuration, arguments, setting = case
    status, said = explain(configuration, *arguments)
    assert (status, said["decision"], said["reason"]) == (1, "refuse", reason)
    assert (said["meaning"], said["setting"]) == (REASONS[reason].meaning, setting)


def test_no_setting_is_one_of_several():
    assert not [setting for _, _, setting in CASES.values() if " or " in setting or "," in setting]


def test_the_page_says_with_which_options_each_is_asked_for():
    rows = [line.split("|")[1:5] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {Reason(reason.strip(" `")): how.strip() for reason, _, _, how in rows}
    assert set(told) == set(Reason)
    for reason, how in told.items():
        options = set(re.findall(r"`(--?[a-z-]+)`", how))
        if reason in CASES:
            assert options and options <= set(CASES[reason][1]), reason
        elif reason is Reason.source_not_listed:
            assert options == {"--source"}
        else:
            assert how == KINDS[reason].value.replace("-", " "), reason


RULES, ACCOUNTS = f"{CLIENT}.matching_rules", f"{CLIENT}.credentials.accounts"
JOHN = f"CN=Smith, John,{STAFF}"
OTHERS_OF_A_REASON = [
    ("usual", ["--base", STAFF, "--control", "1.2.3.4=critical"], "control-not-allowed", NONE),
    ("usual", ["--bind", SYNC, "--control", f"{PAGED}=critical"], "control-not-allowed", NONE),
    ("usual", ["--operation", "extended", "--control", "1.2.3=critical"], "extended-not-allowed", NONE),
    ("sorting", ["--base", STAFF, "--control", f"{SORT}=critical:cn:1.2.3"], "sort-key-not-allowed", RULES),
    ("sorting", ["--base", STAFF, "--control", SORT], "control-malformed", NONE),
    ("usual", ["--base", "DC=example", "--scope", "one"], "base-above-allowed", f"{CLIENT}.base_dns"),
    ("mapped", ["--bind", "mimecast-sync@corp.example"], "account-spelling-not-listed", ACCOUNTS),
    ("usual", ["--bind", f"CN=Jane,OU=Board,{STAFF}"], "login-outside-base", f"{CLIENT}.excluded_base_dns"),
    ("usual", ["--bind", JOHN, "--while", "too-much-mending"], "too-much-mending", "limits.mending_per_source"),
    ("usual", ["--base", STAFF, "--control", "paged"], "request-malformed", NONE),
    ("limited", ["--base", STAFF, "--filter", "(!(!(cn=a)))"], "request-too-large", "limits.filter_depth"),
    ("limited", ["--base", STAFF, "--filter", "(cn=abcde)"], "request-too-large", "limits.assertion_value"),
    ("limited", ["--base", STAFF, "-a", "cn", "-a", "mail"], "request-too-large", "limits.attributes"),
    ("limited", ["--base", f"OU={'x' * 60},{STAFF}"], "request-too-large", "limits.dn_length"),
    ("usual", ["--base", STAFF, *(f"--control=1.2.{i}" for i in range(20))], "request-too-large", "limits.controls"),
    ("limited", ["--base", STAFF, "-a", "x" * 5000], "message-malformed", "limits.message_after_bind"),
]  # fmt: skip


@pytest.mark.parametrize(("configuration", "arguments", "reason", "setting"), OTHERS_OF_A_REASON)
def test_where_a_reason_has_several_settings_it_is_the_one_that_this_request_lacks(
    explain, configuration, arguments, reason, setting
):
    status, said = explain(configuration, *arguments)
    assert (status, said["reason"], said["setting"]) == (1, reason, setting)


def test_what_the_gateway_has_against_requests_does_not_meet_every_one(explain):
    for state in ("source-guarded", "gateway-account-guarded", "too-many-verifications"):
        assert explain("usual", "--bind", "jane@corp.example", "--while", state)[0] == 0
    assert explain("usual", "--bind", "jane@corp.example", "--while", "password-known-wrong")[0] == 0
    assert explain("usual", "--base", STAFF, "--while", "account-guarded")[0] == 0
    assert explain("usual", "--base", STAFF, "--while", "too-much-mending")[0] == 0


def test_what_depends_on_the_server_is_said_or_decided(explain):
    by_name = ["--base", STAFF, "-a", "mail", "--filter", "(name=x*)"]
    _, said = explain("refusing", *by_name)
    assert said["depends"] == ["filter-supertype unless the server is an Active Directory: name"]
    status, said = explain("refusing", *by_name, "--server", "active-directory")
    assert status == 0 and "depends" not in said
    in_order = ["--base", STAFF, "--control", f"{SORT}=critical:cn"]
    assert explain("sorting", *in_order)[1]["depends"] == ["control-not-supported unless the server supports sort"]
    assert explain("sorting", *in_order, "--server", "active-directory")[0] == 0
    assert explain("sorting", *in_order, "--server", "other", "--supports", SORT)[0] == 0


def test_starttls_is_permitted_before_tls(explain):
    status, said = explain("starttls", "--operation", "starttls", "--before-tls")
    assert (status, said["sent"]) == (0, "nothing: TLS begins with the client")
    assert explain("starttls", "--scope", "base", "--before-tls")[0] == 0


def test_who_asks_may_be_named(explain):
    for who in (SYNC, "SVC@corp.example"):
        assert explain("usual", "--base", STAFF, "--as", who)[0] == 0
    assert explain("mapped", "--base", STAFF, "--as", "mimecast-sync")[0] == 0
    assert explain("usual", "--base", STAFF, "--as", "login")[1]["reason"] == "login-may-only-bind"
    assert explain("usual", "--base", STAFF, "--as", "anonymous")[0] == 0


def test_a_source_says_whose_client_it_is(paths):
    def ask(*arguments):
        result = CliRunner().invoke(main, ["explain", "-c", str(paths["usual"]), "--json", *arguments])
        return result.exit_code, json.loads(result.stdout or "{}"), result.stderr

    assert ask("--source", "198.51.100.7", "--base", STAFF)[0] == 0
    assert ask("--source", "::ffff:198.51.100.7", "--client", "mimecast", "--base", STAFF)[0] == 0
    status, said, _ = ask("--source", "192.0.2.1", "--base", STAFF)
    assert (status, said["reason"], said["setting"]) == (1, "source-not-listed", "clients.X.sources")
    assert said["result"] == "none: the connection is closed"
    _, said, _ = ask("--source", "192.0.2.1", "--client", "mimecast", "--base", STAFF)
    assert said["setting"] == "clients.mimecast.sources"
    status, _, words = ask("--source", "somewhere", "--base", STAFF)
    assert status == 2 and "an IP address is expected" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--as", "svc@other.example"], "nobody can sign in by this name (account-spelling-not-listed)"),
        (["--before-tls"], "no listener of client mimecast has starttls: required"),
        (["--while", "idle"], "no state of the running gateway; there are: stopping"),
        (["--control", "1.2.3=yes"], "OID=critical"),
        (["--control", f"{PAGED}:many"], "a number of entries is expected"),
        (["--control", "1.2.3:xyz"], "hexadecimal digits"),
        (["--supports", SORT], "--server says what the server is"),
        (["--bind", SYNC, "--operation", "add"], "--operation is add"),
        (["--no-password"], "--bind says of whom"),
        (["--base", "OU=\udcff"], "this cannot be written as LDAP"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(paths, arguments, words):
    result = CliRunner().invoke(main, ["explain", "-c", str(paths["usual"]), "--client", "mimecast", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
