"""Attribute descriptions (RFC 4512 2.5) and the other names and OIDs that a type goes by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gateway.ldap.controls import is_oid

_DESCR: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
# RFC 4512 2.5.2, and the range option of MS-ADTS 3.1.1.3.1.3.3.
_OPTION: Final = re.compile(r"(?:[A-Za-z0-9-]+|[Rr][Aa][Nn][Gg][Ee]=[0-9]{1,10}-(?:[0-9]{1,10}|\*))\Z")

# Short name, other names and OIDs, as RFC 4512, RFC 4519, RFC 4524, RFC 2798 and MS-ADA1 to MS-ADA3 register them. What
# is missing here is judged by its own name only, which can refuse too much and never let anything through.
_ALIASES: Final = """
objectclass 2.5.4.0
createtimestamp 2.5.18.1
modifytimestamp 2.5.18.2
cn commonname 2.5.4.3
sn surname 2.5.4.4
serialnumber 2.5.4.5
c countryname 2.5.4.6
l localityname 2.5.4.7
st stateorprovincename 2.5.4.8
street 2.5.4.9
o organizationname 2.5.4.10
ou organizationalunitname 2.5.4.11
title 2.5.4.12
description 2.5.4.13
postaladdress 2.5.4.16
postalcode 2.5.4.17
postofficebox 2.5.4.18
physicaldeliveryofficename 2.5.4.19
telephonenumber 2.5.4.20
registeredaddress 2.5.4.26
facsimiletelephonenumber fax 2.5.4.23
member 2.5.4.31
owner 2.5.4.32
roleoccupant 2.5.4.33
seealso 2.5.4.34
userpassword 2.5.4.35
usercertificate 2.5.4.36
name 2.5.4.41
givenname gn 2.5.4.42
initials 2.5.4.43
generationqualifier 2.5.4.44
distinguishedname 2.5.4.49
dmdname 2.5.4.54
pseudonym 2.5.4.65
dgidentity 1.3.6.1.4.1.4203.666.11.8.1.1
c-l 2.5.4.7.1
c-st 2.5.4.8.1
c-o 2.5.4.10.1
c-ou 2.5.4.11.1
nismapname 1.3.6.1.1.1.1.26
uid userid 0.9.2342.19200300.100.1.1
mail rfc822mailbox 0.9.2342.19200300.100.1.3
manager 0.9.2342.19200300.100.1.10
homephone hometelephonenumber 0.9.2342.19200300.100.1.20
dc domaincomponent 0.9.2342.19200300.100.1.25
mobile mobiletelephonenumber 0.9.2342.19200300.100.1.41
pager pagertelephonenumber 0.9.2342.19200300.100.1.42
departmentnumber 2.16.840.1.113730.3.1.2
employeenumber 2.16.840.1.113730.3.1.3
preferredlanguage 2.16.840.1.113730.3.1.39
displayname 1.2.840.113556.1.2.13
memberof 1.2.840.113556.1.2.102
proxyaddresses 1.2.840.113556.1.2.210
whencreated 1.2.840.113556.1.2.2
whenchanged 1.2.840.113556.1.2.3
usncreated 1.2.840.113556.1.2.19
usnchanged 1.2.840.113556.1.2.120
co 1.2.840.113556.1.2.131
department 1.2.840.113556.1.2.141
company 1.2.840.113556.1.2.146
objectguid 1.2.840.113556.1.4.2
useraccountcontrol 1.2.840.113556.1.4.8
employeeid 1.2.840.113556.1.4.35
objectsid 1.2.840.113556.1.4.146
samaccountname 1.2.840.113556.1.4.221
samaccounttype 1.2.840.113556.1.4.302
userprincipalname 1.2.840.113556.1.4.656
grouptype 1.2.840.113556.1.4.750
objectcategory 1.2.840.113556.1.4.782
"""

# Attributes of RFC 4512, 4519 and 4524 and of MS-ADA1 to MS-ADA3 whose values are DNs (RFC 4517 3.3.9; in AD the
# syntax Object(DS-DN)), by their canonical names.
_DN_ATTRIBUTES: Final = """
aliasedobjectname creatorsname distinguishedname documentauthor entrydn manager member memberof modifiersname
namingcontexts owner roleoccupant secretary seealso subschemasubentry uniquemember
altrecipient altrecipientbl assistant authorig defaultobjectcategory directreports dlmemrejectperms
dlmemsubmitperms homemdb homemta lastknownparent managedby managedobjects nonsecuritymember objectcategory
publicdelegates publicdelegatesbl showinaddressbook unauthorig
"""
_DN_SYNTAX: Final = frozenset(_DN_ATTRIBUTES.split())

_CANONICAL: Final[dict[str, str]] = {
    alias: line.split()[0] for line in _ALIASES.splitlines() if line for alias in line.split()
}


def is_type(text: str) -> bool:
    """Whether text is an attribute type: a descr or a numericoid (RFC 4512 1.4)."""
    return bool(_DESCR.match(text)) or is_oid(text)


def split_description(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Base type and options of an attribute description; None where it is not one."""
    parts = text.split(";")
    if not is_type(parts[0]):
        return None
    for option in parts[1:]:
        if not _OPTION.match(option):
            return None
    return parts[0], tuple(parts[1:])


def canonical_type(name: str) -> str:
    """The key under which all names of a type compare equal, in lower case."""
    lowered = name.lower()
    return _CANONICAL.get(lowered, lowered)


def base_type(description: str) -> str | None:
    """The canonical type that a description stands for, its options left aside; None where it is not one."""
    parts = split_description(description)
    return None if parts is None else canonical_type(parts[0])


def has_dn_syntax(description: str) -> bool:
    """Whether the values of an attribute are DNs, as far as that is known here."""
    return base_type(description) in _DN_SYNTAX


class TypeSet:
    """Attribute types, found by any of their names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._spellings: dict[str, str] = {}
        for name in names:
            self._spellings.setdefault(canonical_type(name), name)
        self._numbers: dict[str, int] = {kind: number for number, kind in enumerate(self._spellings)}

    def find(self, description: str) -> str | None:
        """The configured spelling of the type that a description stands for; None if it is not in the set."""
        kind = base_type(description)
        return None if kind is None else self._spellings.get(kind)

    def number(self, description: str) -> int:
        """The place in spellings() of the type that a description stands for; -1 if it is not in the set."""
        kind = base_type(description)
        return -1 if kind is None else self._numbers.get(kind, -1)

    def spellings(self) -> tuple[str, ...]:
        """Every type once, in the order given, as first written."""
        return tuple(self._spellings.values())
