"""`ldap-gateway link`: the keys by which an outside gateway and those inside know each other."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click


@click.group(
    epilog="Example: ldap-gateway link key /etc/ldap-gateway inside-1",
    short_help="Make the keys of a link between two gateways.",
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
        made = Identity(files, now)
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
