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


def config_advice(config: Path) -> str:
    """What to do where the default configuration is taken and there is none, "" for any other."""
    return "" if config != DEFAULT_CONFIG or config.exists() else "; name the gateway's configuration with --config"
