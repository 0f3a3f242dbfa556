"""Values of the configuration that look escaped once too often: what a form or a template doubled."""

from __future__ import annotations

from gateway.ask.findings import Section
from gateway.ldap.filters import And, Filter, Not, Or, Present, Substrings
from gateway.policy.filter_findings import Noted, notice_escapes
from gateway.policy.settings import ClientPolicy
from gateway.policy.unescaped import looks_escaped_twice


def check_escapes(section: Section, settings: ClientPolicy) -> None:
    """What the same values would be noticed for in a client's request (reason suspicious-escape)."""
    here = f"clients.{settings.name}"
    named = {
        "base_dns": settings.base_dns,
        "excluded_base_dns": settings.excluded_base_dns,
        "login_base_dns": settings.login_base_dns,
    }
    found = [(key, str(dn)) for key, dns in named.items() for dn in dns if looks_escaped_twice(str(dn))]
    accounts = "credentials.accounts" if settings.mapped_accounts else "sync_accounts"
    found += [(accounts, name) for name in settings.sync_accounts if looks_escaped_twice(name)]
    for key, text in found:
        section.warning(
            "escapes", f"{here}.{key} looks escaped twice: {text}", "`ldap-gateway escape` writes it as it should be"
        )
    noted = Noted()
    if settings.required_filter is not None:
        _notice(settings.required_filter, noted)
    for attribute in dict.fromkeys(noted.suspicious):
        section.warning(
            "escapes",
            f"{here}.required_filter: the value of {attribute} looks escaped twice",
            "in a filter one backslash before two hexadecimal digits is enough (RFC 4515)",
        )
    if not found and not noted.suspicious:
        section.ok("escapes", "no name or value of the configuration looks escaped twice")


def _notice(wanted: Filter, noted: Noted) -> None:
    if isinstance(wanted, And | Or):
        for part in wanted.filters:
            _notice(part, noted)
    elif isinstance(wanted, Not):
        _notice(wanted.filter, noted)
    elif isinstance(wanted, Substrings):
        parts = (wanted.initial or b"", *wanted.any, wanted.final or b"")
        notice_escapes(wanted.attribute, parts, noted)
    elif not isinstance(wanted, Present) and wanted.attribute is not None:
        notice_escapes(wanted.attribute, (wanted.value,), noted)
