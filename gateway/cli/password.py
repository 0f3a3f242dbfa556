"""The sync account's password, for commands that sign in with it; never an argument, which every user could read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from gateway.host.file_errors import unreadable

VARIABLE = "LDAP_GATEWAY_PASSWORD"

NO_PASSWORD = f"give it at the prompt, in a file (--password-file) or in {VARIABLE}"

password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help=f"A file with the account's password; else ${VARIABLE}, else a prompt on a terminal.",
)


class UnusablePasswordFile(click.ClickException):
    """The file of --password-file cannot be read or is empty. It ends the program with 2, because 1 means something
    else to each of these commands, such as that entries would vanish."""

    exit_code = 2


def read_password(file: Path | None, prompt: str) -> bytes | None:
    """None where none was given. Raises UnusablePasswordFile."""
    if file is not None:
        try:
            password = file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise UnusablePasswordFile(f"--password-file {file}: {unreadable(file, error)}") from None
        if not password:
            raise UnusablePasswordFile(f"--password-file {file}: it is empty")
        return password
    found = os.environb.get(VARIABLE.encode())
    if found:
        return found
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    typed: str = click.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
    return typed.encode() or None
