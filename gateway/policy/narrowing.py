"""A search whose base lies above allowed ones, answered from these: the service has one field for a base, the
company allows three containers."""

from __future__ import annotations

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.dn import DN
from gateway.ldap.filters import And, EqualityMatch, Filter, Not, Or, Present
from gateway.ldap.messages import BASE_OBJECT, WHOLE_SUBTREE


def outermost(bases: tuple[DN, ...]) -> tuple[DN, ...]:
    """The bases that lie inside no other one, in their order: together they hold every entry once."""
    kept: list[DN] = []
    for base in bases:
        covered = any(base.is_inside(other) and not base.same(other) for other in bases)
        if not covered and not any(base.same(other) for other in kept):
            kept.append(base)
    return tuple(kept)


def narrowed(base: DN, scope: int, bases: tuple[DN, ...]) -> tuple[tuple[DN, int], ...]:
    """The bases and scopes that together are what a search from base may see; none where it may see nothing.

    scope: one level or subtree. One level means the allowed bases that are children of base, each read by itself.
    """
    below = tuple(found for found in bases if found.is_inside(base))
    if scope == WHOLE_SUBTREE:
        return tuple((found, WHOLE_SUBTREE) for found in outermost(below))
    children = tuple(found for found in below if len(found.rdns) == len(base.rdns) + 1)
    return tuple((child, BASE_OBJECT) for child in outermost(children))


def asks_for_class_only(wanted: Filter) -> bool:
    """Whether a filter tells nothing but an entry's objectClass, which everybody may know of a container."""
    if isinstance(wanted, And | Or):
        return all(asks_for_class_only(part) for part in wanted.filters)
    if isinstance(wanted, Not):
        return asks_for_class_only(wanted.filter)
    return isinstance(wanted, Present | EqualityMatch) and canonical_type(wanted.attribute) == "objectclass"
