"""The entries that the responder makes up: the root DSE (RFC 4512 5.1, MS-ADTS 3.1.1.3.2) and the subschema (RFC 4512
4.2, MS-ADTS 3.1.1.3.1.1.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.entra.packed import Packed, pack
from gateway.entra.schema import CLASSES, TYPES, AttributeType, ObjectClass, Syntax, served_type
from gateway.ldap.controls import DOMAIN_SCOPE, MANAGE_DSA_IT, PAGED_RESULTS
from gateway.ldap.dn import DN, parse

# LDAP_CAP_ACTIVE_DIRECTORY_OID, MS-ADTS 3.1.1.3.4.3.1: filters mean here what they mean there.
_ACTIVE_DIRECTORY: Final = "1.2.840.113556.1.4.800"
_VENDOR: Final = "LDAP gateway, copy of an Entra ID tenant"

# What the responder knows of the controls of a search. The two without an effect here ask that references and
# continuations not be followed, of which a copy has none.
CONTROLS: Final = (PAGED_RESULTS, DOMAIN_SCOPE, MANAGE_DSA_IT)

# Per syntax its OID and name (RFC 4517 3.3), and the names of its rules for equality, ordering and substrings.
_SYNTAXES: Final = {
    Syntax.text: ("15", "Directory String", "caseIgnoreMatch", "caseIgnoreOrderingMatch", "caseIgnoreSubstringsMatch"),
    Syntax.integer: ("27", "INTEGER", "integerMatch", "integerOrderingMatch", ""),
    Syntax.boolean: ("7", "Boolean", "booleanMatch", "", ""),
    Syntax.dn: ("12", "DN", "distinguishedNameMatch", "", ""),
    Syntax.octets: ("40", "Octet String", "octetStringMatch", "", ""),
    Syntax.guid: ("40", "Octet String", "octetStringMatch", "", ""),
    Syntax.sid: ("40", "Octet String", "octetStringMatch", "", ""),
    Syntax.oid: ("38", "OID", "objectIdentifierMatch", "", ""),
    Syntax.time: ("24", "Generalized Time", "generalizedTimeMatch", "generalizedTimeOrderingMatch", ""),
}
_SYNTAX_PREFIX: Final = "1.3.6.1.4.1.1466.115.121.1."
# RFC 4517 4.2, with the syntax of what is asserted (58 is Substring Assertion).
_RULES: Final = {
    "objectIdentifierMatch": ("2.5.13.0", "38"),
    "distinguishedNameMatch": ("2.5.13.1", "12"),
    "caseIgnoreMatch": ("2.5.13.2", "15"),
    "caseIgnoreOrderingMatch": ("2.5.13.3", "15"),
    "caseIgnoreSubstringsMatch": ("2.5.13.4", "58"),
    "booleanMatch": ("2.5.13.13", "7"),
    "integerMatch": ("2.5.13.14", "27"),
    "integerOrderingMatch": ("2.5.13.15", "27"),
    "octetStringMatch": ("2.5.13.17", "40"),
    "generalizedTimeMatch": ("2.5.13.27", "24"),
    "generalizedTimeOrderingMatch": ("2.5.13.28", "24"),
}


def subschema_dn(base: DN) -> DN:
    """The name of the subschema of a copy with this base."""
    return DN(parse("CN=Aggregate,CN=Schema,CN=Configuration").rdns + base.rdns)


def root_dse(base: DN, now: float) -> Packed:
    """now: Unix seconds."""
    return _packed(
        {
            "objectClass": ["top"],
            "namingContexts": [str(base)],
            "defaultNamingContext": [str(base)],
            "subschemaSubentry": [str(subschema_dn(base))],
            "supportedLDAPVersion": ["3"],
            "supportedControl": list(CONTROLS),
            "supportedCapabilities": [_ACTIVE_DIRECTORY],
            "vendorName": [_VENDOR],
            "currentTime": [datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H%M%S.0Z")],
        }
    )


def subschema(base: DN) -> Packed:
    dn = subschema_dn(base)
    syntaxes = dict.fromkeys((number, name) for number, name, *_ in _SYNTAXES.values())
    return _packed(
        {
            "objectClass": ["top", "subSchema"],
            "cn": ["Aggregate"],
            "distinguishedName": [str(dn)],
            "attributeTypes": [_type_description(type) for type in TYPES if type.oid],
            "objectClasses": [_class_description(each) for each in CLASSES],
            "ldapSyntaxes": [f"( {_SYNTAX_PREFIX}{number} DESC '{name}' )" for number, name in syntaxes],
            "matchingRules": [
                f"( {oid} NAME '{name}' SYNTAX {_SYNTAX_PREFIX}{number} )" for name, (oid, number) in _RULES.items()
            ],
        }
    )


def _type_description(type: AttributeType) -> str:
    """RFC 4512 4.1.2."""
    number, _, equality, ordering, substrings = _SYNTAXES[type.syntax]
    rules = f" EQUALITY {equality}"
    rules += f" ORDERING {ordering}" * bool(ordering) + f" SUBSTR {substrings}" * bool(substrings)
    single = "" if type.multiple else " SINGLE-VALUE"
    use = " USAGE directoryOperation" if type.operational else ""
    return f"( {type.oid} NAME '{type.name}'{rules} SYNTAX {_SYNTAX_PREFIX}{number}{single} NO-USER-MODIFICATION{use} )"


def _class_description(each: ObjectClass) -> str:
    """RFC 4512 4.1.1."""
    above = f" SUP {each.above}" if each.above else ""
    return f"( {each.oid} NAME '{each.name}'{above} {each.kind} )"


def _packed(attributes: Mapping[str, Sequence[str]]) -> Packed:
    return Packed(pack([(served_type(name), [v.encode() for v in values]) for name, values in attributes.items()]))
