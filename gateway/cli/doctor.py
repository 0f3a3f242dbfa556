"""`ldap-gateway doctor`: the path that a sync takes, looked at stone by stone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.ask.printable import printable
from gateway.cli.options import config_option
from gateway.cli.password import NO_PASSWORD, password_option, read_password
from gateway.host.file_errors import file_trouble

if TYPE_CHECKING:
    from gateway.ask.findings import Finding
    from gateway.config.settings import GatewaySettings
    from gateway.net.sessions.settings import ClientSettings
    from gateway.tools.doctor.walk import Examination

_COLOURS = {"failed": "red", "warning": "yellow", "ok": "green", "skipped": "bright_black"}


@click.command(
    epilog="Example: ldap-gateway doctor --client mimecast --name ldap.example.com --password-file sync.password",
    short_help="Look for what stops a sync, and say what to do.",
)
@config_option
@click.option("--client", help="The client's block in the configuration; all of them otherwise.")
@click.option("--account", help="The sync account to sign in as, as listed; the first one otherwise.")
@password_option
@click.option("--name", metavar="HOST", help="The name that the service connects to, for its certificate.")
@click.option(
    "--service-ca", type=click.Path(path_type=Path), help="PEM file of the authorities that the service trusts."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    config: Path,
    client: str | None,
    account: str | None,
    password_file: Path | None,
    name: str | None,
    service_ca: Path | None,
    as_json: bool,
) -> None:
    """Walks the path that a sync takes: listener, certificate, link, servers, account, directory, policy.

    Each step is ok, warning or failed, with what to do; what depends on a failed one is skipped. It changes nothing
    in the directory, and signs in once with the password that it is given, or as the gateway's own account that a
    mapped one stands for. Exit status 0: all that was looked at is
    well, 1: warnings, 2: something failed.
    """
    from gateway.ask.findings import Area, Finding, Status, exit_status
    from gateway.ask.running import Interrupted, run
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError
    from gateway.tools.doctor.walk import Doctor

    findings: list[Finding] = []
    lines = _Lines()

    def say(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            lines.show(finding)

    try:
        configuration = load_configuration(config)
    except ConfigurationError as error:
        for problem in error.problems:
            say(
                Finding(
                    Area.configuration,
                    str(config),
                    "loads",
                    Status.failed,
                    str(problem),
                    "correct that, then run doctor again",
                )
            )
    else:
        say(Finding(Area.configuration, str(config), "loads", Status.ok, "with all that it names"))
        for warning in configuration.warnings:
            say(Finding(Area.configuration, str(config), "loads", Status.warning, warning, "is it meant so?"))
        clients = _clients(configuration.settings, client)
        asked = _examination(configuration.settings, clients, account, password_file, name, service_ca)
        try:
            run(lambda reactor: Doctor(asked, say, reactor).examine())
        except Interrupted:
            click.echo("interrupted", err=True)
            sys.exit(130)
    if as_json:
        click.echo(json.dumps({"exit_status": exit_status(findings), "findings": [_object(each) for each in findings]}))
    else:
        click.echo(_summary(findings))
    sys.exit(exit_status(findings))


def _clients(settings: GatewaySettings, wanted: str | None) -> tuple[ClientSettings, ...]:
    if wanted is None:
        return settings.clients
    found = tuple(client for client in settings.clients if client.policy.name == wanted)
    if not found:
        there = ", ".join(client.policy.name for client in settings.clients)
        raise click.UsageError(f"no client {wanted}; there are: {there}")
    return found


def _examination(
    settings: GatewaySettings,
    clients: tuple[ClientSettings, ...],
    account: str | None,
    password_file: Path | None,
    name: str | None,
    service_ca: Path | None,
) -> Examination:
    from gateway.ask.chain import read_authorities
    from gateway.ask.own_account import own_account
    from gateway.tools.doctor.walk import Examination

    try:
        authorities = read_authorities(service_ca)
    except OSError as error:
        raise click.UsageError(file_trouble(error)) from None
    except ValueError:
        raise click.UsageError(f"{service_ca}: no certificate in PEM in it") from None
    listed = [each for client in clients for each in client.policy.sync_accounts]
    if account is not None and account not in listed:
        raise click.UsageError(f"no sync account {account}; there are: {', '.join(listed)}")
    if len(clients) > 1:
        if account is not None or password_file is not None:
            raise click.UsageError("a password is of one client: choose it with --client")
        return Examination(settings, clients, None, None, "choose a client with --client", name, authorities)
    chosen = account or next(iter(listed), None)
    mapped = chosen is not None and any(own_account(client.policy, chosen) is not None for client in clients)
    if mapped and password_file is not None:
        raise click.UsageError(f"{chosen} is mapped to an account whose password the configuration has")
    # Behind a link there is no server that could be asked with it.
    asks = chosen is not None and not mapped and not all(each.directory.link for each in clients)
    password = read_password(password_file, f"Password of {chosen} (none: skip)") if asks else None
    return Examination(settings, clients, chosen, password, NO_PASSWORD, name, authorities)


class _Lines:
    """Findings as they come, under a heading for each subject."""

    def __init__(self) -> None:
        self._heading = ""

    def show(self, finding: Finding) -> None:
        heading = f"{finding.area}: {finding.subject}"
        if heading != self._heading:
            click.echo(("\n" if self._heading else "") + click.style(printable(heading), bold=True))
            self._heading = heading
        status = click.style(f"{finding.status:<8}", fg=_COLOURS[finding.status])
        click.echo(f"  {status} {finding.step:<18} {printable(finding.said)}")
        if finding.advice:
            click.echo(f"  {'':<8} {'':<18} -> {printable(finding.advice)}")


def _object(finding: Finding) -> dict[str, str]:
    return {
        "area": finding.area.value,
        "subject": finding.subject,
        "step": finding.step,
        "status": finding.status.value,
        "said": finding.said,
        "advice": finding.advice,
    }


def _summary(findings: list[Finding]) -> str:
    counts = [(status, sum(each.status == status for each in findings)) for status in _COLOURS]
    return "\n" + ", ".join(f"{count} {status}" for status, count in counts if count)
