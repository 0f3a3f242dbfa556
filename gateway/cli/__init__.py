"""The command line. Commands are imported when they are called, so that --help stays quick."""

from __future__ import annotations

from importlib import import_module

import click

from gateway.cli.encoding import show_all_characters

_COMMANDS = {
    "run": "Run the gateway in the foreground.",
    "health": "Ask a running gateway whether it serves.",
    "init": "Write a configuration by questions and a look inside.",
    "check": "Check a configuration and the files it names.",
    "doctor": "Look for what stops a sync, and say what to do.",
    "explain": "Say what the policy makes of a request, and why.",
    "preview": "Show what a service will see of the directory.",
    "escape": "Write a DN with the escapes that it needs.",
    "audit": "Read the audit: operations, refusals, sync runs.",
    "hash-password": "Hash the secret of a mapped account.",
    "entra": "Keep a copy of an Entra ID tenant, and serve it.",
    "link": "Make the keys and the other end of a link.",
    "lockout": "Show whom the lockout guard holds back, and release them.",
    "shrink": "Show, accept or forget what the shrink guard compares with.",
    "demo": "Show a directory sync through the gateway, with made-up data.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found = import_module(f"gateway.cli.{cmd_name.replace('-', '_')}").command
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, epilog="Example: ldap-gateway check --config gateway.yaml")
@click.version_option(package_name="ldap-gateway", prog_name="ldap-gateway")
def main() -> None:
    """An LDAP gateway for the DMZ: cloud services read the directory through it, and only what you listed."""
    show_all_characters()
