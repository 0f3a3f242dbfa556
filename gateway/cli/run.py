"""`ldap-gateway run`: the gateway in the foreground."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click

from gateway.cli.options import config_option


@click.command(
    epilog="Example: ldap-gateway run --config /etc/ldap-gateway/gateway.yaml",
    short_help="Run the gateway in the foreground.",
)
@config_option
def command(config: Path) -> None:
    """Runs the gateway in the foreground until SIGTERM or SIGINT.

    SIGHUP loads the configuration anew: wholly, or not at all where anything in it is wrong. Audit records go
    to standard output, or to audit.file, which SIGUSR1 opens anew, or to audit.syslog; the log goes to standard error.
    """
    # Hardly anything that a start allocates is garbage, and looking for it takes a tenth of the time; it begins once
    # the gateway serves.
    gc.disable()
    from gateway.net.listeners.inherited import InheritedError, inherited_sockets

    try:
        # Before Twisted is imported, which takes these variables of the environment for its own.
        inherited = inherited_sockets(os.environ, os.getpid())
    except InheritedError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    # Imported here, so that --help and the other commands need no reactor.
    from gateway.serve.foreground import run

    sys.exit(run(config, inherited))
