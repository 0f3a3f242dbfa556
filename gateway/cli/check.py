"""`ldap-gateway check`: everything that `run` would use, looked at without serving it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from gateway.cli.options import config_option
from gateway.compilation import compilation

if TYPE_CHECKING:
    from gateway.config.difference import Change
    from gateway.config.load import Configuration
    from gateway.net.servers.settings import DirectorySettings
    from gateway.net.sessions.settings import ClientSettings

# Where --diff is followed by no file.
_IN_FORCE = ""


@click.command(
    epilog="Example: ldap-gateway check --config /etc/ldap-gateway/gateway.yaml --diff",
    short_help="Check a configuration and the files it names.",
)
@config_option
@click.option(
    "--diff",
    "other",
    is_flag=False,
    flag_value=_IN_FORCE,
    metavar="[OLD]",
    help="Say what a reload would change: of what the running gateway has in force (by its state_dir), or of the file "
    "OLD. Exit status 1 where that is something.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(config: Path, other: str | None, as_json: bool) -> None:
    """Checks a configuration with its certificates, keys and CA files. Exit status 2 where anything is wrong.

    Renewed certificates are used without a reload and are no part of what --diff tells.
    """
    configuration = _load(config, as_json)
    compared, changes = ("", []) if other is None else _differences(configuration, other, as_json)
    if as_json:
        said: dict[str, object] = {
            "ok": True,
            "warnings": list(configuration.warnings),
            "notes": _notes(configuration),
            "compiled": compilation().compiled,
            "installation": compilation().said,
        }
        if other is not None:
            said |= {"compared_with": compared, "changes": [asdict(change) for change in changes]}
        click.echo(json.dumps(said))
    else:
        for warning in configuration.warnings:
            click.echo(f"warning: {warning}", err=True)
        if other is None:
            _sum_up(configuration)
        else:
            _tell(compared, changes)
        click.echo(f"{config}: ok")
    if changes:
        sys.exit(1)


def _load(config: Path, as_json: bool) -> Configuration:
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError

    try:
        return load_configuration(config)
    except ConfigurationError as error:
        problems = [{"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in error.problems]
        _fail(str(error), problems, as_json)


def _fail(text: str, problems: list[dict[str, object]], as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps({"ok": False, "problems": problems}))
    else:
        click.echo(text, err=True)
    sys.exit(2)


def _sum_up(configuration: Configuration) -> None:
    for client in configuration.settings.clients:
        policy = client.policy
        click.echo(
            f"client {policy.name}: {_whence(client)}, {len(policy.base_dns)} base DNs, "
            f"{len(policy.attributes)} attributes, directory {client.directory.name} "
            f"({_servers(client.directory)})"
        )
        for account in policy.mapped_accounts:
            own = account.own
            becomes = "verified here, and its bind is forwarded" if own is None else f"mapped to {own.bind_dn}"
            click.echo(f"client {policy.name}: {account.name} is {becomes}")
    for note in _notes(configuration):
        click.echo(note)
    click.echo(f"this installation is {compilation().said}")


def _notes(configuration: Configuration) -> list[str]:
    """What follows from a configuration and is no mistake in it."""
    from gateway.ldap.supertypes import listed_open_supertypes

    return [
        f"client {client.policy.name}: Active Directory needs nothing here. In any other directory {name} is a "
        f"supertype: a filter on it also searches {', '.join(missing)}. These are not listed, so the gateway "
        "refuses such a filter (filter-supertype)"
        for client in configuration.settings.clients
        for name, missing in listed_open_supertypes(
            (*client.policy.attributes, *client.policy.filter_attributes)
        ).items()
    ]


def _whence(client: ClientSettings) -> str:
    return f"by link {', '.join(client.links)}" if client.links else f"{len(client.sources)} sources"


def _servers(directory: DirectorySettings) -> str:
    if directory.link:
        return f"by link {directory.link}"
    if directory.discover is not None:
        return f"as DNS says: {directory.discover.service}"
    return ", ".join(server.url for server in directory.servers)


def _differences(configuration: Configuration, other: str, as_json: bool) -> tuple[str, list[Change]]:
    """What it was compared with, in words, and the changes."""
    from secrets import token_bytes

    from gateway.config.difference import differences
    from gateway.state.in_force import NoRecord, read_in_force

    if other != _IN_FORCE:
        old = _load(Path(other), as_json)
        key = token_bytes()
        return other, differences(old.effective(key), configuration.effective(key))
    state_dir = configuration.settings.state_dir
    try:
        if state_dir is None:
            raise NoRecord("without state_dir a running gateway leaves no word of what it has in force")
        record = read_in_force(state_dir)
    except NoRecord as error:
        text = f"{error}; --diff OLD.yaml compares with a file"
        _fail(text, [{"file": str(configuration.path), "line": 0, "path": "state_dir", "message": text}], as_json)
    loaded = datetime.fromtimestamp(record.loaded, UTC)
    compared = f"what the gateway {record.version} loaded from {record.file} on {loaded:%Y-%m-%d %H:%M:%S} UTC"
    return compared, differences(record.configuration, configuration.effective(bytes.fromhex(record.key)))


def _tell(compared: str, changes: list[Change]) -> None:
    click.echo(f"compared with {compared}:")
    for change in changes:
        click.echo(f"  {change}")
    if not changes:
        click.echo("  a reload would change nothing")
