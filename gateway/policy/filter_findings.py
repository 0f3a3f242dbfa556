"""What comes of judging a filter besides the filter that is forwarded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from gateway.ldap.attribute_types import has_dn_syntax
from gateway.policy.decision import Mended
from gateway.policy.mending import Budget
from gateway.policy.reasons import Reason
from gateway.policy.unescaped import looks_escaped, looks_escaped_twice


class FilterRefused(Exception):
    """Why a filter is refused.

    reason: why. name: the attribute or rule, a name and never a value. text: what the client is told, "" for what the
    reason means. setting: as Refuse has it.
    """

    def __init__(self, reason: Reason, name: str, text: str = "", setting: str | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.name = name
        self.text = text
        self.setting = setting


@final
class Noted:
    """What is to be said of a permitted filter.

    reported: what `mode: report` let pass. mended: DNs put right. suspicious: attributes with a value that looks
    escaped twice. supertypes: attributes that may stand for unlisted ones too. read: characters of
    values that were read as DNs without their escapes. budget: for reading these; None for any.
    """

    __slots__ = ("budget", "mended", "read", "reported", "supertypes", "suspicious")

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget
        self.reported: list[Reason] = []
        self.mended: list[Mended] = []
        self.suspicious: list[str] = []
        self.supertypes: list[str] = []
        self.read = 0


def notice_escapes(attribute: str, values: Iterable[bytes], noted: Noted) -> None:
    """RFC 4515's escapes are gone once a filter is decoded: what is still one was escaped twice, or is a DN's."""
    escaped = [value for value in values if b"\\" in value]
    if not escaped:
        return
    twice = looks_escaped_twice if has_dn_syntax(attribute) else looks_escaped
    if any(twice(value.decode("latin-1")) for value in escaped):
        noted.suspicious.append(attribute)
