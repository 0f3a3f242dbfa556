"""Search filters as values, and their BER form (RFC 4511 4.5.1.7).

The text form of RFC 4515 is in filter_text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, final

from gateway.ldap import ber
from gateway.ldap.errors import DecodeError, EncodeError, ValueFault, beyond_limit

AND: Final = 0xA0
OR: Final = 0xA1
NOT: Final = 0xA2
EQUALITY: Final = 0xA3
SUBSTRINGS: Final = 0xA4
GREATER_OR_EQUAL: Final = 0xA5
LESS_OR_EQUAL: Final = 0xA6
PRESENT: Final = 0x87
APPROX: Final = 0xA8
EXTENSIBLE: Final = 0xA9


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class And:
    """No filters at all is the absolute true filter of RFC 4526."""

    filters: Final[tuple[Filter, ...]]

    def __init__(self, filters: tuple[Filter, ...]) -> None:
        self.filters = filters


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Or:
    """No filters at all is the absolute false filter of RFC 4526."""

    filters: Final[tuple[Filter, ...]]

    def __init__(self, filters: tuple[Filter, ...]) -> None:
        self.filters = filters


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Not:
    """A filter that is true where another one is false."""

    filter: Final[Filter]

    def __init__(self, filter: Filter) -> None:
        self.filter = filter


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class EqualityMatch:
    """A filter on a value that an attribute has."""

    attribute: Final[str]
    value: Final[bytes]

    def __init__(self, attribute: str, value: bytes) -> None:
        self.attribute = attribute
        self.value = value


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Substrings:
    """At least one part; none of them empty."""

    attribute: Final[str]
    initial: Final[bytes | None]
    any: Final[tuple[bytes, ...]]
    final: Final[bytes | None]

    def __init__(self, attribute: str, initial: bytes | None, any: tuple[bytes, ...], final: bytes | None) -> None:
        self.attribute = attribute
        self.initial = initial
        self.any = any
        self.final = final


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class GreaterOrEqual:
    """A filter on values from one on."""

    attribute: Final[str]
    value: Final[bytes]

    def __init__(self, attribute: str, value: bytes) -> None:
        self.attribute = attribute
        self.value = value


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class LessOrEqual:
    """A filter on values up to one."""

    attribute: Final[str]
    value: Final[bytes]

    def __init__(self, attribute: str, value: bytes) -> None:
        self.attribute = attribute
        self.value = value


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Present:
    """A filter on an attribute that is there."""

    attribute: Final[str]

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class ApproxMatch:
    """A filter on a value that is nearly the same, as the server understands it."""

    attribute: Final[str]
    value: Final[bytes]

    def __init__(self, attribute: str, value: bytes) -> None:
        self.attribute = attribute
        self.value = value


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class ExtensibleMatch:
    """Either rule or attribute, or both, is given."""

    rule: Final[str | None]
    attribute: Final[str | None]
    value: Final[bytes]
    dn_attributes: Final[bool]

    def __init__(self, rule: str | None, attribute: str | None, value: bytes, dn_attributes: bool = False) -> None:
        self.rule = rule
        self.attribute = attribute
        self.value = value
        self.dn_attributes = dn_attributes


Filter: TypeAlias = (
    And | Or | Not | EqualityMatch | Substrings | GreaterOrEqual | LessOrEqual | Present | ApproxMatch | ExtensibleMatch
)


@dataclass(frozen=True, slots=True)
class FilterLimits:
    """How large a filter may be.

    depth: nested filters, the outermost is 1. elements: filters of all kinds in one request. value: octets of one
    assertion value or substring.
    """

    depth: int = 50
    elements: int = 2000
    value: int = 65536


class FilterReader:
    """Decodes one filter within limits; counts elements over the whole tree."""

    __slots__ = ("elements", "limits")

    def __init__(self, limits: FilterLimits) -> None:
        self.limits: FilterLimits = limits
        self.elements: int = 0

    def read(self, reader: ber.Reader, depth: int = 1) -> Filter:
        """Reads the filter that comes next. Raises DecodeError."""
        if depth > self.limits.depth:
            raise beyond_limit(f"filter nested more than {self.limits.depth} deep", "limits.filter_depth")
        self._count()
        tag = reader.peek_tag()
        if tag == AND:
            return And(self._read_set(reader.enter(AND), depth))
        if tag == OR:
            return Or(self._read_set(reader.enter(OR), depth))
        if tag == NOT:
            inner = reader.enter(NOT)
            negated = self.read(inner, depth + 1)
            inner.finish()
            return Not(negated)
        if tag == PRESENT:
            return Present(reader.text(PRESENT))
        if tag == SUBSTRINGS:
            return self._read_substrings(reader.enter(SUBSTRINGS))
        if tag == EXTENSIBLE:
            return self._read_extensible(reader.enter(EXTENSIBLE))
        if tag == EQUALITY:
            attribute, value = self._read_assertion(reader.enter(EQUALITY))
            return EqualityMatch(attribute, value)
        if tag == GREATER_OR_EQUAL:
            attribute, value = self._read_assertion(reader.enter(GREATER_OR_EQUAL))
            return GreaterOrEqual(attribute, value)
        if tag == LESS_OR_EQUAL:
            attribute, value = self._read_assertion(reader.enter(LESS_OR_EQUAL))
            return LessOrEqual(attribute, value)
        if tag == APPROX:
            attribute, value = self._read_assertion(reader.enter(APPROX))
            return ApproxMatch(attribute, value)
        if tag < 0:
            raise DecodeError(f"a filter is missing at octet {reader.pos}")
        raise ValueFault(f"unknown filter 0x{tag:02x} at octet {reader.pos}")

    def _count(self) -> None:
        self.elements += 1
        if self.elements > self.limits.elements:
            raise beyond_limit(f"filter of more than {self.limits.elements} elements", "limits.filter_elements")

    def _value(self, value: bytes) -> bytes:
        if len(value) > self.limits.value:
            what = f"assertion value of more than {self.limits.value} octets"
            raise beyond_limit(what, "limits.assertion_value")
        return value

    def _read_set(self, reader: ber.Reader, depth: int) -> tuple[Filter, ...]:
        found: list[Filter] = []
        while not reader.at_end():
            found.append(self.read(reader, depth + 1))
        return tuple(found)

    def _read_assertion(self, reader: ber.Reader) -> tuple[str, bytes]:
        attribute = reader.text()
        value = self._value(reader.octets())
        reader.finish()
        return attribute, value

    def _read_substrings(self, reader: ber.Reader) -> Substrings:
        attribute = reader.text()
        parts = reader.enter(ber.SEQUENCE)
        reader.finish()
        initial: bytes | None = None
        final: bytes | None = None
        middle: list[bytes] = []
        first = True
        while not parts.at_end():
            if final is not None:
                raise ValueFault("substrings after the final one")
            # The parts count as elements: a thousand of them cost a server what a thousand filters do.
            self._count()
            tag, start, end = parts.any_element()
            part = self._value(parts.data[start:end])
            if not part:
                raise ValueFault("empty substring")
            if tag == 0x80 and first:
                initial = part
            elif tag == 0x81:
                middle.append(part)
            elif tag == 0x82:
                final = part
            else:
                raise ValueFault(f"substring 0x{tag:02x} out of place")
            first = False
        if first:
            raise ValueFault("substrings filter without substrings")
        return Substrings(attribute, initial, tuple(middle), final)

    def _read_extensible(self, reader: ber.Reader) -> ExtensibleMatch:
        rule = reader.text(0x81) if reader.peek_tag() == 0x81 else None
        attribute = reader.text(0x82) if reader.peek_tag() == 0x82 else None
        value = self._value(reader.octets(0x83))
        dn_attributes = reader.boolean(0x84) if reader.peek_tag() == 0x84 else False
        reader.finish()
        if rule is None and attribute is None:
            raise ValueFault("extensible match with neither rule nor attribute")
        return ExtensibleMatch(rule, attribute, value, dn_attributes)


def count_elements(value: Filter) -> int:
    """How many filters and substrings it has, as FilterReader counts them."""
    if isinstance(value, And | Or):
        return 1 + sum([count_elements(part) for part in value.filters])
    if isinstance(value, Not):
        return 1 + count_elements(value.filter)
    if isinstance(value, Substrings):
        return 1 + (value.initial is not None) + len(value.any) + (value.final is not None)
    return 1


def write_filter(value: Filter) -> bytes:
    """The canonical encoding. Raises EncodeError for what no filter may be."""
    if isinstance(value, And):
        return ber.element(AND, b"".join([write_filter(f) for f in value.filters]))
    if isinstance(value, Or):
        return ber.element(OR, b"".join([write_filter(f) for f in value.filters]))
    if isinstance(value, Not):
        return ber.element(NOT, write_filter(value.filter))
    if isinstance(value, Present):
        return ber.text(value.attribute, PRESENT)
    if isinstance(value, EqualityMatch):
        return _write_assertion(EQUALITY, value.attribute, value.value)
    if isinstance(value, GreaterOrEqual):
        return _write_assertion(GREATER_OR_EQUAL, value.attribute, value.value)
    if isinstance(value, LessOrEqual):
        return _write_assertion(LESS_OR_EQUAL, value.attribute, value.value)
    if isinstance(value, ApproxMatch):
        return _write_assertion(APPROX, value.attribute, value.value)
    if isinstance(value, Substrings):
        return _write_substrings(value)
    return _write_extensible(value)


def _write_assertion(tag: int, attribute: str, value: bytes) -> bytes:
    return ber.element(tag, ber.text(attribute) + ber.octets(value))


def _write_substrings(value: Substrings) -> bytes:
    parts: list[bytes] = []
    if value.initial is not None:
        parts.append(ber.octets(value.initial, 0x80))
    parts.extend([ber.octets(part, 0x81) for part in value.any])
    if value.final is not None:
        parts.append(ber.octets(value.final, 0x82))
    if not parts:
        raise EncodeError("substrings filter without substrings")
    return ber.element(SUBSTRINGS, ber.text(value.attribute) + ber.element(ber.SEQUENCE, b"".join(parts)))


def _write_extensible(value: ExtensibleMatch) -> bytes:
    contents = b""
    if value.rule is None and value.attribute is None:
        raise EncodeError("extensible match with neither rule nor attribute")
    if value.rule is not None:
        contents += ber.text(value.rule, 0x81)
    if value.attribute is not None:
        contents += ber.text(value.attribute, 0x82)
    contents += ber.octets(value.value, 0x83)
    if value.dn_attributes:
        contents += ber.boolean(True, 0x84)
    return ber.element(EXTENSIBLE, contents)
