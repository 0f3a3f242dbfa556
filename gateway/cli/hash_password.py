"""`ldap-gateway hash-password`: what `hashes` holds of a secret."""

from __future__ import annotations

import sys

import click

from gateway.ldap.decoding import RequestLimits

_SHORT = 16


@click.command(
    epilog="Example: ldap-gateway hash-password --stdin < secret.txt",
    short_help="Hash the secret of a mapped account.",
)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read one line from standard input instead of asking twice.")
def command(from_stdin: bool) -> None:
    """Prints the argon2id hash of a secret, on standard output, for `credentials.accounts.NAME.hashes`.

    The secret is what the service is given; the gateway needs its hash only. How to paste it is said on standard error.
    """
    from gateway.net.sessions.secret_hash import hash_secret

    secret = _read() if from_stdin else _ask()
    if not secret:
        raise click.ClickException("the secret is empty")
    if len(secret) > RequestLimits().password_length:
        raise click.ClickException(f"longer than {RequestLimits().password_length} octets, as no bind may be")
    if len(secret) < _SHORT:
        click.echo(f"warning: shorter than {_SHORT} octets; `openssl rand -base64 30` makes a good one", err=True)
    hashed = hash_secret(secret)
    click.echo(hashed)
    click.echo(
        "\n# in the client's block; the quotes are needed, and bind_dn and password_file are yours to fill in:\n"
        "    credentials:\n"
        "      mode: mapped\n"
        "      accounts:\n"
        "        mimecast-sync:                 # the name that the service signs in with\n"
        f'          hashes: ["{hashed}"]\n'
        '          bind_dn: "CN=svc-gateway,OU=Service Accounts,DC=corp,DC=example"\n'
        "          password_file: /run/secrets/svc-gateway.password",
        err=True,
    )


def _read() -> bytes:
    octets = sys.stdin.buffer.read(RequestLimits().password_length + 3)
    line = octets.removesuffix(b"\r\n") if octets.endswith(b"\r\n") else octets.removesuffix(b"\n")
    if b"\n" in line:
        raise click.ClickException("more than one line: a secret is one line")
    return line


def _ask() -> bytes:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.ClickException("there is no terminal to ask at; --stdin reads the secret from standard input")
    typed: str = click.prompt("Secret", hide_input=True, default="", show_default=False, err=True)
    if typed and click.prompt("Again", hide_input=True, default="", show_default=False, err=True) != typed:
        raise click.ClickException("the two are not the same")
    return typed.encode()
