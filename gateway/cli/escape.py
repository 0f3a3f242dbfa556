"""`ldap-gateway escape`: a DN as it comes to mind, with the escapes that it needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gateway.cli.options import config_option
from gateway.cli.password import NO_PASSWORD, password_option, read_password
from gateway.ldap.dn import DN, DNError, parse, portable
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import EqualityMatch
from gateway.policy.mending import KnownNames

if TYPE_CHECKING:
    from gateway.tools.doctor.lookup import LookedUp


@click.command(
    epilog="Example: ldap-gateway escape 'OU=Sales, EMEA,DC=corp,DC=example' --directory corp",
    short_help="Write a DN with the escapes that it needs.",
)
@click.argument("name")
@click.option("--directory", help="Look NAME up in this directory of the configuration.")
@config_option
@click.option("--account", help="The sync account to look it up as; the first one of the directory otherwise.")
@password_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    name: str,
    directory: str | None,
    config: Path,
    account: str | None,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Writes NAME, a DN whose special characters nobody escaped, as RFC 4514 has it, as it is safe to paste into a
    form, and as it stands in a filter. A NAME that is right already is only written so. With --directory it says
    which reading there is an entry of, as the sync account sees it; without it nothing is asked of anybody.

    Exit status 0: done, 1: NAME can be read in more than one way and all of them are shown, or with --directory it
    is not the name of exactly one entry, 2: NAME is no DN, or the directory cannot be asked.
    """
    readings = KnownNames(()).readings(name)
    if not readings:
        try:
            parse(name)
            problem = "a type and a value are expected, like OU=Sales"
        except DNError as error:
            problem = str(error)
        if as_json:
            click.echo(json.dumps({"readings": [], "problem": problem}))
        else:
            click.echo(f"no DN: {problem}", err=True)
        sys.exit(2)
    found = None if directory is None else _look_up(config, directory, account, password_file, readings)
    spellings = [_spellings(reading) for reading in readings]
    if found is not None:
        for spelling, looked_up in zip(spellings, found, strict=True):
            spelling |= {"exists": looked_up.exists, "advice": looked_up.advice}
    if as_json:
        click.echo(json.dumps({"readings": spellings}))
    else:
        _show(spellings, directory)
    right = len(readings) if found is None else sum(looked_up.exists for looked_up in found)
    sys.exit(0 if right == 1 else 1)


def _look_up(
    config: Path, directory: str, account: str | None, password_file: Path | None, readings: Sequence[DN]
) -> Sequence[LookedUp]:
    from gateway.ask.own_account import own_account
    from gateway.ask.running import Interrupted, run
    from gateway.ask.servers_here import why_not_from_here
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError
    from gateway.tools.doctor.lookup import CannotLookUp, look_up

    try:
        clients = load_configuration(config).settings.clients
        served = [client for client in clients if client.directory.name == directory]
        if not served:
            there = ", ".join(sorted({client.directory.name for client in clients}))
            raise click.UsageError(f"no client of a directory {directory}; there are clients of: {there}")
        if why_not := why_not_from_here(served[0].directory):
            _fail(why_not)
        accounts = [each for client in served for each in client.policy.sync_accounts]
        chosen = account or next(iter(accounts), "")
        if chosen not in accounts:
            raise click.UsageError(f"no sync account {chosen}; there are: {', '.join(accounts) or 'none'}")
        own = next(filter(None, (own_account(client.policy, chosen) for client in served)), None)
        if own is not None:
            chosen = own.bind_dn
        password = read_password(password_file, f"Password of {chosen}") if own is None else own.password.reveal()
        if password is None:
            _fail(f"no password: {NO_PASSWORD}")
        return run(lambda reactor: look_up(served[0].directory, chosen, password, readings, reactor))
    except (ConfigurationError, CannotLookUp) as error:
        _fail(str(error))
    except Interrupted:
        click.echo("interrupted", err=True)
        sys.exit(130)


def _show(spellings: list[dict[str, Any]], directory: str | None) -> None:
    for number, spelling in enumerate(spellings, 1):
        if len(spellings) > 1:
            click.echo(f"reading {number} of {len(spellings)}")
        click.echo(f"RFC 4514:    {spelling['rfc4514']}")
        click.echo(f"in a form:   {spelling['form']}")
        click.echo(f"in a filter: {spelling['filter']}")
        if "exists" in spelling:
            advice = "" if spelling["exists"] else f"there is no entry of this name; {spelling['advice']}"
            click.echo(f"in {directory}:".ljust(12) + f" {advice or 'exists'}")


def _spellings(name: DN) -> dict[str, Any]:
    written = str(name)
    in_filter = filter_text(EqualityMatch("memberOf", written.encode()))
    return {"rfc4514": written, "form": portable(name), "filter": in_filter}


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)
