"""`ldap-gateway check`: everything that `run` would use, looked at without serving it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option

if TYPE_CHECKING:
    from gateway.net.settings import DirectorySettings


@click.command(
    epilog="Example: ldap-gateway check --config /etc/ldap-gateway/gateway.yaml",
    short_help="Check a configuration and the files it names.",
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(config: Path, as_json: bool) -> None:
    """Checks a configuration with its certificates, keys and CA files. Exit status 2 where anything is wrong."""
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError

    try:
        configuration = load_configuration(config)
    except ConfigurationError as error:
        if as_json:
            problems = [
                {"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in error.problems
            ]
            click.echo(json.dumps({"ok": False, "problems": problems}))
        else:
            click.echo(str(error), err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps({"ok": True, "warnings": list(configuration.warnings)}))
        return
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    for client in configuration.settings.clients:
        policy = client.policy
        click.echo(
            f"client {policy.name}: {len(client.sources)} sources, {len(policy.base_dns)} base DNs, "
            f"{len(policy.attributes)} attributes, directory {client.directory.name} "
            f"({_servers(client.directory)})"
        )
    click.echo(f"{config}: ok")


def _servers(directory: DirectorySettings) -> str:
    if directory.discover is not None:
        return f"as DNS says: {directory.discover.service}"
    return ", ".join(server.url for server in directory.servers)
