"""Whether an entry matches a filter: True, False, or None for Undefined (RFC 4511 4.5.1.7), as Active Directory has it
(MS-ADTS 3.1.1.3.1.3).

A filter is compiled once into a test, which is put to each entry that may match, and into an access to these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from gateway.entra import access
from gateway.entra.access import Access, AnyOf, Chain, OneOf
from gateway.entra.folding import fold_part
from gateway.entra.schema import CATEGORIES, AttributeType, Syntax, find_type, served_type
from gateway.entra.syntaxes import Key, asserted_key, dn_key
from gateway.ldap.attribute_types import split_description
from gateway.ldap.dn import DN, parse
from gateway.ldap.filters import (
    And,
    ExtensibleMatch,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)

# MS-ADTS 3.1.1.3.4.4.
BIT_AND: Final = "1.2.840.113556.1.4.803"
BIT_OR: Final = "1.2.840.113556.1.4.804"
IN_CHAIN: Final = "1.2.840.113556.1.4.1941"

_CATEGORY: Final = served_type("objectCategory")
# What links one entry to others.
_LINKS: Final = frozenset(served_type(name).number for name in ("member", "memberOf", "manager"))
_ORDERED: Final = (Syntax.text, Syntax.integer, Syntax.time)


class Subject(Protocol):
    """An entry that is tested. Attributes are named by the numbers of their types."""

    @property
    def number(self) -> int: ...

    def __contains__(self, attribute: int, /) -> bool: ...

    def keys(self, attribute: int, /) -> Sequence[Key]:
        """The keys of all values."""

    def names(self, attribute: int, key: bytes, /) -> bool:
        """Whether one of the values is the name with this key; for attributes that may have very many."""


Test: TypeAlias = Callable[[Subject], bool | None]


class Compiled(NamedTuple):
    """A filter as it is searched for. access: None where every entry has to be tested."""

    test: Test
    access: Access | None


class Matching:
    """Makes filters into what is searched for. base: of the copy, below which the categories of classes lie. chains:
    of the filters that were compiled so far."""

    def __init__(self, base: DN) -> None:
        self._base = base
        self.chains: list[Chain] = []

    def compile(self, filter: Filter) -> Compiled:
        if isinstance(filter, And):
            return _all([self.compile(part) for part in filter.filters])
        if isinstance(filter, Or):
            return _any([self.compile(part) for part in filter.filters])
        if isinstance(filter, Not):
            return Compiled(_not(self.compile(filter.filter).test), None)
        if isinstance(filter, ExtensibleMatch):
            return self._extensible(filter)
        type = find_filter_type(filter.attribute)
        if type is None:
            return UNDEFINED
        if isinstance(filter, Present):
            number = type.number
            return Compiled(lambda subject: number in subject, access.present(type))
        if isinstance(filter, Substrings):
            return _substrings(type, filter)
        if isinstance(filter, GreaterOrEqual):
            return self._ordering(type, filter.value, lambda held, asked: held >= asked)
        if isinstance(filter, LessOrEqual):
            return self._ordering(type, filter.value, lambda held, asked: held <= asked)
        return self._equality(type, filter.value)

    def _key(self, type: AttributeType, value: bytes) -> Key | None:
        """The key of a value in a filter. A category may be named by a class (MS-ADTS 3.1.1.3.1.3.5)."""
        if type is _CATEGORY and b"=" not in value:
            category = CATEGORIES.get(value.decode("utf-8", "replace").lower())
            return None if category is None else dn_key(category_dn(category, self._base))
        if not value and type.syntax is Syntax.text:
            # RFC 4517 3.3.6: a text is not empty.
            return None
        return asserted_key(type, value)

    def _equality(self, type: AttributeType, value: bytes) -> Compiled:
        key = self._key(type, value)
        if key is None:
            return UNDEFINED
        number = type.number
        found = access.equal(type, key)
        if type.multiple and type.syntax is Syntax.dn and isinstance(key, bytes):
            return Compiled(lambda subject: subject.names(number, key), found)
        return Compiled(lambda subject: key in subject.keys(number), found)

    def _ordering(self, type: AttributeType, value: bytes, holds: Callable[[Any, Any], bool]) -> Compiled:
        """holds: whether a value that is held is on the right side of the one that is asked for; both are of one
        type."""
        asked = self._key(type, value)
        if type.syntax not in _ORDERED or asked is None:
            return UNDEFINED
        number = type.number
        return Compiled(lambda subject: any(holds(held, asked) for held in subject.keys(number)), None)

    def _extensible(self, filter: ExtensibleMatch) -> Compiled:
        """MS-ADTS 3.1.1.3.1.3.1: without an attribute it is Undefined, dnAttributes counts for nothing, and there are
        no rules but those of Active Directory."""
        type = None if filter.attribute is None else find_filter_type(filter.attribute)
        if type is None:
            return UNDEFINED
        if filter.rule is None:
            return self._equality(type, filter.value)
        if filter.rule in (BIT_AND, BIT_OR) and type.syntax is Syntax.integer:
            mask = asserted_key(type, filter.value)
            if isinstance(mask, int):
                return _bits(type.number, mask, every=filter.rule == BIT_AND)
        if filter.rule == IN_CHAIN and type.number in _LINKS:
            key = self._key(type, filter.value)
            if isinstance(key, bytes):
                chain = Chain(type.number, key)
                self.chains.append(chain)
                return Compiled(lambda subject: subject.number in chain.found, chain)
        return UNDEFINED


def find_filter_type(description: str) -> AttributeType | None:
    """The type that a filter is about; None for one that is not known, or with an option that no value here has."""
    parts = split_description(description)
    if parts is None or any(option.lower() != "binary" for option in parts[1]):
        return None
    return find_type(parts[0])


def category_dn(category: str, base: DN) -> DN:
    """The name that objectCategory has for a category, as MS-ADTS 3.1.1.2.1 places it."""
    return DN(parse(f"CN={category},CN=Schema,CN=Configuration").rdns + base.rdns)


def _undefined(_: Subject) -> bool | None:
    return None


# It matches nothing, and its negation does not either.
UNDEFINED: Final = Compiled(_undefined, access.NOTHING)


def _all(parts: list[Compiled]) -> Compiled:
    tests = [part.test for part in parts]

    def test(subject: Subject) -> bool | None:
        found: bool | None = True
        for each in tests:
            result = each(subject)
            if result is False:
                return False
            if result is None:
                found = None
        return found

    narrow = tuple([part.access for part in parts if part.access is not None])
    return Compiled(test, OneOf(narrow) if narrow else None)


def _any(parts: list[Compiled]) -> Compiled:
    tests = [part.test for part in parts]

    def test(subject: Subject) -> bool | None:
        found: bool | None = False
        for each in tests:
            result = each(subject)
            if result:
                return True
            if result is None:
                found = None
        return found

    narrow = tuple([part.access for part in parts if part.access is not None])
    return Compiled(test, AnyOf(narrow) if len(narrow) == len(parts) else None)


def _not(test: Test) -> Test:
    def negated(subject: Subject) -> bool | None:
        result = test(subject)
        return None if result is None else not result

    return negated


def _bits(number: int, mask: int, *, every: bool) -> Compiled:
    def test(subject: Subject) -> bool | None:
        common = [held & mask for held in subject.keys(number) if isinstance(held, int)]
        return mask in common if every else any(common)

    return Compiled(test, None)


def _substrings(type: AttributeType, filter: Substrings) -> Compiled:
    if type.syntax is not Syntax.text:
        return UNDEFINED
    try:
        initial = fold_part((filter.initial or b"").decode()).lstrip(" ")
        middle = [fold_part(part.decode()) for part in filter.any]
        final = fold_part((filter.final or b"").decode()).rstrip(" ")
    except UnicodeDecodeError:
        return UNDEFINED
    number = type.number

    def test(subject: Subject) -> bool | None:
        return any(_holds(held, initial, middle, final) for held in subject.keys(number))

    return Compiled(test, access.beginning(type, initial))


def _holds(value: Key, initial: str, middle: list[str], final: str) -> bool:
    if not isinstance(value, str) or not value.startswith(initial):
        return False
    at = len(initial)
    for part in middle:
        at = value.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return value.endswith(final) and at + len(final) <= len(value)
