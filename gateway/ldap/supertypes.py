"""Attribute types that stand for others too: a filter on a supertype matches the values of all its subtypes (RFC 4511
4.5.1.7, RFC 4512 2.5.1).

Active Directory has no such hierarchy: its `name` and `distinguishedName` are attributes of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.ldap.attribute_types import TypeSet, base_type, canonical_type

# Supertype, then each type that RFC 4519 derives from it; behind them those of other schemas that OpenLDAP brings
# along: X.520 (dmdName, pseudonym), RFC 3671 (collective ones, whose supertypes are subtypes of name), nis (nisMapName)
# and dyngroup (dgIdentity). RFC 4524 and RFC 2798 derive nothing from these three. What a company's own schema derives
# is not known here: `doctor` reads it from the server.
_SUBTYPES: Final = """
name: c cn generationQualifier givenName initials l o ou sn st title dmdName pseudonym c-l c-o c-ou c-st nisMapName
distinguishedName: member owner roleOccupant seeAlso dgIdentity
postalAddress: registeredAddress
"""

SUPERTYPES: Final[dict[str, tuple[str, ...]]] = {
    canonical_type(name): tuple(subtypes.split())
    for name, _, subtypes in (line.partition(": ") for line in _SUBTYPES.splitlines() if line)
}


class OpenSupertypes:
    """The supertypes whose subtypes are not all among the listed types, each with those that are not, in the spelling
    of their RFCs."""

    def __init__(self, listed: Iterable[str]) -> None:
        kinds = {canonical_type(name) for name in listed}
        self.unlisted: dict[str, tuple[str, ...]] = {}
        for name, subtypes in SUPERTYPES.items():
            missing = tuple(each for each in subtypes if canonical_type(each) not in kinds)
            if missing:
                self.unlisted[name] = missing

    def find(self, description: str) -> str | None:
        """The supertype that an attribute description stands for; None where it is none, or stands only for listed
        types."""
        kind = base_type(description)
        return kind if kind in self.unlisted else None


def listed_open_supertypes(listed: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The listed types that stand for unlisted ones as well, in their configured spelling, each with these."""
    types = TypeSet(listed)
    spelt = ((types.find(name), missing) for name, missing in OpenSupertypes(listed).unlisted.items())
    return {spelling: missing for spelling, missing in spelt if spelling is not None}
