"""`ldap-gateway escape`: a DN as it comes to mind, with the escapes that it needs."""

from __future__ import annotations

import json
import sys

import click

from gateway.ldap.dn import DN, DNError, parse, portable
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import EqualityMatch
from gateway.policy.mending import KnownNames


@click.command(
    epilog="Example: ldap-gateway escape 'OU=Sales, EMEA,DC=corp,DC=example'",
    short_help="Write a DN with the escapes that it needs.",
)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(name: str, as_json: bool) -> None:
    """Writes NAME, a DN whose special characters nobody escaped, as RFC 4514 has it, as it is safe to paste into a
    form, and as it stands in a filter. A NAME that is right already is only written so.

    Exit status 0: done, 1: NAME can be read in more than one way and all of them are shown, 2: NAME is no DN.
    """
    readings = KnownNames(()).readings(name)
    if not readings:
        try:
            parse(name)
            problem = "a type and a value are expected, like OU=Sales"
        except DNError as error:
            problem = str(error)
        if as_json:
            click.echo(json.dumps({"readings": [], "problem": problem}))
        else:
            click.echo(f"no DN: {problem}", err=True)
        sys.exit(2)
    spellings = [_spellings(reading) for reading in readings]
    if as_json:
        click.echo(json.dumps({"readings": spellings}))
    else:
        for number, spelling in enumerate(spellings, 1):
            if len(spellings) > 1:
                click.echo(f"reading {number} of {len(spellings)}")
            click.echo(f"RFC 4514:    {spelling['rfc4514']}")
            click.echo(f"in a form:   {spelling['form']}")
            click.echo(f"in a filter: {spelling['filter']}")
    sys.exit(0 if len(readings) == 1 else 1)


def _spellings(name: DN) -> dict[str, str]:
    written = str(name)
    in_filter = filter_text(EqualityMatch("memberOf", written.encode()))
    return {"rfc4514": written, "form": portable(name), "filter": in_filter}
