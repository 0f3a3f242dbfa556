"""The kind of entries that a search filter asks for, as far as the filter itself tells.

Syncs usually ask for people, for groups and for contacts in searches of their own. So what came can be told apart by
the filter, once for a search, without a look into any entry.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from gateway.ldap.filters import And, EqualityMatch, ExtensibleMatch, Filter, Not, Or, Present, Substrings
from gateway.ldap.kinds import Kind

_Kinds: TypeAlias = frozenset[Kind]

_ALL: Final[_Kinds] = frozenset(Kind)
_TOLD_APART: Final[_Kinds] = frozenset({Kind.user, Kind.group, Kind.contact})
_GROUPS: Final[_Kinds] = frozenset({Kind.group})
_ACCOUNTS: Final[_Kinds] = frozenset({Kind.user, Kind.computer})
_CONTAINERS: Final[_Kinds] = frozenset({Kind.container})
_PEOPLE: Final[_Kinds] = frozenset({Kind.user, Kind.contact, Kind.computer})

# Which entries can have each class. In Active Directory a computer is a user as well, and a contact a person.
_CLASSES: Final[dict[bytes, _Kinds]] = {
    b"computer": frozenset({Kind.computer}),
    b"group": _GROUPS,
    b"groupofnames": _GROUPS,
    b"groupofuniquenames": _GROUPS,
    b"posixgroup": _GROUPS,
    b"dominogroup": _GROUPS,
    b"contact": frozenset({Kind.contact}),
    b"user": _ACCOUNTS,
    b"inetorgperson": frozenset({Kind.user}),
    b"dominoperson": frozenset({Kind.user}),
    b"person": _PEOPLE,
    b"organizationalperson": _PEOPLE,
    b"organizationalunit": _CONTAINERS,
    b"container": _CONTAINERS,
}
# MS-ADTS 2.2.2: defaultObjectCategory of user and contact is Person. Active Directory takes a class's name for the
# DN of its category.
_CATEGORIES: Final[dict[bytes, _Kinds]] = {
    b"person": frozenset({Kind.user, Kind.contact}),
    b"user": frozenset({Kind.user, Kind.contact}),
    b"contact": frozenset({Kind.user, Kind.contact}),
    b"group": _GROUPS,
    b"computer": frozenset({Kind.computer}),
}
# MS-ADTS 2.2.13 (sAMAccountType).
_ACCOUNT_TYPES: Final[dict[bytes, _Kinds]] = {
    b"805306368": frozenset({Kind.user}),
    b"805306369": frozenset({Kind.computer}),
    b"268435456": _GROUPS,
    b"268435457": _GROUPS,
    b"536870912": _GROUPS,
    b"536870913": _GROUPS,
}
# Which entries can have a value of each attribute, whatever that is.
_HOLDERS: Final[dict[str, _Kinds]] = {
    "useraccountcontrol": _ACCOUNTS,
    "samaccounttype": _ACCOUNTS | _GROUPS,
    "grouptype": _GROUPS,
    "member": _GROUPS,
    "uniquemember": _GROUPS,
    "memberuid": _GROUPS,
}
# Classes that, in a filter with Not, leave no entry of that kind: others of the same kind are of other schemas.
_WHOLE_KINDS: Final[dict[bytes, Kind]] = {
    b"computer": Kind.computer,
    b"group": Kind.group,
    b"contact": Kind.contact,
}


def kind_of_filter(filter: Filter) -> Kind | None:
    """The one of user, group and contact that can match; None where several can, or none. A filter that lets computers
    through beside people is one for people: `(objectClass=user)`."""
    found = _can_match(filter) & _TOLD_APART
    if len(found) != 1:
        return None
    (kind,) = found
    return kind


def _can_match(filter: Filter) -> _Kinds:
    if isinstance(filter, And):
        kinds = _ALL
        for each in filter.filters:
            kinds &= _can_match(each)
        return kinds
    if isinstance(filter, Or):
        kinds = frozenset()
        for each in filter.filters:
            kinds |= _can_match(each)
        return kinds
    if isinstance(filter, Not):
        return _ALL - _wholly(filter.filter)
    if isinstance(filter, EqualityMatch):
        attribute = filter.attribute.lower()
        if attribute == "objectclass":
            return _CLASSES.get(filter.value.lower(), _ALL)
        if attribute == "objectcategory":
            return _CATEGORIES.get(_category(filter.value), _ALL)
        if attribute == "samaccounttype" and filter.value in _ACCOUNT_TYPES:
            return _ACCOUNT_TYPES[filter.value]
        return _HOLDERS.get(attribute, _ALL)
    if isinstance(filter, Present | Substrings):
        return _HOLDERS.get(filter.attribute.lower(), _ALL)
    if isinstance(filter, ExtensibleMatch) and filter.attribute is not None:
        return _HOLDERS.get(filter.attribute.lower(), _ALL)
    return _ALL


def _wholly(filter: Filter) -> _Kinds:
    """The kinds of which every entry matches."""
    if isinstance(filter, EqualityMatch) and filter.attribute.lower() == "objectclass":
        kind = _WHOLE_KINDS.get(filter.value.lower())
        return frozenset() if kind is None else frozenset({kind})
    return frozenset()


def _category(value: bytes) -> bytes:
    """`person` of `CN=Person,CN=Schema,CN=Configuration,DC=...`, or as it is."""
    lowered = value.lower()
    return lowered.removeprefix(b"cn=").partition(b",")[0] if lowered.startswith(b"cn=") else lowered
