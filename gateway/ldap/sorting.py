"""The values of the sort control and of its answer (RFC 2891)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ldap import ber
from gateway.ldap.controls import SORT, SORT_RESULT, Control
from gateway.ldap.errors import DecodeError

# Active Directory takes one key, OpenLDAP five unless it is configured otherwise.
MOST_KEYS: Final = 32

_ORDERING_RULE: Final = 0x80
_REVERSE: Final = 0x81
_ATTRIBUTE: Final = 0x80


@dataclass(frozen=True, slots=True)
class SortKey:
    """One attribute to sort by (RFC 2891). rule: the name or OID of an ordering rule, None for the attribute's own."""

    attribute: str
    rule: str | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class SortResult:
    """What became of a sort.

    code: a result code (RFC 2891 1.2). attribute: that the code is about, None where the server names none.
    """

    code: int
    attribute: str | None = None

    def to_control(self) -> Control:
        contents = ber.integer(self.code, ber.ENUMERATED)
        if self.attribute is not None:
            contents += ber.text(self.attribute, _ATTRIBUTE)
        return Control(SORT_RESULT, False, ber.element(ber.SEQUENCE, contents))


def sort_control(keys: tuple[SortKey, ...], critical: bool) -> Control:
    contents = b""
    for key in keys:
        item = ber.text(key.attribute)
        if key.rule is not None:
            item += ber.text(key.rule, _ORDERING_RULE)
        if key.reverse:
            # DER and RFC 4511 5.1: a default is left out, and TRUE is ff.
            item += ber.element(_REVERSE, b"\xff")
        contents += ber.element(ber.SEQUENCE, item)
    return Control(SORT, critical, ber.element(ber.SEQUENCE, contents))


def sort_keys(control: Control) -> tuple[SortKey, ...]:
    """Decodes the request's value: one key at least, MOST_KEYS at most. Raises DecodeError."""
    if control.value is None:
        raise DecodeError("sort control without a value")
    outer = ber.Reader(control.value)
    listed = outer.enter(ber.SEQUENCE)
    outer.finish()
    keys: list[SortKey] = []
    while not listed.at_end():
        if len(keys) >= MOST_KEYS:
            raise DecodeError(f"more than {MOST_KEYS} sort keys")
        item = listed.enter(ber.SEQUENCE)
        attribute = item.text()
        rule = None
        reverse = False
        if not item.at_end() and item.peek_tag() == _ORDERING_RULE:
            rule = item.text(_ORDERING_RULE)
        if not item.at_end():
            reverse = item.boolean(_REVERSE)
        item.finish()
        keys.append(SortKey(attribute, rule, reverse))
    if not keys:
        raise DecodeError("a sort control without keys")
    return tuple(keys)


def sort_result(control: Control) -> SortResult:
    """Decodes the answer's value. Raises DecodeError."""
    if control.value is None:
        raise DecodeError("the answer to a sort control without a value")
    outer = ber.Reader(control.value)
    inner = outer.enter(ber.SEQUENCE)
    outer.finish()
    code = inner.integer(ber.ENUMERATED)
    attribute = None
    if not inner.at_end():
        # Samba writes the attribute without the tag of its own that it has in RFC 2891.
        attribute = inner.text(ber.OCTET_STRING if inner.peek_tag() == ber.OCTET_STRING else _ATTRIBUTE)
    inner.finish()
    return SortResult(code, attribute)
