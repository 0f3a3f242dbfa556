"""`ldap-gateway entra`: keeps the copy of an Entra ID tenant, and serves it to the gateway on this host."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from gateway.cli.options import config_advice, config_option

if TYPE_CHECKING:
    from gateway.config.entra import TenantCopy
    from gateway.entra.status import Status

# What the extra `entra` installs, by the names of the modules.
_LIBRARIES = ("msal", "httpx")

_directory_option = click.option(
    "--directory", metavar="NAME", help="The directory; needed where several have `entra`."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


@click.group(
    epilog="Example: ldap-gateway entra run --config /etc/ldap-gateway/gateway.yaml",
    short_help="Keep a copy of an Entra ID tenant, and serve it.",
)
def command() -> None:
    """A directory with `entra` is a copy of a tenant. A process of its own keeps it, with a credential of the tenant,
    and serves it on a unix socket; the gateway asks it there as it asks any other server."""


@command.command(
    epilog="Example: ldap-gateway entra run --directory cloud",
    short_help="Keep the copies and serve them, in the foreground.",
)
@config_option
@click.option("--directory", metavar="NAME", help="Only this directory; otherwise all that have `entra`.")
def run(config: Path, directory: str | None) -> None:
    """Keeps the copies and serves them until SIGTERM or SIGINT. The log goes to standard error.

    It reads nothing of the configuration but the directories with `entra` and what their clients may ask for, and so
    needs no right to read the gateway's keys.

    Exit status 0: ended by a signal, 2: it could not begin.
    """
    copies = _copies(config, directory)
    _need_libraries()
    from gateway.entra.process import CannotStart, CopyProcess, KeptCopy, alone_with
    from gateway.net.transport.event_loop import reactor
    from gateway.observe.log import begin_logging
    from gateway.serve.wanted import Wanted

    begin_logging()
    with ExitStack() as held:
        try:
            for copy in copies:
                held.enter_context(alone_with(copy.settings.store))
            kept = [KeptCopy(copy.settings, copy.socket, copy.token_file, reactor) for copy in copies]
            process = CopyProcess(kept, reactor)
            stop = Wanted(process.stop, reactor.callFromThread)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop.ask)
            process.run()
        except CannotStart as error:
            _fail(str(error))


@command.command(
    epilog="Example: ldap-gateway entra once --full",
    short_help="Make one round, and end.",
)
@config_option
@_directory_option
@click.option("--full", is_flag=True, help="Read everything anew.")
@_json_option
def once(config: Path, directory: str | None, full: bool, as_json: bool) -> None:
    """Makes one round: what has changed is read, compared and published. `entra run` does so by itself; this is for a
    first try. It does not run beside it.

    Exit status 0: the copy is whole, 1: it is as it was before, 2: the round could not begin.
    """
    copy = _the_copy(config, directory)
    _need_libraries()
    import sqlite3

    from gateway.entra.keeper import Keeper
    from gateway.entra.process import CannotStart, alone_with
    from gateway.entra.publishing import Held
    from gateway.entra.status import read_status
    from gateway.entra.trouble import Passing, Stopped
    from gateway.host.system_errors import system_error
    from gateway.state.sqlite_file import UnusableDatabase

    why = ""
    try:
        with alone_with(copy.settings.store):
            # A question that has no answer is asked three times.
            keeper = Keeper(copy.settings, lambda text: click.echo(text, err=True), patience=3)
            try:
                keeper.once(full=full)
            except (Held, Passing, Stopped) as error:
                why = str(error)
            finally:
                keeper.close()
        status = read_status(copy.settings.store)
    except CannotStart as error:
        _fail(str(error))
    except UnusableDatabase as error:
        _fail(str(error))
    except (sqlite3.Error, OSError) as error:
        said = system_error(error) if isinstance(error, OSError) else str(error)
        _fail(f"store {copy.settings.store}: {said}")
    if as_json:
        click.echo(json.dumps({"published": not why, "why": why, "figures": dict(status.figures)}))
    elif why:
        click.echo(f"{why}\nThe copy is as it was before.", err=True)
    else:
        click.echo(f"the copy is whole: {_counted(status)}")
    sys.exit(1 if why else 0)


@command.command(
    epilog="Example: ldap-gateway entra status --json",
    short_help="Say how the copy is.",
)
@config_option
@_directory_option
@_json_option
def status(config: Path, directory: str | None, as_json: bool) -> None:
    """Says how old the copy is, what the process that keeps it does, and what it waits for. It reads the store, so it
    has to run as the account of that process, or as root.

    Exit status 0: clients get answers, 1: every search is answered with an error, 2: it cannot be told.
    """
    copy = _the_copy(config, directory)
    found = _status(copy)
    now = datetime.now(UTC).timestamp()
    limit = copy.settings.rounds.refuse_after
    served = found is not None and found.published_at is not None and now - found.published_at < limit
    if as_json:
        click.echo(
            json.dumps({"directory": copy.settings.name, "served": served} | ({} if found is None else asdict(found)))
        )
    elif found is None:
        click.echo("nothing was fetched yet: `ldap-gateway entra run` has not run with this store")
    else:
        _print(found, served, limit)
    sys.exit(0 if served else 1)


@command.command(
    epilog="Example: ldap-gateway entra accept",
    short_help="Say that a copy that is held back is right.",
)
@config_option
@_directory_option
@_json_option
def accept(config: Path, directory: str | None, as_json: bool) -> None:
    """Says that the copy that is held back is right, though it has far less than the one before. The process that
    keeps it publishes it within seconds; this very copy, and no later one.

    Exit status 0: accepted, 1: none is held back, 2: it cannot be told.
    """
    copy = _the_copy(config, directory)
    import sqlite3

    from gateway.entra.status import accept as accept_held
    from gateway.host.system_errors import system_error

    try:
        accepted = accept_held(copy.settings.store)
    except (sqlite3.Error, OSError) as error:
        said = system_error(error) if isinstance(error, OSError) else str(error)
        _fail(f"store {copy.settings.store}: {said}")
    if as_json:
        click.echo(json.dumps({"directory": copy.settings.name, "accepted": accepted}))
    else:
        click.echo("accepted: it is published within seconds" if accepted else "no copy is held back")
    sys.exit(0 if accepted else 1)


def _copies(config: Path, directory: str | None) -> list[TenantCopy]:
    from gateway.config.load import load_copies
    from gateway.config.problems import ConfigurationError

    try:
        copies = load_copies(config)
    except ConfigurationError as error:
        _fail(f"{error}{config_advice(config)}")
    if not copies:
        _fail(f"{config}: no directory has `entra`; docs/entra.md says how to set one up")
    if directory is None:
        return list(copies)
    found = [copy for copy in copies if copy.settings.name == directory]
    if not found:
        names = ", ".join(copy.settings.name for copy in copies)
        raise click.BadParameter(f"no such directory with `entra`; there are: {names}", param_hint="--directory")
    return found


def _the_copy(config: Path, directory: str | None) -> TenantCopy:
    copies = _copies(config, directory)
    if len(copies) > 1:
        names = ", ".join(copy.settings.name for copy in copies)
        raise click.UsageError(f"several directories have `entra`, so --directory is needed: {names}")
    return copies[0]


def _need_libraries() -> None:
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        _fail(f"{' and '.join(missing)} are not installed: pip install 'ldap-gateway[entra]'")


def _status(copy: TenantCopy) -> Status | None:
    """None where there is no store yet."""
    import sqlite3

    from gateway.entra.status import read_status

    try:
        if not copy.settings.store.exists():
            return None
        return read_status(copy.settings.store)
    except (sqlite3.Error, OSError) as error:
        _fail(f"store {copy.settings.store}: it cannot be read ({type(error).__name__}): may this account read it?")


def _print(found: Status, served: bool, limit: float) -> None:
    published = "nothing is published yet" if found.published_at is None else f"of {_moment(found.published_at)}"
    click.echo(f"copy       {published}{'' if found.published_at is None else f': {_counted(found)}'}")
    if not served:
        why = "nothing is published" if found.published_at is None else f"the copy is older than {limit / 3600:g} h"
        click.echo(f"clients    every search is answered with an error: {why}")
    click.echo(f"state      {found.told.phase} since {_moment(found.told.since)}: {found.told.text}")
    for collection, (pages, objects, whole) in found.staged.items():
        click.echo(f"fetched    {collection}: {pages} pages, {objects} objects{', all of them' if whole else ''}")
    for run in found.runs[:1]:
        click.echo(f"last round {run.kind}, begun {_moment(run.began_at)}: {run.outcome or 'it goes on'}")
    if found.certificate_ends is not None:
        click.echo(f"credential the app's certificate ends {_moment(found.certificate_ends)}")


def _counted(found: Status) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in found.figures.items())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)
