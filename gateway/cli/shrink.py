"""`ldap-gateway shrink`: what the shrink guard compares with, looked at and corrected."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gateway.cli.options import config_advice, config_option

if TYPE_CHECKING:
    from gateway.state.size_database import SizeDatabase, StoredShape

# Seconds that the gateway has to see what was changed here; it looks twice a second.
_PATIENCE = 10.0
_STEP = 0.1

_COLUMNS = ("client", "account", "entries", "when", "accepted", "search")


@click.group(
    epilog="Example: ldap-gateway shrink accept mimecast",
    short_help="Show, accept or forget what the shrink guard compares with.",
)
def command() -> None:
    """The shrink guard compares each complete search with the last one of its kind, and holds back the success of
    one that lost too much. These commands work while the gateway runs, which follows them within a second."""


@command.command(
    "list",
    epilog="Example: ldap-gateway shrink list --json",
    short_help="Show what the last complete results had.",
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON, with the figures of each attribute.")
def list_(config: Path, as_json: bool) -> None:
    """Shows what the last complete result of each search had, for each account that made it."""
    with _opened(config) as (_clients, database, _):
        shapes = [] if database is None else database.load()
    shapes.sort(key=lambda shape: (shape.client, shape.description, shape.account))
    if as_json:
        click.echo(json.dumps([_json(shape) for shape in shapes]))
    elif not shapes:
        click.echo("nothing is remembered yet")
    elif sys.stdout.isatty():
        _print_table(shapes)
    else:
        _print_aligned(shapes)


@command.command(
    epilog="Example: ldap-gateway shrink accept mimecast",
    short_help="Say that a client's results have changed on purpose.",
)
@config_option
@click.argument("client")
def accept(config: Path, client: str) -> None:
    """Takes the next complete result of each search of CLIENT as the new measure, whatever its size; once. Returns when
    the running gateway has seen it.

    Exit status 1 where nothing is remembered for it, so that there is nothing to accept; 3 where the gateway has not
    seen it, or cannot be asked.
    """
    from time import time_ns

    number = time_ns()
    with _opened(config) as (clients, database, state_dir):
        _check_client(client, clients, database)
        accepted = 0 if database is None else database.accept(client, number)
    if not accepted:
        click.echo(f"{client}: nothing is remembered, so the next complete result is the measure anyway", err=True)
        sys.exit(1)
    seen, how = _wait_until_seen(state_dir, number)
    taken = f"the next complete result of {_searches(accepted)} is taken as the new measure, whatever its size"
    click.echo(f"{client}: {taken}; {how}", err=not seen)
    if not seen:
        sys.exit(3)


def _wait_until_seen(state_dir: Path, number: int) -> tuple[bool, str]:
    """Whether a sync that begins now is judged by the acceptance of this number, and how that is known."""
    from time import monotonic, sleep

    from gateway.state.lockout_socket import NoGateway, NotRunning, ask

    until = monotonic() + _PATIENCE
    try:
        while ask(state_dir, {"do": "acceptance"}).get("acceptance", 0) < number:
            if monotonic() > until:
                why = f"the gateway has not seen it within {_PATIENCE:g} seconds: its log says what is wrong with"
                return False, f"but {why} state_dir"
            sleep(_STEP)
    except NotRunning:
        return True, "no gateway runs with this state_dir, and the next one that starts sees it"
    except NoGateway as error:
        return False, f"but whether the gateway has seen it cannot be asked: {error}"
    return True, "the gateway has seen it: the sync may begin"


@command.command(
    epilog="Example: ldap-gateway shrink reset mimecast",
    short_help="Forget what is remembered of a client, or of all.",
)
@config_option
@click.argument("client", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(config: Path, client: str | None, yes: bool) -> None:
    """Forgets what is remembered of CLIENT, or of every client: the next complete results are taken as they are."""
    with _opened(config) as (clients, database, _):
        if client is not None:
            _check_client(client, clients, database)
        whose = "every client" if client is None else client
        if not yes and sys.stdin.isatty():
            click.confirm(f"Forget all sizes of {whose}?", abort=True)
        forgotten = 0 if database is None else database.forget(client)
    click.echo(f"{whose}: {_searches(forgotten)} forgotten" if forgotten else f"{whose}: nothing was remembered")


@contextmanager
def _opened(config: Path) -> Iterator[tuple[list[str], SizeDatabase | None, Path]]:
    """The names of the configured clients, the database, None where the gateway has not made it yet, and state_dir."""
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError
    from gateway.state.size_database import FILE_NAME, SizeDatabase
    from gateway.state.sqlite_file import UnusableDatabase, trouble

    try:
        settings = load_configuration(config).settings
    except ConfigurationError as error:
        _end(f"{error}{config_advice(config)}")
    clients = [client.policy.name for client in settings.clients]
    if settings.state_dir is None:
        _end(
            f"{config}: state_dir is not set, so the sizes are in the gateway's memory only: "
            "they cannot be shown or changed from here, and a restart forgets them"
        )
    path = settings.state_dir / FILE_NAME
    database = None
    try:
        if not settings.state_dir.is_dir():
            _end(f"state_dir {settings.state_dir}: no such directory")
        if path.exists():
            database = SizeDatabase(path, create=False)
        yield clients, database, settings.state_dir
    except UnusableDatabase as error:
        _end(f"{error}; the gateway moves it aside when it next opens it, and begins a new one")
    except (sqlite3.Error, OSError) as error:
        _end(f"{path}: {trouble(error)}")
    finally:
        if database is not None:
            database.close()


def _check_client(client: str, clients: list[str], database: SizeDatabase | None) -> None:
    """A client that is no longer configured may still have sizes."""
    remembered = [] if database is None else [shape.client for shape in database.load()]
    known = sorted({*clients, *remembered})
    if client not in known:
        _end(f"no client {client}; there are: {', '.join(known)}")


def _end(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)


def _json(shape: StoredShape) -> dict[str, Any]:
    return {
        "client": shape.client,
        "account": shape.account,
        "search": shape.description,
        "entries": shape.sizes.entries,
        "attributes": [
            {"name": size.name, "entries": size.entries, "values": size.values} for size in shape.sizes.attributes
        ],
        "stored": _moment(shape).isoformat(timespec="seconds"),
        "accepted": bool(shape.accepted),
    }


def _row(shape: StoredShape) -> tuple[str, ...]:
    """In the order of _COLUMNS."""
    # A client chose these characters; some of them would steer the terminal.
    search = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shape.description)
    when = f"{_moment(shape):%Y-%m-%d %H:%M} UTC"
    account = shape.account or "-"
    return shape.client, account, str(shape.sizes.entries), when, "yes" if shape.accepted else "no", search


def _print_aligned(shapes: list[StoredShape]) -> None:
    rows = [_COLUMNS, *map(_row, shapes)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_table(shapes: list[StoredShape]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column == "entries" else "left", overflow="fold")
    for shape in shapes:
        table.add_row(*map(Text, _row(shape)))
    Console().print(table)


def _moment(shape: StoredShape) -> datetime:
    return datetime.fromtimestamp(shape.stored, UTC)


def _searches(number: int) -> str:
    return "1 search" if number == 1 else f"{number} searches"
