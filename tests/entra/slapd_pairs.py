"""The same entries in slapd and in a copy, and filters about which both have to say the same.

The filters keep to where OpenLDAP and Active Directory agree; docs/decisions says where they do not.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from gateway.entra.published import PublishedEntry
from gateway.entra.schema import find_type
from gateway.ldap.filters import (
    And,
    EqualityMatch,
    ExtensibleMatch,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from tests.entra.copies import BASE, CONTACTS, GROUPS, USERS, entry, id_of

_TEXT = "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch ORDERING caseIgnoreOrderingMatch"
_TEXT_SYNTAX = "1.3.6.1.4.1.1466.115.121.1.15"
# Beside those of core, cosine, inetorgperson and active_directory.schema, with the rules that Active Directory has.
SCHEMA = "\n".join(
    f"attributetype ( {oid} NAME '{name}' {rules} SYNTAX {syntax} )"
    for oid, name, rules, syntax in [
        ("1.2.840.113556.1.2.141", "department", _TEXT, _TEXT_SYNTAX),
        ("1.2.840.113556.1.2.146", "company", _TEXT, _TEXT_SYNTAX),
        ("1.2.840.113556.1.2.2", "whenCreated", "EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch",
         "1.3.6.1.4.1.1466.115.121.1.24"),
        ("1.2.840.113556.1.2.73", "msExchHideFromAddressLists", "EQUALITY booleanMatch",
         "1.3.6.1.4.1.1466.115.121.1.7"),
    ]
)  # fmt: skip

_NAMES = ("Ann", "ann", "Bob", "Jürg", "Anna  Bell", "B\\, x", "x", "a*b", "(c)", "日本", "Žok Q")
_WORDS = (
    "Sales",
    "sales emea",
    "Sales  EMEA",
    "R+D",
    "Q",
    "Zürich",
    "zürich",
    "Zu\u0308rich",
    "A/B",
    "\\",
    "*",
    "日本",
    "12",
    "9",
)
_MAILS = ("ann@corp.example", "Bob@Corp.Example", "x+y@corp.example", "smtp:ann@corp.example", "SMTP:Bob@corp.example")
_NUMBERS = ("0", "2", "512", "514", "66048", "2147483647", "-2147483640", "-1")
_TIMES = ("20260101000000Z", "20261130102030Z", "20261130102030.5Z", "20270101000000Z")
_BOOLEANS = ("TRUE", "FALSE")
_CLASSES = ("top", "person", "organizationalPerson", "user", "group", "contact", "organizationalUnit", "domain")
_OCTETS = (b"\x00\x01\x02\x03" * 4, b"\xff" * 16, b"(*)\\" * 4)

_TEXTS = {"cn": _NAMES, "sn": _NAMES, "displayName": _WORDS, "department": _WORDS, "company": _WORDS,
          "mail": _MAILS, "proxyAddresses": _MAILS}  # fmt: skip
_LINKS = ("member", "memberOf", "manager")
_ORDERED = {"department": _WORDS, "company": _WORDS, "userAccountControl": _NUMBERS, "whenCreated": _TIMES}
_WHOLE = {**_TEXTS, "userAccountControl": _NUMBERS, "groupType": _NUMBERS, "whenCreated": _TIMES,
          "msExchHideFromAddressLists": _BOOLEANS, "objectClass": _CLASSES}  # fmt: skip
_BITS = ("1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804")
_NOT_KNOWN = ("noSuchType", "noSuchType;lang-de")
# Texts that are values of no other syntax than text; the empty one is none of that.
_NONSENSE = ("", "nonsense", "5x", "=", "CN", "true")


def made_entries(chance: random.Random) -> list[PublishedEntry]:
    """The containers and some forty entries below them."""
    found = [entry(BASE, objectClass=["top", "domain"], dc=["corp"])]
    for unit in (USERS, GROUPS, CONTACTS):
        found.append(entry(unit, objectClass=["top", "organizationalUnit"], ou=[unit.split(",")[0][3:]]))
    names = [f"CN={kind}{number},{unit}" for kind, unit in _KINDS for number in range(14)]
    for dn in names:
        found.append(_made_entry(chance, dn, names))
    return found


_KINDS = (("person ", USERS), ("group ", GROUPS), ("contact ", CONTACTS))


def _made_entry(chance: random.Random, dn: str, names: list[str]) -> PublishedEntry:
    name = dn.split(",")[0][3:]
    kind = "user" if name.startswith("person") else name.split()[0]
    above = [] if kind == "group" else ["person", "organizationalPerson"]
    attributes: dict[str, list[str | bytes]] = {"objectClass": ["top", *above, kind], "cn": [name]}
    for attribute in ("sn", "displayName", "department", "company", "mail", "proxyAddresses"):
        if chance.random() < 0.6:
            count = chance.randint(1, 3) if attribute == "proxyAddresses" else 1
            attributes[attribute] = list(_distinct(chance.sample(_TEXTS[attribute], count)))
    if chance.random() < 0.4:
        attributes["cn"].append(chance.choice(_NAMES))
    for attribute, values in (("whenCreated", _TIMES), ("msExchHideFromAddressLists", _BOOLEANS)):
        if chance.random() < 0.6:
            attributes[attribute] = [chance.choice(values)]
    attributes["groupType" if kind == "group" else "userAccountControl"] = [chance.choice(_NUMBERS)]
    for attribute in ("member", "memberOf"):
        if chance.random() < 0.5:
            attributes[attribute] = list(chance.sample(names, chance.randint(1, 3)))
    if chance.random() < 0.4:
        attributes["manager"] = [chance.choice(names)]
    made = entry(dn, **attributes)
    guid = chance.choice(_OCTETS) if chance.random() < 0.3 else id_of(dn).bytes_le
    return made._replace(attributes={**made.attributes, "objectGUID": [guid]})


def _distinct(values: list[str]) -> list[str]:
    """slapd refuses two values that are the same."""
    return list({value.lower(): value for value in values}.values())


def made_filters(chance: random.Random, names: list[str]) -> Iterator[Filter]:
    """Without end. names: DNs of the entries."""
    while True:
        yield _filter(chance, names, chance.choice((1, 1, 2, 3, 4)))


def _filter(chance: random.Random, names: list[str], depth: int) -> Filter:
    kind = chance.random()
    if depth > 1 and kind < 0.75:
        parts = tuple(_filter(chance, names, depth - 1) for _ in range(chance.randint(0, 3)))
        if kind < 0.25:
            return Not(_filter(chance, names, depth - 1))
        return And(parts) if kind < 0.5 else Or(parts)
    return _leaf(chance, names)


def _leaf(chance: random.Random, names: list[str]) -> Filter:
    kind = chance.randint(0, 8)
    if kind <= 2:
        attribute = chance.choice((*_WHOLE, *_LINKS, "objectGUID"))
        return EqualityMatch(_spelling(chance, attribute), _asserted(chance, attribute, names))
    if kind == 3:
        return _substrings(chance)
    if kind == 4:
        return Present(_spelling(chance, chance.choice((*_WHOLE, *_LINKS, "objectGUID", "pager"))))
    if kind == 5:
        attribute = chance.choice((*_ORDERED, "manager", "msExchHideFromAddressLists"))
        value = _asserted(chance, attribute, names)
        return chance.choice((GreaterOrEqual, LessOrEqual))(_spelling(chance, attribute), value)
    if kind == 6:
        attribute = chance.choice(("userAccountControl", "groupType"))
        value = chance.choice((*_NUMBERS[:6], "1", "65536", "2147483648", *_NONSENSE)).encode()
        return ExtensibleMatch(chance.choice(_BITS), attribute, value)
    if kind == 7:
        attribute = chance.choice((*_WHOLE, *_LINKS))
        return ExtensibleMatch(None, attribute, _asserted(chance, attribute, names))
    unknown = chance.choice(_NOT_KNOWN)
    return chance.choice((Present(unknown), EqualityMatch(unknown, b"x"), Substrings(unknown, b"x", (), None)))


def _asserted(chance: random.Random, attribute: str, names: list[str]) -> bytes:
    if chance.random() < 0.1 and attribute not in ("objectGUID", "objectClass"):
        # slapd's mail is an IA5 String, which may be empty.
        return chance.choice(_NONSENSE[attribute == "mail" :]).encode()
    if attribute == "objectGUID":
        return chance.choice((*_OCTETS, b"\x01", id_of(chance.choice(names)).bytes_le))
    if attribute in _LINKS:
        dn = chance.choice((*names, f"CN=nobody,{USERS}"))
        return chance.choice((dn, dn.lower(), dn.replace(",", " , "), dn.replace("CN=", "commonName="))).encode()
    value = chance.choice(_WHOLE[attribute])
    # slapd's mail has ASCII alone, and blanks count in it.
    if attribute in _TEXTS and attribute != "mail":
        value = chance.choice((value, value.lower(), value.upper(), f" {value} "))
    return value.encode()


def _substrings(chance: random.Random) -> Filter:
    attribute = chance.choice((*_TEXTS, "userAccountControl", "manager", "objectClass", "whenCreated"))
    value = chance.choice(_TEXTS.get(attribute, ("abc", "512")))
    # Of a letter and its mark slapd finds the letter alone too, where they are two characters.
    value = unicodedata.normalize("NFC", value)
    at = sorted(chance.choices(range(len(value) + 1), k=4))
    initial, middle, final = value[: at[0]], value[at[1] : at[2]], value[at[3] :]
    chosen = [part.encode() for part in (initial, middle, final)]
    if chance.random() < 0.2:
        chosen[1] = b"zz"
    keep = [part if chance.random() < 0.8 else b"" for part in chosen]
    if not any(keep):
        return Present(attribute)
    return Substrings(_spelling(chance, attribute), keep[0] or None, (keep[1],) if keep[1] else (), keep[2] or None)


def _spelling(chance: random.Random, attribute: str) -> str:
    """Another name of the same type, from time to time."""
    if chance.random() < 0.8:
        return attribute
    type = find_type(attribute)
    # inetorgperson.schema gives displayName the OID of RFC 2798.
    if type is None or not type.oid or attribute == "displayName":
        return attribute.upper()
    return chance.choice((attribute.lower(), type.oid))


def write_schema(directory: Path) -> Path:
    path = directory / "more.schema"
    path.write_text(SCHEMA + "\n")
    return path
