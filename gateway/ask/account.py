"""Signing in as a client's sync account: once, with the password given, and never with another."""

from __future__ import annotations

from typing import Final

from gateway.ask.connection import Connection, ConnectionFailed
from gateway.ask.findings import Section
from gateway.ldap.result_meaning import meaning
from gateway.ldap.results import LDAPResult, ResultCode, result_name

STEP: Final = "signs in"


async def check_account(section: Section, connection: Connection, name: str, password: bytes) -> bool:
    try:
        result = await connection.bind(name, password)
    except ConnectionFailed as error:
        section.failed(STEP, str(error), "look at the server's own log")
        return False
    if result.code == ResultCode.success:
        section.ok(STEP, f"as {name}")
        return True
    section.failed(STEP, *refusal(result))
    return False


def refusal(result: LDAPResult) -> tuple[str, str]:
    """What a result other than success means and what to do, in our own words."""
    found = meaning(result)
    if found is None:
        return f"the server answers {result_name(result.code)}", "look at the server's own log"
    return f"{found.text} ({result_name(result.code)})", found.advice
