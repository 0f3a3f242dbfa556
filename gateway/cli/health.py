"""`ldap-gateway health`: whether the gateway on this host serves."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.cli.options import config_option


@click.command(
    epilog="Example: ldap-gateway health --address 127.0.0.1:8389",
    short_help="Ask a running gateway whether it serves.",
)
@config_option
@click.option("--ready", is_flag=True, help="Ask whether it can do its work now, as /readyz says it.")
@click.option("--address", metavar="HOST:PORT", help="Its admin address, instead of the one in the configuration.")
def command(config: Path, ready: bool, address: str | None) -> None:
    """Asks the health page of the gateway that runs on this host with this configuration, and prints its JSON.

    Exit status 0: it serves; 1: it does not, or does not answer.
    """
    from gateway.ask.health_page import ask_health
    from gateway.config.admin import admin_address

    address = address or admin_address(config)
    if address is None:
        click.echo(f"{config}: with `admin: null` there is no health page to ask", err=True)
        sys.exit(1)
    health = ask_health(address, "/readyz" if ready else "/healthz")
    click.echo(health.said, err=not health.serving)
    sys.exit(0 if health.serving else 1)
