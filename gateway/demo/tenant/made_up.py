"""A made-up tenant: the same people, groups and contacts each time, as many as are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final
from uuid import UUID

from gateway.demo.people import GIVEN_NAMES, SURNAMES, ascii_name
from gateway.demo.tenant.model import Kind, Tenant

DOMAIN: Final = "demo.example"
_CREATED: Final = "2021-03-04T05:06:07Z"
_DEPARTMENTS: Final = ("Sales", "R+D", "Müller & Söhne", "Ops, EMEA")
_CITIES: Final = (("Zürich", "ZH", "8001", "Switzerland"), ("Wien", "W", "1010", "AT"), ("Lyon", "ARA", "69001", "FR"))


@dataclass(frozen=True, slots=True)
class Size:
    """How large a tenant is. memberships: of all groups together. guests: of the people."""

    people: int = 60
    groups: int = 12
    contacts: int = 8
    memberships: int = 200
    guests: int = 5


def make_tenant(size: Size = Size(), seed: int = 1) -> Tenant:
    random = Random(seed)
    tenant = Tenant()
    people = [_add(tenant, random, Kind.users, _person(number, number < size.guests)) for number in range(size.people)]
    groups = [_add(tenant, random, Kind.groups, _group(number)) for number in range(size.groups)]
    for number in range(size.contacts):
        _add(tenant, random, Kind.contacts, _contact(number))
    for number, person in enumerate(people[1:], 1):
        tenant.link(person, people[number // 8])
    for number in range(size.memberships if people and groups else 0):
        tenant.link(groups[number % len(groups)], random.choice(people))
    for number in range(1, len(groups), 5):
        tenant.link(groups[number - 1], groups[number])
    return tenant


def _add(tenant: Tenant, random: Random, kind: Kind, properties: dict[str, Any]) -> str:
    id = str(UUID(int=random.getrandbits(128), version=4))
    tenant.add(kind, id, properties)
    return id


def _person(number: int, guest: bool) -> dict[str, Any]:
    given = GIVEN_NAMES[number % len(GIVEN_NAMES)]
    surname = SURNAMES[(number + number // len(GIVEN_NAMES)) % len(SURNAMES)]
    login = f"{ascii_name(given)}.{ascii_name(surname)}{number}"
    mail = f"{login}@{'partner.example' if guest else DOMAIN}"
    city, state, code, country = _CITIES[number % len(_CITIES)]
    made: dict[str, Any] = {
        "displayName": f"{given} {surname}",
        "givenName": given,
        "surname": surname,
        "userPrincipalName": f"{login}_partner.example#EXT#@{DOMAIN}" if guest else mail,
        "mail": mail,
        "mailNickname": login,
        "proxyAddresses": [f"SMTP:{mail}", f"smtp:{login}@old.{DOMAIN}"],
        "accountEnabled": number % 17 != 16,
        "userType": "Guest" if guest else "Member",
        "createdDateTime": _CREATED,
        "securityIdentifier": f"S-1-12-1-{number}-1-2-3",
        "businessPhones": [f"+41 44 555 {number:04d}"],
        "employeeId": f"LEAK-{100_000 + number}",
    }
    if number % 2:
        made |= {
            "jobTitle": "Engineer",
            "department": _DEPARTMENTS[number % len(_DEPARTMENTS)],
            "companyName": "Demo AG",
            "officeLocation": f"B{number % 40}",
            "city": city,
            "state": state,
            "postalCode": code,
            "country": country,
            "mobilePhone": None,
            "onPremisesExtensionAttributes": {"extensionAttribute1": f"cost centre {number % 9}"},
        }
    if number % 3 == 0:
        made |= {
            "onPremisesSamAccountName": login[:20],
            "onPremisesSecurityIdentifier": f"S-1-5-21-1004336348-1177238915-682003330-{1000 + number}",
            "passwordPolicies": "DisablePasswordExpiration",
            "preferredLanguage": "de-CH",
            "showInAddressList": number % 9 != 0,
        }
    return made


def _group(number: int) -> dict[str, Any]:
    mail = f"group-{number}@{DOMAIN}"
    has_mail = number % 4 != 3
    made: dict[str, Any] = {
        "displayName": f"Group {number}",
        "description": f"SECRET-note {number}",
        "mailNickname": f"group-{number}",
        "mailEnabled": has_mail,
        "securityEnabled": number % 2 == 1,
        "createdDateTime": _CREATED,
        "securityIdentifier": f"S-1-12-1-{number}-4-5-6",
    }
    if has_mail:
        made |= {"mail": mail, "proxyAddresses": [f"SMTP:{mail}"]}
    return made


def _contact(number: int) -> dict[str, Any]:
    given, surname = GIVEN_NAMES[(7 * number + 3) % len(GIVEN_NAMES)], SURNAMES[(11 * number + 5) % len(SURNAMES)]
    mail = f"{ascii_name(given)}.{ascii_name(surname)}@partner{number % 4}.example"
    return {
        "displayName": f"{given} {surname} (partner {number})",
        "givenName": given,
        "surname": surname,
        "mail": mail,
        "mailNickname": ascii_name(f"{given}{surname}"),
        "proxyAddresses": [f"SMTP:{mail}"],
        "companyName": "Partner Ltd",
        "phones": [{"type": "business", "number": "+44 20 5550 100"}, {"type": "mobile", "number": None}],
        "addresses": [
            {
                "city": "London",
                "countryOrRegion": "GB",
                "officeLocation": None,
                "postalCode": "N1",
                "state": None,
                "street": "1 High Street",
            }
        ],
    }
