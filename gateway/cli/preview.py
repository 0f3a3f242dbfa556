"""`ldap-gateway preview`: what a service will see, read as its sync account through the policy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from gateway.ask.printable import printable
from gateway.cli.options import config_option
from gateway.cli.password import NO_PASSWORD, password_option, read_password
from gateway.host.file_errors import file_trouble, unwritable

if TYPE_CHECKING:
    from gateway.config.load import Configuration
    from gateway.net.sessions.settings import ClientSettings
    from gateway.tools.preview.comparison import Difference
    from gateway.tools.preview.preview import Progress, View


@click.command(
    epilog="Example: ldap-gateway preview --client mimecast --save today.json --compare yesterday.json",
    short_help="Show what a service will see of the directory.",
)
@config_option
@click.option("--client", required=True, help="The client's block in the configuration.")
@click.option("--account", help="The sync account to sign in as, as listed; the first one otherwise.")
@password_option
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Write the JSON to a file, mode 0600.")
@click.option("--compare", type=click.Path(path_type=Path), metavar="FILE", help="What changed since a file of --save.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE", help="A line an entry, mode 0600.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    config: Path,
    client: str,
    account: str | None,
    password_file: Path | None,
    save: Path | None,
    compare: Path | None,
    csv_file: Path | None,
    as_json: bool,
) -> None:
    """Signs in as a sync account and reads all that CLIENT may see, by the gateway's own session and policy.

    Counts users, groups and contacts of each base DN, with what is worth a look in them, and the listed attributes
    that nobody has. Changes nothing, in the directory or in what the shrink guard remembers. What --save, --csv and
    --json write holds names and addresses: it is as confidential as the directory. Exit status 0: complete, 1:
    complete, and with --compare something would vanish, 2: not complete.
    """
    from gateway.ask.own_account import own_account, signing_in_as
    from gateway.ask.running import Interrupted, run
    from gateway.ask.servers_here import why_not_from_here
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError
    from gateway.tools.preview import comparison, preview, view_file

    try:
        configuration = load_configuration(config)
        chosen = _client(configuration, client)
        if why_not := why_not_from_here(chosen.directory):
            _fail(why_not)
        before = None if compare is None else view_file.read_people(compare, client)
        name = _account(chosen, account)
        own = own_account(chosen.policy, name)
        if own is not None:
            name = own.bind_dn
            password: bytes | None = own.password.reveal()
        else:
            password = read_password(password_file, f"Password of {name}")
        if chosen.policy.mapped_accounts:
            chosen = signing_in_as(chosen, name)
        if password is None:
            _fail(f"no password: {NO_PASSWORD}")
        limits = configuration.settings.limits
        with _progress(0 if before is None else len(before)) as progress:
            view = run(lambda reactor: preview.preview(chosen, limits, name, password, reactor, progress))
    except (ConfigurationError, view_file.UnusableFile) as error:
        _fail(str(error))
    except preview.CannotSignIn as error:
        _fail(f"{name} cannot sign in: {error}\n`ldap-gateway doctor --client {client}` looks for what to do")
    except Interrupted:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except OSError as error:
        _fail(file_trouble(error))
    found = None
    if before is not None and view.complete:
        found = comparison.compare(before, comparison.people_of(view))
    said = view_file.as_object(view, datetime.now(UTC).isoformat(timespec="seconds"))
    _write(save, lambda: json.dumps(said))
    _write(csv_file, lambda: view_file.as_csv(view))
    if as_json:
        click.echo(json.dumps(said if found is None else said | {"changes": view_file.difference_object(found)}))
    else:
        _show(view, found)
    if not view.complete:
        if before is not None:
            click.echo("nothing was compared: what is missing may only not have been read", err=True)
        sys.exit(2)
    sys.exit(1 if found is not None and found.vanish else 0)


def _client(configuration: Configuration, wanted: str) -> ClientSettings:
    clients = {each.policy.name: each for each in configuration.settings.clients}
    if wanted not in clients:
        raise click.UsageError(f"no client {wanted}; there are: {', '.join(clients)}")
    return clients[wanted]


def _account(client: ClientSettings, wanted: str | None) -> str:
    listed = client.policy.sync_accounts
    if not listed:
        raise click.UsageError(f"client {client.policy.name} has no sync_accounts, so it sees nothing")
    if wanted is not None and wanted not in listed:
        raise click.UsageError(f"no sync account {wanted}; there are: {', '.join(listed)}")
    return wanted or listed[0]


@contextmanager
def _progress(expected: int) -> Iterator[Progress]:
    """expected: entries, as far as an earlier preview tells; 0 where nothing does."""
    if not sys.stderr.isatty():
        yield lambda _base, _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as ProgressBar

    columns = (
        TextColumn("{task.completed:,} entries"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with ProgressBar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("connecting", total=expected or None)
        counts: dict[str, int] = {}

        def show(base: str, count: int) -> None:
            counts[base] = count
            bar.update(task, completed=sum(counts.values()), description=printable(base))

        yield show


def _write(path: Path | None, text: Callable[[], str]) -> None:
    from gateway.tools.preview.view_file import write_private

    if path is not None:
        try:
            write_private(path, text())
        except OSError as error:
            _fail(f"{path}: {unwritable(path, error)}")


def _show(view: View, found: Difference | None) -> None:
    from gateway.tools.preview import view_words

    if sys.stdout.isatty():
        from rich.console import Console

        from gateway.tools.preview.view_tables import WIDEST, difference_lists, view_tables

        console = Console(highlight=False)
        console.width = min(console.width, WIDEST)
        console.print(view_tables(view))
        if found is not None:
            console.print(difference_lists(found))
        return
    for line in view_words.lines(view):
        click.echo(printable(line))
    for heading, names in [] if found is None else view_words.difference(found):
        click.echo(f"\n{heading}")
        for name in names:
            click.echo(f"  {printable(name)}")


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)
