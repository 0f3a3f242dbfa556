"""`ldap-gateway link`: the keys by which an outside gateway and those inside know each other, and what they must have
alike."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.options import config_advice, config_option


@click.group(
    epilog="Example: ldap-gateway link key /etc/ldap-gateway inside-1",
    short_help="Make the keys and the other end of a link.",
)
def command() -> None:
    """Over a link a gateway inside calls the gateway outside, so that nothing need be let in. Each end has a key of its
    own, and accepts the certificates that it was given and no other ones."""


@command.command(
    epilog="Example: ldap-gateway link key /etc/ldap-gateway inside-1",
    short_help="Make the pair of one end.",
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("name")
def key(directory: Path, name: str) -> None:
    """Writes a new pair into DIR: NAME.key, which stays on this host, and NAME.pem, its certificate, which the other
    end gets. Prints the fingerprint of the key, and what to do next. It never overwrites a file.

    NAME is what this end is called, such as inside-1: up to 31 letters, digits, dots, hyphens and underscores. The
    certificate is good for two years.

    Exit status 0: written, 2: nothing was written.
    """
    from gateway.host.file_errors import owner_and_mode
    from gateway.link.keys import Identity, KeyProblem, write_pair

    now = datetime.now(UTC)
    try:
        files = write_pair(directory, name, now)
        made = Identity(files)
    except KeyProblem as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from None
    click.echo(
        f"wrote {files.certificate}\n"
        f"wrote {files.private_key}\n"
        f"key {made.fingerprint}, good until {made.certificate.not_valid_after_utc:%Y-%m-%d}\n"
        "\n"
        "Next, on this host:\n"
        "- name both files in `identity` of the link's block\n"
        f"- the gateway's account must be able to read {files.private_key.name}: {owner_and_mode(files.private_key)}\n"
        f"- copy {files.private_key.name} nowhere: whoever has it can pose as this end\n"
        "On the other host:\n"
        f"- copy {files.certificate.name} there, and name it in the link's block: in `agents` where that gateway\n"
        "  waits for this one, in `hosts` where it calls this one\n"
        "- compare the key: this must print what stands above behind SHA256:, and an = sign\n"
        f"    openssl x509 -in {files.certificate.name} -noout -pubkey | openssl pkey -pubin -outform der |\n"
        "      openssl dgst -sha256 -binary | base64"
    )


@command.command(
    epilog="Example: ldap-gateway link export --client mimecast > inside.yaml",
    short_help="Print what the other end needs of a client.",
)
@config_option
@click.option("--client", required=True, help="The client's block in the configuration.")
@click.option("--link", metavar="NAME", help="What the link is called there: dmz, or inside for the outside's file.")
def export(config: Path, client: str, link: str | None) -> None:
    """Prints a configuration for the gateway at the other end of the link, with CLIENT and what that needs of its
    directory. So nobody types it twice, and both ends have the same lists.

    A client that comes from `sources` is printed for the gateway inside, one that comes over `links` for the gateway
    outside. What only the other end knows is marked TODO. No password is printed, and no file of this host; the hashes
    of a service's secret are.

    Exit status 0: printed, 2: nothing was printed.
    """
    from gateway.config.load import load_configuration
    from gateway.config.other_end import NoOtherEnd, other_end
    from gateway.config.problems import ConfigurationError

    try:
        configuration = load_configuration(config)
        clients = configuration.file.clients
        if client not in clients:
            raise click.UsageError(f"no client {client}; there are: {', '.join(clients)}")
        called = link or ("inside" if clients[client].links else "dmz")
        click.echo(other_end(configuration.file, configuration.settings, client, called), nl=False)
    except ConfigurationError as error:
        click.echo(f"{error}{config_advice(config)}", err=True)
        sys.exit(2)
    except NoOtherEnd as error:
        click.echo(str(error), err=True)
        sys.exit(2)
