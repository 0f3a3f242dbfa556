"""How a DN of the file is to be written that is none by RFC 4514, mostly because nobody escaped it."""

from __future__ import annotations

import shlex

from gateway.ldap.dn import DNError, parse
from gateway.policy.mending import KnownNames


def dn_problem(text: str, error: DNError) -> str:
    """What is wrong with a text that is no DN, and how it is written right as far as that can be told."""
    readings = KnownNames(()).readings(text)
    if not readings:
        return str(error)
    if len(readings) > 1:
        command = f"`ldap-gateway escape {shlex.quote(text)}`"
        return f"{error}; it can be read in {len(readings)} ways: {command} shows how each is written"
    return f"{error}; write {_in_quotes(str(readings[0]))}, as `ldap-gateway escape` does for any name"


def account_problem(text: str) -> str:
    """What is wrong with a text that is no bind name."""
    expected = "a DN, name@domain or DOMAIN\\name is expected"
    if "=" in text:
        try:
            parse(text)
        except DNError as error:
            return f"{expected}: {dn_problem(text, error)}"
    return expected


def _in_quotes(text: str) -> str:
    """A text as a value of YAML in which no backslash has to be doubled."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
