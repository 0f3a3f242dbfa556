"""Controls (RFC 4511 4.1.11) and the value of the paged results control (RFC 2696)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ldap import ber
from gateway.ldap.errors import DecodeError, ValueFault, beyond_limit

PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
# RFC 2891, and its answer.
SORT: Final = "1.2.840.113556.1.4.473"
SORT_RESULT: Final = "1.2.840.113556.1.4.474"
# RFC 3296 3.
MANAGE_DSA_IT: Final = "2.16.840.1.113730.3.4.2"
# LDAP_SERVER_DOMAIN_SCOPE_OID, MS-ADTS 3.1.1.3.4.1.4.
DOMAIN_SCOPE: Final = "1.2.840.113556.1.4.1339"
# draft-behera-ldap-password-policy-10 6; its answer has the same OID.
PASSWORD_POLICY: Final = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an OID, not a password

CONTROLS_TAG: Final = 0xA0


@dataclass(frozen=True, slots=True)
class Control:
    """A control (RFC 4511 4.1.11)."""

    oid: str
    critical: bool = False
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class PagedResults:
    """The value of the paged results control (RFC 2696).

    size: entries per page wanted (request) or estimated in all (response, 0 = unknown).
    """

    size: int
    cookie: bytes = b""

    def to_control(self, critical: bool) -> Control:
        contents = ber.integer(self.size) + ber.octets(self.cookie)
        return Control(PAGED_RESULTS, critical, ber.element(ber.SEQUENCE, contents))


def paged_results(control: Control) -> PagedResults:
    """Decodes the control's value; raises DecodeError."""
    if control.value is None:
        raise DecodeError("paged results control without a value")
    outer = ber.Reader(control.value)
    inner = outer.enter(ber.SEQUENCE)
    outer.finish()
    size = inner.integer()
    cookie = inner.octets()
    inner.finish()
    return PagedResults(size, cookie)


def is_oid(text: str) -> bool:
    """numericoid of RFC 4512 1.4: two or more numbers without leading zeros."""
    arcs = text.split(".")
    if len(arcs) < 2 or len(text) > 256:
        return False
    return all(arc.isascii() and arc.isdigit() and (arc == "0" or arc[0] != "0") for arc in arcs)


def read_controls(reader: ber.Reader, maximum: int) -> tuple[Control, ...]:
    """Reads the optional `controls [0]` at the end of an LDAPMessage. Raises DecodeError."""
    if reader.at_end():
        return ()
    sequence = reader.enter(CONTROLS_TAG)
    found: list[Control] = []
    while not sequence.at_end():
        if len(found) >= maximum:
            raise beyond_limit(f"more than {maximum} controls", "limits.controls")
        item = sequence.enter(ber.SEQUENCE)
        oid = item.text()
        if not is_oid(oid):
            raise ValueFault("a control's type is not an OID")
        critical = item.boolean() if item.peek_tag() == ber.BOOLEAN else False
        value = None if item.at_end() else item.octets()
        item.finish()
        found.append(Control(oid, critical, value))
    return tuple(found)


def write_controls(controls: tuple[Control, ...]) -> bytes:
    """The canonical encoding: no controls, no element; criticality FALSE is left out (RFC 4511 5.1)."""
    if not controls:
        return b""
    contents = b""
    for control in controls:
        item = ber.text(control.oid)
        if control.critical:
            item += ber.boolean(True)
        if control.value is not None:
            item += ber.octets(control.value)
        contents += ber.element(ber.SEQUENCE, item)
    return ber.element(CONTROLS_TAG, contents)
