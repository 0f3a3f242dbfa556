"""`ldap-gateway audit`: reads the audit file."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Final, NoReturn

import click

from gateway.cli.options import config_option

if TYPE_CHECKING:
    from gateway.observe.audit.open_runs import OpenRuns
    from gateway.observe.audit.reading import Damage, Record
    from gateway.observe.audit.view import Choice

# Damaged lines that are named one by one, records that following begins with, rows of a table on a terminal.
NAMED: Final = 10
FOLLOWED: Final = 10
ROWS: Final = 1000


@click.command(
    epilog="Example: ldap-gateway audit --since 2h --denied",
    short_help="Read the audit: operations, refusals, sync runs.",
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@config_option
@click.option("--since", metavar="TIME", help="From then on: 45s, 30m, 2h or 7d ago, or 2026-11-24T08:00 (UTC).")
@click.option("--client", "clients", multiple=True, metavar="NAME", help="Of this client only; may be repeated.")
@click.option("--denied", is_flag=True, help="Only what the policy does not permit.")
@click.option("--syncs", is_flag=True, help="Only sync runs, as a table.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as they are, a line of JSON each.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written next, also after a rotation.")
def command(
    files: tuple[Path, ...],
    config: Path,
    since: str | None,
    clients: tuple[str, ...],
    denied: bool,
    syncs: bool,
    as_json: bool,
    follow: bool,
) -> None:
    """Reads audit records in JSON from each FILE (also .gz, in the order of their first records), from standard input
    where it is -, or else from the audit.file of the configuration.

    Where records were lost is shown beside what --client or --denied choose.

    Exit status 1 where lines were damaged: they are named on standard error and passed over; 2 where a file cannot be
    read.
    """
    from gateway.observe.audit.view import Choice
    from gateway.observe.audit.view import since as since_time

    try:
        first = since_time(since, datetime.now(UTC)) if since is not None else ""
    except ValueError:
        _end(f"--since {since}: a time like 45s, 30m, 2h or 7d, or like 2026-11-24T08:00, is expected")
    runs = _open_runs(config) if syncs and not as_json and not follow else None
    choice = Choice(first, frozenset(clients), denied, syncs, "" if runs is None else runs.since)
    wanted = files or (_configured(config),)
    if follow and (len(wanted) != 1 or wanted[0] == Path("-")):
        _end("--follow: one file is expected; what is piped in is followed anyway")
    damages = _Damages()
    try:
        found = _following(wanted[0], choice, damages) if follow else _chosen(wanted, choice, damages, runs)
        live = follow or Path("-") in wanted
        if as_json:
            _print_json(found, live)
        elif syncs:
            _print_syncs(found, live)
            _print_open(runs, choice)
        else:
            _print_lines(found, live)
    except KeyboardInterrupt:
        if not follow:
            raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        from gateway.host.file_errors import file_trouble

        _end(file_trouble(error) if error.filename else f"standard input: {file_trouble(error)}")
    damages.sum_up()
    sys.exit(1 if damages.count else 0)


def _configured(config: Path) -> Path:
    from gateway.config.audit_file import audit_place
    from gateway.config.problems import ConfigurationError

    try:
        found = audit_place(config)
    except ConfigurationError as error:
        _end(f"{error}\nname the audit's file, or a configuration with --config")
    if found.file is None:
        _end(f"{config}: {_elsewhere(found.syslog)}")
    return found.file


def _elsewhere(syslog: str) -> str:
    """Where records are that go to no file, and how they are read there."""
    if syslog:
        return (
            f"audit.file is not set: records go to syslog at {syslog}. Where it writes them to a file, name that "
            "file: ldap-gateway audit FILE"
        )
    return (
        "audit.file is not set: records go to the gateway's standard output. Read them from there:\n"
        "  systemd:    journalctl -u ldap-gateway -o cat | grep '^{' | ldap-gateway audit -\n"
        "  Docker:     docker logs ldap-gateway 2>/dev/null | ldap-gateway audit -\n"
        "  Kubernetes: kubectl logs deploy/ldap-gateway | grep '^{' | ldap-gateway audit -"
    )


def _open_runs(config: Path) -> OpenRuns:
    """A configuration that is not there leaves each client its default gap."""
    from gateway.config.audit_file import sync_gaps
    from gateway.config.problems import ConfigurationError
    from gateway.observe.audit.open_runs import OpenRuns

    try:
        gaps = sync_gaps(config)
    except ConfigurationError:
        gaps = {}
    return OpenRuns(gaps, datetime.now(UTC))


def _print_open(runs: OpenRuns | None, choice: Choice) -> None:
    for run in [] if runs is None else runs.found():
        if not choice.clients or run.client in choice.clients:
            click.echo(str(run))


class _Damages:
    def __init__(self) -> None:
        self.count = 0

    def add(self, damage: Damage) -> None:
        self.count += 1
        if self.count <= NAMED:
            click.echo(str(damage), err=True)

    def sum_up(self) -> None:
        if self.count > NAMED:
            click.echo(f"{self.count:,} lines are no records; the first {NAMED} are named above", err=True)


def _chosen(files: Iterable[Path], choice: Choice, damages: _Damages, runs: OpenRuns | None) -> Iterator[Record]:
    from gateway.observe.audit.reading import in_order, records

    paths = list(files)
    for path in in_order(paths) if len(paths) > 1 else paths:
        for found in records(path, choice.skips):
            if not isinstance(found, dict):
                damages.add(found)
                continue
            if runs is not None:
                runs.add(found)
            if choice.takes(found):
                yield found


def _following(path: Path, choice: Choice, damages: _Damages) -> Iterator[Record]:
    """The last records, or those since the time that is chosen, and then what comes."""
    from gateway.observe.audit.following import Following

    last: deque[Record] | None = None if choice.since else deque(maxlen=FOLLOWED)
    with closing(Following(path, sleep, from_end=last is not None)) as following:
        for found in following.records():
            if found is None:
                yield from last or ()
                last = None
            elif not isinstance(found, dict):
                damages.add(found)
            elif choice.takes(found):
                if last is None:
                    yield found
                else:
                    last.append(found)


def _print_json(found: Iterable[Record], live: bool) -> None:
    from gateway.observe.audit.line import json_text

    for record in found:
        _print(json_text(record), live)


def _print_lines(found: Iterable[Record], live: bool) -> None:
    from gateway.observe.audit.view import denied, line

    colours = sys.stdout.isatty()
    for record in found:
        head, outcome, rest = line(record)
        if colours:
            well = record.get("code") in (0, None) and record.get("complete", True)
            bad = record["record"] == "lost" or denied(record)
            outcome = click.style(outcome, fg="red" if bad else "green" if well else "yellow")
        _print(f"{head}  {outcome}  {rest}".rstrip(), live)


def _print_syncs(found: Iterable[Record], live: bool) -> None:
    from gateway.observe.audit.view import SYNC_COLUMNS, aligned, sync_row

    if live or not sys.stdout.isatty():
        _print(aligned(SYNC_COLUMNS), live)
        for record in found:
            _print(aligned(sync_row(record)), live)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows: deque[tuple[str, ...]] = deque(maxlen=ROWS)
    count = 0
    for record in found:
        rows.append(sync_row(record))
        count += 1
    if count > ROWS:
        click.echo(f"the last {ROWS:,} of {count:,} sync runs")
    table = Table()
    for name in SYNC_COLUMNS:
        table.add_column(name, justify="right" if name in SYNC_COLUMNS[3:7] else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row[:-1]), Text(row[-1], style="green" if row[-1].startswith("yes") else "red"))
    Console().print(table if rows else "no sync run")


def _print(text: str, live: bool) -> None:
    sys.stdout.write(f"{text}\n")
    if live:
        sys.stdout.flush()


def _end(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)
