"""One audit record as one line, whatever a client wrote into its names; and shorter, where an output has a limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from json import JSONEncoder
from typing import Any, Final, NamedTuple

from gateway.link.observer import LinkEventKind
from gateway.observe.audit.settings import AuditFormat
from gateway.observe.counts import refused


class Severity(IntEnum):
    """RFC 5424 6.2.1."""

    error = 3
    warning = 4
    notice = 5
    informational = 6


class AuditLine(NamedTuple):
    """One line of the audit, as it is written.

    octets: the record in UTF-8, with the line's end. kind: the operation, or what else it tells of. time: seconds since
    the epoch.
    """

    octets: bytes
    kind: str
    severity: int
    time: float


_LINK_SEVERITIES: Final = {
    LinkEventKind.risen.value: Severity.informational,
    LinkEventKind.fallen.value: Severity.warning,
    LinkEventKind.refused.value: Severity.warning,
}

# What JSON leaves as it is and terminals obey, or show as something else: DEL and C1 (with CSI), separators of lines,
# characters without width, marks that turn the direction of what follows; and halves of surrogate pairs.
_UNSAFE: Final = re.compile(
    r"[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

# A value as JSON.
encode: Final = JSONEncoder(ensure_ascii=False, check_circular=False).encode

# Words of the text format that stand without quotes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:;/@*?+~%$!-]+")

# Fields that begin a line of the text format without their names.
_HEAD: Final = frozenset({"time", "record", "operation"})

# Octets of a line where the output sets no limit of its own. A usual search has 650, one with 2,000 elements in its
# filter some 25,000. A request of limits.message_before_bind that has nothing but names of control characters would
# have 1.5 million, for each of them is six characters in JSON.
MOST_OCTETS: Final = 32_768

# Fields that are never shortened: what a record is about.
_WHOLE: Final = frozenset({"time", "record", "operation", "decision", "reason", "result", "code"})


def audit_line(shown: dict[str, Any], form: AuditFormat, time: float, most: int = MOST_OCTETS) -> AuditLine:
    """The line of a record. shown: the record as JSON values. most: as for `line_octets`."""
    kind = shown["operation"] if "operation" in shown else shown["record"]
    return AuditLine(line_octets(shown, form, most), kind, severity(shown), time)


def line_octets(shown: dict[str, Any], form: AuditFormat, most: int) -> bytes:
    """A record in UTF-8, with the line's end. shown: the record as JSON values. most: octets that it may have, at least
    1,500.

    A record with more has its longest values shortened, and tells so in `shortened`: their names with the number of
    characters or items that they had.
    """
    write = json_text if form is AuditFormat.json else plain_text
    octets = octets_of(write(shown))
    return octets if len(octets) <= most else _shortened(shown, write, most)


def severity(shown: dict[str, Any]) -> int:
    record = shown["record"]
    if record == "lost":
        return Severity.error
    if record == "sync":
        return Severity.informational if shown["complete"] else Severity.warning
    if record == "guard":
        return Severity.notice
    if record == "link":
        return _LINK_SEVERITIES.get(shown["event"], Severity.notice)
    return operation_severity(shown["decision"], shown["reason"], shown["code"])


def operation_severity(decision: str, reason: str, code: int | None) -> int:
    if refused(decision, reason):
        return Severity.notice
    if reason:
        return Severity.warning
    return Severity.notice if code else Severity.informational


def json_text(shown: dict[str, Any]) -> str:
    """Without the end of the line. Characters that are no text are escaped, as JSON has it."""
    return escaped(encode(shown))


def plain_text(shown: dict[str, Any]) -> str:
    """`TIME OPERATION key=value ...` in the order of the record; what is empty is left out.

    Values with other characters than words have are in quotes and escaped as in JSON; items of lists are parted by
    commas, and an item in quotes holds no comma that parts.
    """
    head = [shown["time"], shown.get("operation", shown["record"])]
    rest = [
        f"{key}={_plain(value)}"
        for key, value in shown.items()
        # What is empty is None, or an empty text, list or object; 0 and False say something.
        if (value or value == 0) and key not in _HEAD
    ]
    return escaped(" ".join(head + rest))


def _plain(value: Any) -> str:
    if not isinstance(value, str):
        if isinstance(value, list):
            return ",".join(map(_plain, value))
        if isinstance(value, bool):
            return "yes" if value else "no"
        is_object = isinstance(value, dict)
        value = "; ".join(f"{key}: {item}" for key, item in value.items()) if is_object else str(value)
    return value if _PLAIN.fullmatch(value) else encode(value)


def escaped(text: str) -> str:
    """Without what terminals obey: where a value may have it, it stands in quotes as JSON has them."""
    # Most lines are ASCII, where a search for DEL is all that is needed.
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def octets_of(text: str) -> bytes:
    """text: escaped."""
    return text.encode() + b"\n"


def _shortened(shown: dict[str, Any], write: Callable[[dict[str, Any]], str], most: int) -> bytes:
    shorter = dict(shown)
    cut: dict[str, int] = {}
    for left in (1000, 200, 40, 0):
        for key, value in shown.items():
            if key in _WHOLE or not isinstance(value, str | list | dict) or len(encode(value)) <= left + 2:
                continue
            cut[key] = len(value)
            if isinstance(value, str):
                shorter[key] = f"{value[:left]}\N{HORIZONTAL ELLIPSIS}"
            else:
                shorter[key] = _first(value, left) if isinstance(value, list) else {}
        octets = octets_of(write({**shorter, "shortened": cut}))
        if len(octets) <= most:
            break
    return octets


def _first(items: list[Any], left: int) -> list[Any]:
    """The first items, as many of them as have no more than that many characters together."""
    kept: list[Any] = []
    for item in items:
        left -= len(encode(item))
        if left < 0:
            break
        kept.append(item)
    return kept
