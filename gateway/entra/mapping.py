"""What of a Graph object becomes which attribute of its LDAP entry, and which properties have to be asked for.

The attributes are those that a domain controller has for people, groups and contacts, spelled as AD spells them. An
attribute that nobody may read or filter by is not made, and the properties behind it are not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from gateway.entra.identifiers import entra_sid, sid_octets
from gateway.entra.properties import EXTENSION_ATTRIBUTES, Collection

# The kept properties of an object, by name; see properties.checked.
Document: TypeAlias = Mapping[str, Any]
Values: TypeAlias = list[bytes]

USERS: Final = Collection.users
GROUPS: Final = Collection.groups
CONTACTS: Final = Collection.contacts

# userAccountControl (MS-ADTS 2.2.16).
_NORMAL_ACCOUNT: Final = 0x200
_ACCOUNT_DISABLE: Final = 0x2
_DONT_EXPIRE_PASSWORD: Final = 0x10000
# groupType (MS-ADTS 2.2.12): universal; with security the sign bit.
_UNIVERSAL: Final = 0x8
_SECURITY: Final = -0x80000000

_MOMENT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z")
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attribute comes from in one collection. properties: what has to be asked for. values: makes the
    attribute's values of the object's id and its document; without duplicates, none where it has none."""

    properties: tuple[str, ...]
    values: Callable[[str, Document], Values]


def generalized_time(moment: str) -> bytes | None:
    """A moment of Graph as GeneralizedTime in AD's form; None where it is none."""
    found = _MOMENT.fullmatch(moment)
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, found.groups())
        datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return f"{''.join(found.groups())}.0Z".encode()


def _text(name: str) -> Source:
    """The property as it is, of one value or of several."""

    def values(id: str, document: Document) -> Values:
        found = document.get(name)
        if found is None:
            return []
        return [found.encode()] if isinstance(found, str) else [each.encode() for each in dict.fromkeys(found)]

    return Source((name,), values)


def _first_phone(id: str, document: Document) -> Values:
    return [phone.encode() for phone in document.get("businessPhones", ())[:1]]


def _other_phones(id: str, document: Document) -> Values:
    first, *others = document.get("businessPhones") or ("",)
    return [phone.encode() for phone in dict.fromkeys(others) if phone != first]


def _country(id: str, document: Document) -> Values:
    found = document.get("country") or ""
    return [found.upper().encode()] if _COUNTRY.fullmatch(found) else []


def login_name(document: Document) -> str | None:
    """What sAMAccountName would be, where nobody else has the same."""
    return document.get("onPremisesSamAccountName") or document.get("mailNickname")


def _login_name(id: str, document: Document) -> Values:
    found = login_name(document)
    return [] if found is None else [found.encode()]


def _account_control(id: str, document: Document) -> Values:
    control = _NORMAL_ACCOUNT
    if document.get("accountEnabled") is False:
        control |= _ACCOUNT_DISABLE
    if "DisablePasswordExpiration" in document.get("passwordPolicies", ""):
        control |= _DONT_EXPIRE_PASSWORD
    return [str(control).encode()]


def _sid(id: str, document: Document) -> Values:
    for name in ("onPremisesSecurityIdentifier", "securityIdentifier"):
        octets = sid_octets(document.get(name, ""))
        if octets is not None:
            return [octets]
    octets = sid_octets(entra_sid(id))
    return [] if octets is None else [octets]


def _group_type(id: str, document: Document) -> Values:
    return [str(_UNIVERSAL | (_SECURITY if document.get("securityEnabled") else 0)).encode()]


def _when_created(id: str, document: Document) -> Values:
    found = generalized_time(document.get("createdDateTime", ""))
    return [] if found is None else [found]


def _hidden_from_lists(id: str, document: Document) -> Values:
    return [b"TRUE"] if document.get("showInAddressList") is False else []


def _extension_attribute(name: str) -> Source:
    whole = "onPremisesExtensionAttributes"

    def values(id: str, document: Document) -> Values:
        found = document.get(whole, {}).get(name)
        return [] if found is None else [found.encode()]

    return Source((whole,), values)


def _phone_of_type(type: str, begin: int, end: int | None) -> Source:
    def values(id: str, document: Document) -> Values:
        numbers = [
            phone["number"] for phone in document.get("phones", ()) if phone.get("type") == type and "number" in phone
        ]
        return [number.encode() for number in list(dict.fromkeys(numbers))[begin:end]]

    return Source(("phones",), values)


def _first_address(document: Document) -> Mapping[str, str]:
    found: list[Mapping[str, str]] = document.get("addresses") or [{}]
    return found[0]


def _address(name: str) -> Source:
    def values(id: str, document: Document) -> Values:
        first = _first_address(document)
        return [first[name].encode()] if name in first else []

    return Source(("addresses",), values)


def _address_country(id: str, document: Document) -> Values:
    return _country(id, {"country": _first_address(document).get("countryOrRegion")})


def _everywhere(name: str) -> Mapping[Collection, Source]:
    return dict.fromkeys(Collection, _text(name))


def _people(name: str) -> Mapping[Collection, Source]:
    return dict.fromkeys((USERS, CONTACTS), _text(name))


_SID_SOURCE: Final = Source(("onPremisesSecurityIdentifier", "securityIdentifier"), _sid)
_LOGIN_SOURCE: Final = Source(("onPremisesSamAccountName", "mailNickname"), _login_name)
_CREATED_SOURCE: Final = Source(("createdDateTime",), _when_created)

# By attribute, as AD spells it, what it is made of in each collection that has it.
ATTRIBUTES: Final[Mapping[str, Mapping[Collection, Source]]] = {
    "displayName": _everywhere("displayName"),
    "mail": _everywhere("mail"),
    "mailNickname": _everywhere("mailNickname"),
    "proxyAddresses": _everywhere("proxyAddresses"),
    "givenName": _people("givenName"),
    "sn": _people("surname"),
    "title": _people("jobTitle"),
    "company": _people("companyName"),
    "department": _people("department"),
    "userPrincipalName": {USERS: _text("userPrincipalName")},
    "employeeID": {USERS: _text("employeeId")},
    "preferredLanguage": dict.fromkeys((USERS, GROUPS), _text("preferredLanguage")),
    "description": {GROUPS: _text("description")},
    "telephoneNumber": {
        USERS: Source(("businessPhones",), _first_phone),
        CONTACTS: _phone_of_type("business", 0, 1),
    },
    "otherTelephone": {
        USERS: Source(("businessPhones",), _other_phones),
        CONTACTS: _phone_of_type("business", 1, None),
    },
    "mobile": {USERS: _text("mobilePhone"), CONTACTS: _phone_of_type("mobile", 0, 1)},
    "facsimileTelephoneNumber": {USERS: _text("faxNumber"), CONTACTS: _phone_of_type("businessFax", 0, 1)},
    "physicalDeliveryOfficeName": {USERS: _text("officeLocation"), CONTACTS: _address("officeLocation")},
    "l": {USERS: _text("city"), CONTACTS: _address("city")},
    "st": {USERS: _text("state"), CONTACTS: _address("state")},
    "postalCode": {USERS: _text("postalCode"), CONTACTS: _address("postalCode")},
    "streetAddress": {USERS: _text("streetAddress"), CONTACTS: _address("street")},
    "co": {USERS: _text("country"), CONTACTS: _address("countryOrRegion")},
    "c": {USERS: Source(("country",), _country), CONTACTS: Source(("addresses",), _address_country)},
    "sAMAccountName": dict.fromkeys((USERS, GROUPS), _LOGIN_SOURCE),
    "objectSid": dict.fromkeys((USERS, GROUPS), _SID_SOURCE),
    "userAccountControl": {USERS: Source(("accountEnabled", "passwordPolicies"), _account_control)},
    "groupType": {GROUPS: Source(("securityEnabled",), _group_type)},
    "whenCreated": dict.fromkeys((USERS, GROUPS), _CREATED_SOURCE),
    "msExchHideFromAddressLists": {USERS: Source(("showInAddressList",), _hidden_from_lists)},
    **{name: dict.fromkeys((USERS, GROUPS), _extension_attribute(name)) for name in EXTENSION_ATTRIBUTES},
}

# Attributes that are made of links, when the copy is published.
MANAGER: Final = "manager"
MEMBER: Final = "member"
MEMBER_OF: Final = "memberOf"
WHEN_CHANGED: Final = "whenChanged"
# Every entry has these; nothing has to be asked for them but the name.
ALWAYS: Final = ("objectClass", "objectCategory", "cn", "name", "distinguishedName", "objectGUID")

_SPELLING: Final = {name.lower(): name for name in (*ATTRIBUTES, MANAGER, MEMBER, MEMBER_OF, WHEN_CHANGED, *ALWAYS)}


def served(attributes: frozenset[str]) -> frozenset[str]:
    """Those of the attributes that the copy can have, in AD's spelling."""
    return frozenset(_SPELLING[name] for each in attributes if (name := each.lower()) in _SPELLING)


def not_served(attributes: frozenset[str]) -> list[str]:
    """Those that no entry of the copy will ever have, in order."""
    return sorted(each for each in attributes if each.lower() not in _SPELLING)
