"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_CONFIG = Path("/etc/ldap-gateway/gateway.yaml")

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar="LDAP_GATEWAY_CONFIG",
    show_envvar=True,
    help="The configuration file.",
)
