"""The made-up directory: users, groups and contacts of DC=corp,DC=example, the same every time.

Values that must never pass the gateway begin with LEAK-.
"""

import hashlib
from dataclasses import dataclass, field

from tests.servers.windows.names import escape

SUFFIX = "DC=corp,DC=example"
DOMAIN, NETBIOS_DOMAIN = "corp.example", "CORP"
STAFF, GROUPS, CONTACTS, ACCOUNTS = (
    f"OU={name},{SUFFIX}" for name in ("Staff", "Groups", "Contacts", "Service Accounts")
)

SYNC_DN = f"CN=svc-mimecast,{ACCOUNTS}"
SYNC_NAME = f"svc-mimecast@{DOMAIN}"
SYNC_PASSWORD = "Sync-Passw0rd"
# Every user's.
USER_PASSWORD = "User-Passw0rd"

# What a sync would be allowed to read, and what not.
LISTED = (
    *("objectClass", "objectGUID", "cn", "displayName", "givenName", "sn", "mail", "proxyAddresses"),
    *("sAMAccountName", "userAccountControl", "member", "memberOf"),
)

# Users stand in these units below OU=Staff in turn, the first being OU=Staff itself.
UNITS = ("", "Sales, EMEA", "R+D", "#Ops", "Müller")

_ENABLED, _DISABLED = 0x200, 0x202
_GIVEN_NAMES = ("Ada", "Björn", "Carmen", "Dmitri", "Elena", "François", "Grace", "Håkon", "Inès", "Jörg", "Zoë")
_SURNAMES = ("Abbott", "Brøgger", "Castillo", "Dvořák", "Eklund", "Fischer", "García", "O'Neil", "Müller", "Weiß")


@dataclass
class Entry:
    """attributes: by name as the schema spells it; values are octets."""

    dn: str
    attributes: dict[str, list[bytes]]
    password: str | None = field(default=None, repr=False)


def make_directory(users: int = 500, groups: int = 20, large_group: int = 3000, contacts: int = 20) -> list[Entry]:
    """Parents before their children. `CN=GG-Large` holds the first large_group users, or all if there are fewer."""
    entries = [_domain()]
    entries += [_unit(dn) for dn in (STAFF, GROUPS, CONTACTS, ACCOUNTS)]
    entries += [_unit(_unit_dn(name)) for name in UNITS[1:]]
    entries.append(_person(SYNC_DN, "svc-mimecast", 0, "Service", "Mimecast", SYNC_PASSWORD))
    people = [_user(number) for number in range(1, users + 1)]
    members = {f"CN=GG-Large,{GROUPS}": [person.dn for person in people[:large_group]]}
    for number in range(1, groups):
        dn = f"CN=GG-{number:04},{GROUPS}"
        members[dn] = [person.dn for person in people[number :: groups * 2]]
    by_dn = {person.dn: person for person in people}
    for group, dns in members.items():
        for dn in dns:
            by_dn[dn].attributes.setdefault("memberOf", []).append(group.encode())
    entries += people
    entries += [_group(dn, number, dns) for number, (dn, dns) in enumerate(members.items())]
    entries += [_contact(number) for number in range(1, contacts + 1)]
    return entries


def sid(number: int) -> bytes:
    """S-1-5-21-1-2-3-(1000+number)."""
    parts = (21, 1, 2, 3, 1000 + number)
    return b"\x01\x05" + (5).to_bytes(6, "big") + b"".join(part.to_bytes(4, "little") for part in parts)


def _unit_dn(name: str) -> str:
    return f"OU={escape(name)},{STAFF}" if name else STAFF


def _common(dn: str, name: str, category: str, *classes: str) -> dict[str, list[bytes]]:
    return _values(
        {
            "objectClass": ["top", *classes],
            "cn" if dn.startswith("CN=") else "ou": name,
            "distinguishedName": dn,
            "name": name,
            "objectGUID": hashlib.blake2b(dn.encode(), digest_size=16).digest(),
            "objectCategory": f"CN={category},CN=Schema,CN=Configuration,{SUFFIX}",
            "whenCreated": "20240102030405.0Z",
            "whenChanged": "20250102030405.0Z",
            "uSNChanged": "12345",
            "instanceType": "4",
        }
    )


def _values(attributes: dict[str, str | bytes | list[str]]) -> dict[str, list[bytes]]:
    found = {}
    for name, values in attributes.items():
        listed = values if isinstance(values, list) else [values]
        found[name] = [value if isinstance(value, bytes) else value.encode() for value in listed]
    return found


def _domain() -> Entry:
    attributes = _common(SUFFIX, "corp", "Domain-DNS", "domain", "domainDNS")
    return Entry(SUFFIX, {**attributes, "dc": [b"corp"]})


def _unit(dn: str) -> Entry:
    name = dn.removesuffix(f",{STAFF}").removesuffix(f",{SUFFIX}")[3:].replace("\\", "")
    return Entry(dn, _common(dn, name, "Organizational-Unit", "organizationalUnit"))


def _user(number: int) -> Entry:
    given, surname = _GIVEN_NAMES[number % len(_GIVEN_NAMES)], _SURNAMES[number % len(_SURNAMES)]
    dn = f"CN={given} {surname} {number},{_unit_dn(UNITS[number % len(UNITS)])}"
    return _person(dn, f"u{number:05}", number, given, surname, USER_PASSWORD)


def _person(dn: str, account: str, number: int, given: str, surname: str, password: str) -> Entry:
    mail = f"{account}@{DOMAIN}"
    attributes = _common(dn, dn[3:].split(",")[0], "Person", "person", "organizationalPerson", "user") | _values(
        {
            "givenName": given,
            "sn": surname,
            "displayName": f"{surname}, {given}",
            "sAMAccountName": account,
            "userPrincipalName": mail,
            "sAMAccountType": "805306368",
            "userAccountControl": str(_DISABLED if number % 10 == 9 else _ENABLED),
            "objectSid": sid(number),
            "mail": mail,
            "proxyAddresses": [f"SMTP:{mail}", f"smtp:{account}@old.{DOMAIN}"],
            "department": f"Department {number % 17}",
            "telephoneNumber": f"+1 555 {number:07}",
            "employeeID": f"LEAK-{100_000 + number}",
            "pager": f"LEAK-pager-{number}",
            "homeMDB": f"CN=LEAK-MDB{number % 4},CN=Databases,CN=Configuration,{SUFFIX}",
            "description": f"LEAK-description-{number} " + "x" * 120,
        }
    )
    return Entry(dn, attributes, password)


def _group(dn: str, number: int, members: list[str]) -> Entry:
    name = dn[3:].split(",")[0]
    mail = f"{name.lower()}@{DOMAIN}"
    attributes = _common(dn, name, "Group", "group") | _values(
        {
            "displayName": name,
            "sAMAccountName": name,
            "sAMAccountType": "268435456",
            "groupType": "-2147483646",
            "objectSid": sid(500_000 + number),
            "mail": mail,
            "proxyAddresses": f"SMTP:{mail}",
            "info": f"LEAK-info-{number}",
        }
    )
    if members:
        attributes["member"] = [member.encode() for member in members]
    return Entry(dn, attributes)


def _contact(number: int) -> Entry:
    dn = f"CN=Partner {number},{CONTACTS}"
    mail = f"partner{number}@partner.example"
    attributes = _common(dn, f"Partner {number}", "Person", "person", "organizationalPerson", "contact")
    return Entry(
        dn,
        attributes
        | _values(
            {
                "displayName": f"Partner {number}",
                "mail": mail,
                "proxyAddresses": f"SMTP:{mail}",
                "pager": f"LEAK-pager-contact-{number}",
            }
        ),
    )
