"""`ldap-gateway lockout`: whom the lockout guard of the running gateway holds back, shown and released."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gateway.cli.options import config_advice, config_option

if TYPE_CHECKING:
    from gateway.state.lockout_socket import CountedNow

_COLUMNS = ("kind", "account", "directory", "wrong passwords", "guarded for")


@click.group(
    epilog="Example: ldap-gateway lockout release svc-sync@corp.example",
    short_help="Show whom the lockout guard holds back, and release them.",
)
def command() -> None:
    """The lockout guard counts wrong passwords of each account, and sends nothing of one to a server for a while after
    too many of them. These commands ask the running gateway, through a socket in its state_dir that only its own
    account and root may use."""


@command.command(
    "list",
    epilog="Example: ldap-gateway lockout list --json",
    short_help="Show the accounts that are guarded.",
)
@config_option
@click.option("--all", "everybody", is_flag=True, help="Show accounts with fewer wrong passwords as well.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_(config: Path, everybody: bool, as_json: bool) -> None:
    """Shows whose sign-ins are refused now, and for how long.

    An account has the name that it is counted by: lower case, without blanks and marks, and without the domain.
    """
    from gateway.state.lockout_socket import counted_accounts

    answer = _asked(config, {"do": "list"})
    accounts = counted_accounts(answer, "accounts")
    accounts.sort(key=lambda found: (not found.guarded, found.kind == "person", found.directory, found.account))
    shown = [found for found in accounts if everybody or found.guarded or found.known_wrong]
    if as_json:
        click.echo(json.dumps({**answer, "accounts": [asdict(found) for found in shown]}))
        return
    if shown:
        _print(shown)
    else:
        click.echo("no account is guarded")
    if len(accounts) > len(shown):
        click.echo(f"{len(accounts) - len(shown)} more accounts have fewer wrong passwords; --all shows them")
    if answer.get("more"):
        click.echo(f"{answer['more']} more accounts have wrong passwords, and no room in this list")
    if answer.get("others"):
        click.echo(
            f"{answer['others']} more accounts have wrong passwords at other gateways; {answer['store']} has no names"
        )
    elif answer.get("store") and answer.get("others") is None:
        click.echo(f"{answer['store']} does not say how many more accounts have wrong passwords at other gateways")


@command.command(
    epilog="Example: ldap-gateway lockout release svc-sync@corp.example",
    short_help="Forget the wrong passwords of an account.",
)
@config_option
@click.argument("name")
def release(config: Path, name: str) -> None:
    """Forgets the wrong passwords of NAME here and in the shared store, so that it may sign in at once.

    NAME is a name that signs in (name@domain, DOMAIN\\name, a DN, a mapped account), an address, or a name as `lockout
    list` shows it. The directory's own count is not changed.

    Exit status 1 where this gateway has counted no wrong password of it.
    """
    from gateway.state.lockout_socket import counted_accounts

    answer = _asked(config, {"do": "release", "name": name})
    released = counted_accounts(answer, "released")
    for found in released:
        number = "1 wrong password" if found.failures == 1 else f"{found.failures} wrong passwords"
        click.echo(
            f"released: {found.kind} {_printable(found.account)} (directory {found.directory}): {number} forgotten"
        )
    if released:
        return
    click.echo(f"{_printable(name)}: this gateway has counted no wrong password of it", err=True)
    if answer.get("store"):
        click.echo(f"what other gateways have told {answer['store']} of it is forgotten", err=True)
    sys.exit(1)


def _asked(config: Path, request: dict[str, str]) -> dict[str, Any]:
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError
    from gateway.state.lockout_socket import NoGateway, ask

    try:
        state_dir = load_configuration(config).settings.state_dir
        if state_dir is None:
            _end(f"{config}: without state_dir the running gateway cannot be asked; set it and restart the gateway")
        return ask(state_dir, request)
    except ConfigurationError as error:
        _end(f"{error}{config_advice(config)}")
    except NoGateway as error:
        _end(str(error))


def _end(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)


def _print(accounts: list[CountedNow]) -> None:
    rows = [_COLUMNS]
    for found in accounts:
        rows.append((found.kind, _printable(found.account), found.directory, str(found.failures), _held(found)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _held(found: CountedNow) -> str:
    from gateway.observe.durations import duration

    if found.guarded:
        return duration(found.left)
    if not found.known_wrong:
        return "not guarded"
    return f"not guarded; {found.known_wrong} old or wrong {'ones are' if found.known_wrong > 1 else 'one is'} refused"


def _printable(text: str) -> str:
    from gateway.observe.audit.view import printable

    return printable(text)
