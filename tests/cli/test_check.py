import json
import subprocess
import sys

from click.testing import CliRunner

from gateway.cli import main
from tests.cli.configurations import write_configuration


def check(path, *options):
    return CliRunner().invoke(main, ["check", "-c", str(path), *options])


def test_what_would_be_served_is_summed_up(tmp_path):
    path = write_configuration(tmp_path)
    result = check(path)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "client mimecast: 1 sources, 1 base DNs, 3 attributes, directory corp (ldaps://dc1.corp.example:636)\n"
        f"{path}: ok\n"
    )
    assert json.loads(check(path, "--json").stdout) == {"ok": True, "warnings": []}


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
        f"{path}:4: listeners.0.private_key: {tmp_path}/missing.key: cannot be read: No such file or directory",
        f"{path}:15: clients.mimecast.login_base_dns.0: not inside the directory's naming_contexts",
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
    assert result.stderr == f"{tmp_path}/missing.yaml: cannot be read: No such file or directory\n"


def test_the_file_may_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LDAP_GATEWAY_CONFIG", str(write_configuration(tmp_path)))
    assert CliRunner().invoke(main, ["check"]).exit_code == 0


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
