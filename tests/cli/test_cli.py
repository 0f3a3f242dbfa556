"""The command line as a whole."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gateway.cli import main

COMMANDS = main.list_commands(click.Context(main))

# Runs the command line, then tells whether the reactor, or anything else that takes long, has been imported.
WATCHED = """
import sys
from gateway.cli import main
try:
    main(sys.argv[1:], prog_name="ldap-gateway")
finally:
    print("imported:", *sorted({"twisted.internet.reactor", "twisted", "OpenSSL", "pydantic"} & set(sys.modules)))
"""


@pytest.mark.servers
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_no_reactor_and_shows_an_example(arguments):
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.endswith("imported:\n"), ended.stdout
    assert "ldap-gateway" in ended.stdout
    if arguments != ["--version"]:
        assert "Example: ldap-gateway" in ended.stdout


def test_every_command_is_in_the_help_with_its_own_summary():
    said = CliRunner().invoke(main, ["--help"]).output
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert f"{name} " in said
        assert command.short_help in said


def test_an_unknown_command_is_a_usage_error():
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "No such command 'serve'" in result.output


@pytest.mark.parametrize("command", [("lockout", "list"), ("lockout", "release", "svc"), ("shrink", "list")])
def test_a_command_of_a_remedy_says_which_option_names_the_configuration(command, tmp_path, monkeypatch):
    """The remedies in the log and on the page name no configuration, since the gateway's own may have another path."""
    missing = tmp_path / "gateway.yaml"
    asked = [*command, "--config", str(missing)]
    said = f"{missing}: cannot be read: there is no such file"
    assert CliRunner().invoke(main, asked).output == f"{said}\n"
    monkeypatch.setattr("gateway.cli.options.DEFAULT_CONFIG", missing)
    assert CliRunner().invoke(main, asked).output == f"{said}; name the gateway's configuration with --config\n"
