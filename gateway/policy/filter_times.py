"""The times in a filter: whether it asks only for what has changed since one of them, and what it is without them.

A service writes the time of its last sync, or of today, into filters that are the same otherwise. The shrink guard must
see the same search in these, and must know a search for changes, whose result has no size of its own.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.ldap.attribute_types import base_type
from gateway.ldap.filters import (
    And,
    ApproxMatch,
    EqualityMatch,
    ExtensibleMatch,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
)

# What a server writes by itself whenever an entry is made or changed: RFC 4512 3.4, MS-ADA3, and OpenLDAP's and 389
# Directory Server's own counts of changes.
_CHANGE_MARKS: Final = frozenset(
    {
        "whenchanged",
        "whencreated",
        "usnchanged",
        "usncreated",
        "modifytimestamp",
        "createtimestamp",
        "entrycsn",
        "entryusn",
    }
)
# Times that are plain numbers and too short to be known by their form: days (RFC 2307) or seconds (Samba) since 1970.
_SHORT_TIMES: Final = frozenset(
    {
        "shadowlastchange",
        "shadowexpire",
        "sambapwdlastset",
        "sambapwdcanchange",
        "sambapwdmustchange",
        "sambalogontime",
        "sambalogofftime",
        "sambakickofftime",
        "sambabadpasswordtime",
    }
)

_MONTH_TO_HOUR: Final = rb"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])"
_ZONE: Final = rb"(?:Z|[+-][0-9]{2}(?:[0-9]{2})?)"
# RFC 4517 3.3.13; in OpenLDAP's entryCSN a count, the server's number and another count follow.
_GENERALIZED_TIME: Final = re.compile(
    rb"[0-9]{4}" + _MONTH_TO_HOUR + rb"(?:[0-9]{2}){0,2}(?:[.,][0-9]+)?" + _ZONE + rb"(?:#[0-9A-Fa-f]+){0,3}"
)
# RFC 4517 3.3.34.
_UTC_TIME: Final = re.compile(rb"[0-9]{2}" + _MONTH_TO_HOUR + rb"[0-9]{2}(?:[0-9]{2})?" + _ZONE)
# MS-DTYP 2.3.3: tenths of microseconds since 1601. From 1917 to 4770 these have 18 digits; "never" has 1 or 19.
_FILETIME: Final = re.compile(rb"[1-9][0-9]{17}")
_NUMBER: Final = re.compile(rb"[0-9]{1,20}")

# LDAP is younger than that (RFC 1487 is of 1993): no entry was changed before.
_FIRST_YEAR: Final = b"1990"

# In the place of each time; no server is sent it.
_A_TIME: Final = b"\0time"


def asks_for_changes(wanted: Filter) -> bool:
    """Whether whatever matches was made or changed since some time (or count of changes), by what the server itself
    notes of that.

    `(|(objectClass=user)(whenChanged>=T))` does not: users of any age match. `(!(whenChanged<=T))` does. A bound that
    lies before every change (`uSNChanged>=0`, a year before 1990) bounds nothing: this is how a full sync begins.
    """
    return _only_changes(wanted, True)


def _only_changes(wanted: Filter, matches: bool) -> bool:
    """Whether a filter finds changes alone, in what matches it or in what does not."""
    if isinstance(wanted, Not):
        return _only_changes(wanted.filter, not matches)
    if isinstance(wanted, And | Or):
        found = [_only_changes(part, matches) for part in wanted.filters]
        # All parts hold at once where an And matches and where an Or does not; otherwise any one of them may.
        all_hold = isinstance(wanted, And) == matches
        return any(found) if all_hold else bool(found) and all(found)
    if isinstance(wanted, GreaterOrEqual):
        return matches and _is_change_mark(wanted.attribute) and not _is_before_all_changes(wanted.value)
    if isinstance(wanted, LessOrEqual):
        return not matches and _is_change_mark(wanted.attribute) and not _is_before_all_changes(wanted.value)
    return False


def without_times(wanted: Filter) -> Filter:
    """Equal for filters that differ in times alone. One without a time is equal to itself."""
    if isinstance(wanted, And):
        return And(tuple([without_times(part) for part in wanted.filters]))
    if isinstance(wanted, Or):
        return Or(tuple([without_times(part) for part in wanted.filters]))
    if isinstance(wanted, Not):
        return Not(without_times(wanted.filter))
    if isinstance(wanted, EqualityMatch) and _is_time(wanted.attribute, wanted.value):
        return EqualityMatch(wanted.attribute, _A_TIME)
    if isinstance(wanted, GreaterOrEqual) and _is_time(wanted.attribute, wanted.value):
        return GreaterOrEqual(wanted.attribute, _A_TIME)
    if isinstance(wanted, LessOrEqual) and _is_time(wanted.attribute, wanted.value):
        return LessOrEqual(wanted.attribute, _A_TIME)
    if isinstance(wanted, ApproxMatch) and _is_time(wanted.attribute, wanted.value):
        return ApproxMatch(wanted.attribute, _A_TIME)
    if isinstance(wanted, ExtensibleMatch) and _is_time(wanted.attribute or "", wanted.value):
        return ExtensibleMatch(wanted.rule, wanted.attribute, _A_TIME, wanted.dn_attributes)
    return wanted


def _is_change_mark(attribute: str) -> bool:
    return base_type(attribute) in _CHANGE_MARKS


def _is_time(attribute: str, value: bytes) -> bool:
    if not value[:1].isdigit():
        return False
    if _GENERALIZED_TIME.fullmatch(value) or _UTC_TIME.fullmatch(value) or _FILETIME.fullmatch(value):
        return True
    if not _NUMBER.fullmatch(value):
        return False
    kind = base_type(attribute)
    return kind in _CHANGE_MARKS or kind in _SHORT_TIMES


def _is_before_all_changes(value: bytes) -> bool:
    """The number of the first change is 1, or above."""
    if _NUMBER.fullmatch(value):
        return int(value) <= 1
    return _GENERALIZED_TIME.fullmatch(value) is not None and value[:4] < _FIRST_YEAR
