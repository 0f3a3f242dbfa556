"""What a filter says of an entry: True, False, or None where it is undefined (RFC 4511 4.5.1.7)."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.servers.windows.names import BadName, dn_key

BIT_AND, BIT_OR = "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804"

DN_VALUED = frozenset({"distinguishedname", "homemdb", "manager", "member", "memberof", "objectcategory"})

# Values of a type, by its name in lower case; None where the type is unknown.
Lookup = Callable[[str], list[bytes] | None]
Matcher = Callable[[Lookup], bool | None]


def compile_filter(tree: tuple[Any, ...]) -> Matcher:
    """tree: as requests.read_filter gives it."""
    return _COMPILERS[tree[0]](*tree[1:])


def _and(parts: list[Any]) -> Matcher:
    matchers = [compile_filter(part) for part in parts]

    def match(lookup: Lookup) -> bool | None:
        return _all(matcher(lookup) for matcher in matchers)

    return match


def _or(parts: list[Any]) -> Matcher:
    matchers = [compile_filter(part) for part in parts]

    def match(lookup: Lookup) -> bool | None:
        return _not(_all(_not(matcher(lookup)) for matcher in matchers))

    return match


def _all(results: Iterable[bool | None]) -> bool | None:
    found: bool | None = True
    for result in results:
        if result is False:
            return False
        if result is None:
            found = None
    return found


def _not(result: bool | None) -> bool | None:
    return None if result is None else not result


def _negation(part: Any) -> Matcher:
    matcher = compile_filter(part)
    return lambda lookup: _not(matcher(lookup))


def _on_values(name: str, test: Callable[[bytes], bool]) -> Matcher:
    name = name.lower()

    def match(lookup: Lookup) -> bool | None:
        values = lookup(name)
        return None if values is None else any(map(test, values))

    return match


def _present(name: str) -> Matcher:
    return _on_values(name, lambda _: True)


def _equal(name: str, value: bytes) -> Matcher:
    value = value.lower()
    if name.lower() == "objectcategory" and b"=" not in value:
        # AD takes a class's name for the DN of its category.
        return _on_values(name, lambda held: held.lower().startswith(b"cn=" + value + b","))
    if name.lower() in DN_VALUED:
        try:
            key = dn_key(value.decode())
        except (BadName, UnicodeDecodeError):
            return lambda _: None
        return _on_values(name, lambda held: dn_key(held.decode()) == key)
    return _on_values(name, lambda held: held.lower() == value)


def _order(value: bytes) -> tuple[int, int, bytes]:
    try:
        return 0, int(value), b""
    except ValueError:
        return 1, 0, value.lower()


def _at_least(name: str, value: bytes) -> Matcher:
    return _on_values(name, lambda held: _order(held) >= _order(value))


def _at_most(name: str, value: bytes) -> Matcher:
    return _on_values(name, lambda held: _order(held) <= _order(value))


def _substrings(name: str, initial: bytes | None, middle: list[bytes], final: bytes | None) -> Matcher:
    first, last = (initial or b"").lower(), (final or b"").lower()
    parts = [part.lower() for part in middle]

    def test(held: bytes) -> bool:
        held = held.lower()
        if not held.startswith(first):
            return False
        at = len(first)
        for part in parts:
            found = held.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return held.endswith(last) and len(held) - len(last) >= at

    return _on_values(name, test)


def _extensible(rule: str | None, name: str | None, value: bytes) -> Matcher:
    if rule not in (BIT_AND, BIT_OR) or name is None or not value.lstrip(b"-").isdigit():
        return lambda _: None
    mask = int(value)

    def test(held: bytes) -> bool:
        common = int(held) & mask
        return common == mask if rule == BIT_AND else common != 0

    return _on_values(name, test)


_COMPILERS: dict[str, Callable[..., Matcher]] = {
    "and": _and,
    "or": _or,
    "not": _negation,
    "present": _present,
    "=": _equal,
    ">=": _at_least,
    "<=": _at_most,
    "substrings": _substrings,
    "extensible": _extensible,
}
