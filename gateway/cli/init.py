"""`ldap-gateway init`: a configuration from a few answers and a look at the directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.ask.printable import printable
from gateway.cli.password import NO_PASSWORD, password_option, read_password

if TYPE_CHECKING:
    from gateway.tools.init.containers import Container

Value = TypeVar("Value")


@click.command(
    epilog="Example: ldap-gateway init --server dc1.corp.example --account svc-mimecast@corp.example",
    short_help="Write a configuration by questions and a look inside.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="gateway.yaml", show_default=True, help="What to write."
)
@click.option("--force", is_flag=True, help="Overwrite what is there already.")
@click.option("--server", "servers", multiple=True, metavar="URL", help="A server, ldaps://HOST; may be repeated.")
@click.option("--server-name", help="The name in the servers' certificate, where it is not the host of the URL.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="PEM file of the servers' authority.")
@click.option("--fingerprint", metavar="SHA-256", help="Trust the authority that the server shows if it is this one.")
@click.option("--account", help="The sync account, as the service will write it.")
@password_option
@click.option("--client", default="mimecast", show_default=True, help="What to call the service.")
@click.option("--source", "sources", multiple=True, metavar="NETWORK", help="Where it connects from; may be repeated.")
@click.option("--base", "bases", multiple=True, metavar="DN", help="A container that it may read; may be repeated.")
@click.option("--login/--no-login", default=None, help="Whether people in these may sign in through it.")
@click.option("--listen", default="0.0.0.0:636", show_default=True, help="Address and port to listen on.")
@click.option("--certificate", type=click.Path(path_type=Path), help="The listener's certificate chain, PEM.")
@click.option("--private-key", type=click.Path(path_type=Path), help="Its private key, PEM.")
@click.option("--test-certificate", metavar="HOST", help="Make such a pair for HOST, to try things out.")
def command(password_file: Path | None, **options: Any) -> None:
    """Asks for what no option says, signs in to the directory, shows the containers that have people in them, and
    writes a configuration that `check` accepts. Without a terminal nothing is asked: an option must say it.

    It reads the directory and changes nothing there. The authority of the servers is trusted, and written beside the
    configuration, only after a yes to its fingerprint. Exit status 0: written, 2: nothing was written.
    """
    from gateway.ask.running import Background
    from gateway.tools.init.setup import Said, Setup, SetupError

    try:
        with TemporaryDirectory(prefix="ldap-gateway-init-") as work, Background() as background:
            written = Setup(Said(**options), _Asked(password_file), background).run(Path(work))
    except SetupError as error:
        click.echo(_printable(str(error)), err=True)
        sys.exit(2)
    for path in written:
        click.echo(f"wrote {path}")
    client = options["client"]
    click.echo(
        f"\nNext: ldap-gateway check -c {written[0]}\n"
        f"      ldap-gateway doctor -c {written[0]} --client {client}\n"
        f"      ldap-gateway preview -c {written[0]} --client {client}"
    )


class _Asked:
    """Whoever sits at the terminal."""

    def __init__(self, password_file: Path | None) -> None:
        self._password_file = password_file

    def ask(self, option: str, question: str, read: Callable[[str], Value], default: str | None = None) -> Value:
        self._must_be_there(option)

        def value(text: str) -> Value:
            try:
                return read(text.strip())
            except ValueError as error:
                raise click.UsageError(_printable(str(error))) from None

        answer: Value = click.prompt(question, value_proc=value, default=default, show_default=bool(default))
        return answer

    def confirm(self, option: str, question: str) -> bool:
        self._must_be_there(option)
        return click.confirm(_printable(question))

    def password(self, account: str) -> bytes:
        from gateway.tools.init.setup import SetupError

        password = read_password(self._password_file, f"Password of {account}")
        if password is None:
            raise SetupError(f"no password: {NO_PASSWORD}")
        return password

    def say(self, text: str) -> None:
        click.echo(_printable(text))

    def show(self, trees: Sequence[Container]) -> None:
        from gateway.tools.init.container_tree import LEGEND, drawn_trees, in_order, tree_lines

        if sys.stdout.isatty():
            from rich.console import Console

            console = Console(highlight=False)
            for tree in drawn_trees(trees):
                console.print(tree)
        else:
            for line in tree_lines(trees):
                click.echo(line)
        if any(container.needs_escaping for container in in_order(trees)):
            click.echo(LEGEND)

    def _must_be_there(self, option: str) -> None:
        from gateway.tools.init.setup import SetupError

        if not sys.stdin.isatty():
            raise SetupError(f"{option} is needed: there is no terminal to ask on")


def _printable(text: str) -> str:
    """Line breaks are our own."""
    return "\n".join(map(printable, text.split("\n")))
