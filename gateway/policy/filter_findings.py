"""What comes of judging a filter besides the filter that is forwarded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.ldap.attribute_types import has_dn_syntax
from gateway.policy.decision import Mended
from gateway.policy.reasons import Reason

# Of the characters that DNs (RFC 4514 2.4) and filters (RFC 4515 3) escape.
_CODE = rb"(?:00|2[0238-9A-Ca-c]|3[B-Eb-e]|5[Cc])"
_ESCAPED = re.compile(rb"\\" + _CODE)
_ESCAPED_TWICE = re.compile(rb"\\(?:\\|5[Cc])" + _CODE)


class FilterRefused(Exception):
    """reason: why. name: the attribute or rule, a name and never a value. text: what the client is told, "" for what
    the reason means."""

    def __init__(self, reason: Reason, name: str, text: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.name = name
        self.text = text


@dataclass(slots=True)
class Noted:
    """What is to be said of a permitted filter.

    reported: what `mode: report` let pass. mended: DNs put right. suspicious: attributes with a value that looks
    escaped twice. looked_at: octets of the values that were taken for DNs.
    """

    reported: list[Reason] = field(default_factory=list)
    mended: list[Mended] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)
    looked_at: int = 0


def notice_escapes(attribute: str, values: Iterable[bytes], noted: Noted) -> None:
    """RFC 4515 escapes are gone once a filter is decoded: one that is still there was escaped twice, unless it is
    part of a DN."""
    twice = _ESCAPED_TWICE if has_dn_syntax(attribute) else _ESCAPED
    if any(twice.search(value) for value in values):
        noted.suspicious.append(attribute)
