import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.compilation import Compilation, compilation
from gateway.link.keys import write_pair as write_link_pair
from tests.cli.configurations import write_configuration
from tests.config.certificates import write_pair
from tests.config.link_configuration import INSIDE, OUTSIDE
from tests.servers.gateway_process import PATIENCE, GatewayProcess


def check(path, *options):
    return CliRunner().invoke(main, ["check", "-c", str(path), *options])


def test_what_would_be_served_is_summed_up(tmp_path):
    path = write_configuration(tmp_path)
    result = check(path)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "client mimecast: 1 sources, 1 base DNs, 3 attributes, directory corp (ldaps://dc1.corp.example:636)\n"
        f"this installation is {compilation().said}\n"
        f"{path}: ok\n"
    )
    installation = {"compiled": compilation().compiled, "installation": compilation().said}
    assert json.loads(check(path, "--json").stdout) == {"ok": True, "warnings": [], "notes": [], **installation}


def test_clients_and_directories_by_a_link_are_summed_up(tmp_path):
    for name in ("outside", "inside-1"):
        write_link_pair(tmp_path, name, datetime.now(UTC))
    write_pair(tmp_path)
    for configuration, said in (
        (OUTSIDE, "1 sources, 1 base DNs, 1 attributes, directory corp (by link inside)"),
        (INSIDE, "by link dmz, 1 base DNs, 1 attributes, directory corp (ldaps://dc1.corp.example:636)"),
    ):
        (tmp_path / "gateway.yaml").write_text(json.dumps(configuration))
        result = check(tmp_path / "gateway.yaml")
        assert result.exit_code == 0
        assert f"client mimecast: {said}\n" in result.stdout


@pytest.mark.parametrize(
    "found", [Compilation(True, "compiled"), Compilation(False, "not compiled: 2 of 84 modules run as plain Python")]
)
def test_whether_the_installation_is_compiled_is_said_and_does_not_fail_the_check(tmp_path, monkeypatch, found):
    monkeypatch.setattr("gateway.cli.check.compilation", lambda: found)
    path = write_configuration(tmp_path)
    result = check(path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"this installation is {found.said}\n" in result.stdout
    for options in (["--json"], ["--json", "--diff", str(path)]):
        result = check(path, *options)
        assert result.exit_code == 0
        said = json.loads(result.stdout)
        assert (said["compiled"], said["installation"]) == (found.compiled, found.said)


_SUPERTYPE = "Active Directory needs nothing here. In any other directory"


def test_a_listed_supertype_is_named_with_what_follows(tmp_path):
    path = write_configuration(tmp_path, ("[mail,", "[NAME, distinguishedName, member, owner, mail,"))
    result = check(path)
    assert (result.exit_code, result.stderr) == (0, "")
    _, of_name, of_dn, *_ = result.stdout.splitlines()
    assert of_name.startswith(f"client mimecast: {_SUPERTYPE} NAME is a supertype: a filter on it also searches c, ")
    assert of_dn == (
        f"client mimecast: {_SUPERTYPE} distinguishedName is a supertype: a filter on it also searches roleOccupant, "
        "seeAlso, dgIdentity. These are not listed, so the gateway refuses such a filter (filter-supertype)"
    )
    assert json.loads(check(path, "--json").stdout)["notes"] == [of_name, of_dn]


@pytest.mark.parametrize(
    ("oid", "why"),
    [
        (
            "1.3.6.1.4.1.4203.666.5.16",
            "dereference brings what `attributes` does not list, of entries outside base_dns",
        ),
        ("1.3.6.1.1.12", "assertion is a filter on any attribute"),
        ("2.16.840.1.113730.3.4.9", "virtual list view counts"),
        ("1.2.840.113556.1.4.474", "list 1.2.840.113556.1.4.473"),
        ("1.2.3.4", "does not understand this control"),
    ],
)
def test_a_control_that_is_not_understood_is_an_error_that_says_why(tmp_path, oid, why):
    path = write_configuration(
        tmp_path, ("    sources:", f"    controls: [1.2.840.113556.1.4.319, {oid}]\n    sources:")
    )
    result = check(path)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "clients.mimecast.controls.1: " in line and why in line
    assert "1.2.840.113556.1.4.319 (paged results)" in line


def test_what_is_probably_not_meant_is_a_warning(tmp_path):
    path = write_configuration(tmp_path, ("198.51.100.0/24", "0.0.0.0/0"))
    result = check(path)
    assert result.exit_code == 0
    assert result.stderr == f"warning: {path}:12: clients.mimecast.sources.0: every address may connect\n"
    assert result.stdout.endswith(": ok\n")
    assert json.loads(check(path, "--json").stdout)["warnings"] == [
        f"{path}:12: clients.mimecast.sources.0: every address may connect"
    ]


def test_every_mistake_is_named_with_file_and_line(tmp_path):
    path = write_configuration(
        tmp_path, ("gateway.key", "missing.key"), ("OU=Staff,DC=corp", "OU=Staff,DC=elsewhere"), ("[mail,", "[m*il,")
    )
    result = check(path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{path}:4: listeners.0.private_key: {tmp_path}/missing.key: cannot be read: there is no such file",
        f"{path}:15: clients.mimecast.login_base_dns.0: not inside directories.corp.naming_contexts "
        "(DC=corp,DC=example)",
        f"{path}:19: clients.mimecast.attributes.0: an attribute name like mail or proxyAddresses is expected",
    ]
    result = check(path, "--json")
    assert result.exit_code == 2
    said = json.loads(result.stdout)
    assert said["ok"] is False
    assert [(problem["file"], problem["line"]) for problem in said["problems"]] == [
        (str(path), 4),
        (str(path), 15),
        (str(path), 19),
    ]


def test_a_file_that_is_not_there(tmp_path):
    result = check(tmp_path / "missing.yaml")
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}/missing.yaml: cannot be read: there is no such file\n"


def test_the_file_may_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LDAP_GATEWAY_CONFIG", str(write_configuration(tmp_path)))
    assert CliRunner().invoke(main, ["check"]).exit_code == 0


@pytest.mark.servers
def test_nothing_is_opened_and_no_reactor_is_needed(tmp_path):
    program = (
        "import sys\nfrom gateway.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print('twisted.internet.reactor' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "check", "-c", write_configuration(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.endswith("ok\nFalse\n")


# What a reload would change.

CHANGE = ("[mail, cn, member]", "[mail, cn, department]")


def test_another_file_is_compared_with(tmp_path):
    old = write_configuration(tmp_path)
    new = tmp_path / "new.yaml"
    new.write_text(old.read_text().replace(*CHANGE))
    result = check(new, "--diff", str(old))
    assert result.exit_code == 1
    assert result.stdout == (
        f"compared with {old}:\n  clients.mimecast.attributes: + department, - member\n{new}: ok\n"
    )
    result = check(new, "--diff", str(new))
    assert result.exit_code == 0
    assert "a reload would change nothing" in result.stdout
    said = json.loads(check(new, "--json", "--diff", str(old)).stdout)
    assert said["ok"] is True
    assert said["compared_with"] == str(old)
    assert said["changes"] == [{"path": "clients.mimecast.attributes", "what": "+ department, - member", "note": ""}]


def test_a_mistake_in_either_file_ends_the_comparison(tmp_path):
    good = write_configuration(tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_text(good.read_text().replace("[mail, cn, member]", "[m*il]"))
    for new, old in ((good, bad), (bad, good)):
        result = check(new, "--diff", str(old))
        assert result.exit_code == 2
        assert f"{bad}:19: clients.mimecast.attributes.0: " in result.stderr


@pytest.mark.servers
def test_what_the_running_gateway_has_in_force_is_compared_with(tmp_path):
    path = write_configuration(tmp_path)
    first = path.read_text()
    result = check(path, "--diff")
    assert result.exit_code == 2
    assert f"{tmp_path}/in-force.json: not there: no gateway runs with this state_dir; --diff OLD.yaml" in result.stderr
    assert json.loads(check(path, "--json", "--diff").stdout)["ok"] is False
    with GatewayProcess(tmp_path, first + "admin: null\n") as running:
        assert "a reload would change nothing" in wait_for_check(path).stdout
        running.config.write_text(first.replace(*CHANGE))
        result = check(path, "--diff")
        assert result.exit_code == 1
        heading, *changes, _ = result.stdout.splitlines()
        assert heading.startswith("compared with what the gateway ")
        assert f" loaded from {path} on 20" in heading
        assert changes == [
            "  clients.mimecast.attributes: + department, - member",
            "  admin: added (from the next start on)",
        ]
        # What is refused is not in force.
        running.reload(first.replace("[mail,", "[m*il,"))
        path.write_text(first.replace(*CHANGE))
        assert check(path, "--diff").stdout == result.stdout
        running.reload(first.replace(*CHANGE))
        assert "a reload would change nothing" in wait_for_check(path).stdout
        assert running.stop() == 0
    assert check(path, "--diff").exit_code == 2


def wait_for_check(path):
    """Until nothing would change: the gateway says that it serves before it writes what is in force."""
    until = time.monotonic() + PATIENCE
    while (result := check(path, "--diff")).exit_code:
        assert time.monotonic() < until, result.output
    return result


def test_without_state_dir_only_files_can_be_compared(tmp_path):
    path = write_configuration(tmp_path, ("state_dir: .\n", ""))
    result = check(path, "--diff")
    assert result.exit_code == 2
    assert result.stderr == (
        "without state_dir a running gateway leaves no word of what it has in force; --diff OLD.yaml compares with "
        "a file\n"
    )
