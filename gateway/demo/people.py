"""A made-up directory: the same people, groups and contacts every time.

Everything that must never leave the directory begins with one of LEAK_MARKERS, so that a search for these octets
in what a client received proves that nothing slipped through.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.ldap.dn import AVA, DN

LEAK_MARKERS: Final = (b"LEAK-", b"SECRET-")

DOMAIN: Final = "demo.example"
SUFFIX: Final = DN(((AVA("DC", "demo"),), (AVA("DC", "example"),)))

# userAccountControl: NORMAL_ACCOUNT, with ACCOUNTDISABLE, with DONT_EXPIRE_PASSWORD.
_NORMAL: Final = 0x200
_DISABLED: Final = _NORMAL | 0x2
_SERVICE: Final = _NORMAL | 0x10000

_STAFF: Final = 460
_HIDDEN: Final = 12
_GROUPS: Final = 24
_CONTACTS: Final = 30


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_NAMES: Final = _words("""
    Ada Björn Carmen Dmitri Elena François Grace Håkon Inès Jörg Katja Liam Małgorzata Nuria Oskar Priya Quentin
    Rosa Søren Tomás Ursula Viktor Wanda Xenia Yusuf Zoë
""")
SURNAMES: Final = _words("""
    Abbott Brøgger Castillo Dvořák Eklund Fischer García Horváth Ivanova Jansen Kowalski Lindqvist Müller Nakamura
    O'Neil Petrov Quist Rossi Strauß Tanaka Ulrich Vogel Weiß Ximénez Yılmaz Zając
""")
# Names of units that need escaping in a DN, or that are not ASCII.
_UNITS: Final = ("", "Sales, EMEA", "R+D", "#Ops", "Müller")


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """An entry of the demo's directory. attributes: by name, in AD's spelling."""

    dn: DN
    attributes: dict[str, tuple[bytes, ...]]

    def has_class(self, name: str) -> bool:
        return name.encode() in self.attributes["objectClass"]


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who can bind. The passwords are part of the made-up data."""

    dn: DN
    user_principal_name: str
    password: bytes = field(repr=False)


def below(parent: DN, kind: str, value: str) -> DN:
    return DN(((AVA(kind, value),), *parent.rdns))


STAFF: Final = below(SUFFIX, "OU", "Staff")
SECRET_PROJECTS: Final = below(STAFF, "OU", "Secret Projects")
GROUPS: Final = below(SUFFIX, "OU", "Groups")
CONTACTS: Final = below(SUFFIX, "OU", "Contacts")
SERVICE_ACCOUNTS: Final = below(SUFFIX, "OU", "Service Accounts")

SYNC_ACCOUNT: Final = SignIn(
    below(SERVICE_ACCOUNTS, "CN", "svc-mimecast"), f"svc-mimecast@{DOMAIN}", b"LEAK-sync-password"
)


def make_directory() -> list[DirectoryEntry]:
    """All entries, each parent before its children."""
    entries = [_domain()]
    entries.extend(_unit(dn) for dn in (STAFF, GROUPS, CONTACTS, SERVICE_ACCOUNTS, SECRET_PROJECTS))
    entries.extend(_unit(below(STAFF, "OU", name)) for name in _UNITS if name)
    staff = [_staff_dn(number) for number in range(_STAFF)]
    members = {dn: list(_members(number, staff)) for number, dn in enumerate(map(_group_dn, range(_GROUPS)))}
    member_of: dict[DN, list[DN]] = {}
    for group, people in members.items():
        for person in people:
            member_of.setdefault(person, []).append(group)
    entries.append(_service_account())
    for number, dn in enumerate(staff):
        login = f"{ascii_name(_given_name(number))}.{ascii_name(_surname(number))}"
        entries.append(_person(dn, number, login, member_of.get(dn, [])))
    for number in range(_HIDDEN):
        name = _hidden_name(number)
        entries.append(_person(below(SECRET_PROJECTS, "CN", name), _STAFF + number, name, []))
    entries.extend(_group(dn, number, members[dn]) for number, dn in enumerate(members))
    entries.extend(_contact(number) for number in range(_CONTACTS))
    return entries


def a_person(number: int = 0) -> SignIn:
    """A person of the staff who can sign in; number: below 460, not one of the disabled accounts."""
    login = f"{ascii_name(_given_name(number))}.{ascii_name(_surname(number))}"
    return SignIn(_staff_dn(number), f"{login}@{DOMAIN}", _password(number))


def a_hidden_person(number: int = 0) -> SignIn:
    """A person of the secret projects, who has a password in the directory as well; number: below 12."""
    name = _hidden_name(number)
    return SignIn(below(SECRET_PROJECTS, "CN", name), f"{name}@{DOMAIN}", _password(_STAFF + number))


def _hidden_name(number: int) -> str:
    return f"LEAK-hidden-{number}"


def _given_name(number: int) -> str:
    return GIVEN_NAMES[number % len(GIVEN_NAMES)]


def _surname(number: int) -> str:
    # Each turn through the given names shifts the surnames by one, so no combination comes twice.
    return SURNAMES[(number + number // len(GIVEN_NAMES)) % len(SURNAMES)]


def ascii_name(name: str) -> str:
    plain = name.lower().translate({ord("ø"): "o", ord("ł"): "l", ord("ß"): "ss", ord("ı"): "i", ord("'"): None})
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()


def _staff_dn(number: int) -> DN:
    unit = _UNITS[number % len(_UNITS)]
    parent = below(STAFF, "OU", unit) if unit else STAFF
    given, surname = _given_name(number), _surname(number)
    # Many directories put the surname first, with a comma that must be escaped.
    return below(parent, "CN", f"{surname}, {given}" if number % 3 == 0 else f"{given} {surname}")


def _group_dn(number: int) -> DN:
    unit = _UNITS[number % len(_UNITS)] or "All Hands"
    return below(GROUPS, "CN", f"{unit} {number // len(_UNITS) + 1}")


def _members(number: int, staff: list[DN]) -> Iterator[DN]:
    return (dn for index, dn in enumerate(staff) if index % (number + 2) == 1)


def _password(number: int) -> bytes:
    return f"LEAK-password-{number}".encode()


def _guid(dn: DN) -> bytes:
    return hashlib.sha256(str(dn).encode()).digest()[:16]


def _texts(*values: str) -> tuple[bytes, ...]:
    return tuple(value.encode() for value in values)


def _common(dn: DN, category: str, *classes: str) -> dict[str, tuple[bytes, ...]]:
    rdn = dn.rdns[0][0]
    return {
        "objectClass": _texts("top", *classes),
        "objectCategory": _texts(f"CN={category},CN=Schema,CN=Configuration,{SUFFIX}"),
        rdn.type.lower(): _texts(str(rdn.value)),
        "name": _texts(str(rdn.value)),
        "distinguishedName": _texts(str(dn)),
        "objectGUID": (_guid(dn),),
        "description": _texts(f"SECRET-note on {rdn.value}"),
    }


def _domain() -> DirectoryEntry:
    return DirectoryEntry(SUFFIX, _common(SUFFIX, "Domain-DNS", "domain", "domainDNS"))


def _unit(dn: DN) -> DirectoryEntry:
    return DirectoryEntry(dn, _common(dn, "Organizational-Unit", "organizationalUnit"))


def _account(sign_in: SignIn, login: str, control: int) -> dict[str, tuple[bytes, ...]]:
    return {
        **_common(sign_in.dn, "Person", "person", "organizationalPerson", "user"),
        "sAMAccountName": _texts(login),
        "userPrincipalName": _texts(sign_in.user_principal_name),
        "userAccountControl": _texts(str(control)),
        "userPassword": (sign_in.password,),
    }


def _service_account() -> DirectoryEntry:
    return DirectoryEntry(SYNC_ACCOUNT.dn, _account(SYNC_ACCOUNT, "svc-mimecast", _SERVICE))


def _person(dn: DN, number: int, login: str, groups: list[DN]) -> DirectoryEntry:
    given, surname = _given_name(number), _surname(number)
    mail = f"{login}@{DOMAIN}"
    attributes = {
        **_account(SignIn(dn, mail, _password(number)), login, _DISABLED if number % 17 == 16 else _NORMAL),
        "givenName": _texts(given),
        "sn": _texts(surname),
        "displayName": _texts(f"{given} {surname}"),
        "mail": _texts(mail),
        "proxyAddresses": _texts(f"SMTP:{mail}", f"smtp:{login}@old.{DOMAIN}"),
        "employeeID": _texts(f"LEAK-{100_000 + number}"),
        "pager": _texts(f"LEAK-pager-{number}"),
    }
    if groups:
        attributes["memberOf"] = _texts(*map(str, groups))
    return DirectoryEntry(dn, attributes)


def _group(dn: DN, number: int, members: list[DN]) -> DirectoryEntry:
    mail = f"group-{number + 1}@{DOMAIN}"
    return DirectoryEntry(
        dn,
        {
            **_common(dn, "Group", "group"),
            "displayName": _texts(str(dn.rdns[0][0].value)),
            "sAMAccountName": _texts(f"group-{number + 1}"),
            "mail": _texts(mail),
            "proxyAddresses": _texts(f"SMTP:{mail}"),
            "member": _texts(*map(str, members)),
        },
    )


def _contact(number: int) -> DirectoryEntry:
    given, surname = _given_name(7 * number + 3), _surname(11 * number + 5)
    dn = below(CONTACTS, "CN", f"{given} {surname} (partner {number + 1})")
    mail = f"{ascii_name(given)}.{ascii_name(surname)}@partner{number % 4 + 1}.example"
    return DirectoryEntry(
        dn,
        {
            **_common(dn, "Person", "person", "organizationalPerson", "contact"),
            "givenName": _texts(given),
            "sn": _texts(surname),
            "displayName": _texts(f"{given} {surname}"),
            "mail": _texts(mail),
            "proxyAddresses": _texts(f"SMTP:{mail}"),
            "pager": _texts(f"LEAK-pager-contact-{number}"),
        },
    )
