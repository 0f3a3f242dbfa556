"""The attribute types and object classes of the copy, in the spelling, with the OIDs and with the syntaxes that Active
Directory gives them (MS-ADA1 to MS-ADA3, RFC 4519).

A filter on a type that is not known here is Undefined (RFC 4511 4.5.1.7), and so is its negation: a sync that leaves
out some people by `(!(msExchHideFromAddressLists=TRUE))` would find nobody at all. So the table also has the types that
filters for Active Directory and Exchange name, although no entry of a copy has them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from gateway.ldap.attribute_types import canonical_type


class Syntax(StrEnum):
    """How values of an attribute are compared. The member's value is the syntax's letter in the tables below.

    text: without regard to case. oid: of an object class, by its name. guid, sid: octets that a filter may also give as
    text. time: GeneralizedTime.
    """

    text = "t"
    integer = "i"
    boolean = "b"
    dn = "d"
    octets = "o"
    guid = "g"
    sid = "s"
    oid = "c"
    time = "z"


class AttributeType(NamedTuple):
    """An attribute type of the copy.

    number: its place in the table, by which the store knows it. oid: "" where no entry can have the type. multiple:
    whether it may have several values. indexed: whether equal values and beginnings are found without a look at every
    entry. operational: given only where asked for by name or by `+` (RFC 4512 3.4).
    """

    number: int
    name: str
    oid: str
    syntax: Syntax
    multiple: bool
    indexed: bool
    operational: bool


# Name, OID, syntax; then m for several values, x for an index, + for an operational attribute.
_SERVED: Final = """
objectClass 2.5.4.0 cmx
objectCategory 1.2.840.113556.1.4.782 dx
objectGUID 1.2.840.113556.1.4.2 gx
objectSid 1.2.840.113556.1.4.146 sx
distinguishedName 2.5.4.49 dx
cn 2.5.4.3 tmx
name 1.2.840.113556.1.4.1 t
ou 2.5.4.11 tmx
dc 0.9.2342.19200300.100.1.25 tmx
displayName 1.2.840.113556.1.2.13 tx
givenName 2.5.4.42 t
sn 2.5.4.4 tx
mail 0.9.2342.19200300.100.1.3 tx
proxyAddresses 1.2.840.113556.1.2.210 tmx
mailNickname 1.2.840.113556.1.2.447 tx
userPrincipalName 1.2.840.113556.1.4.656 tx
sAMAccountName 1.2.840.113556.1.4.221 tx
sAMAccountType 1.2.840.113556.1.4.302 i
userAccountControl 1.2.840.113556.1.4.8 i
groupType 1.2.840.113556.1.4.750 i
member 2.5.4.31 dmx
memberOf 1.2.840.113556.1.2.102 dmx
manager 0.9.2342.19200300.100.1.10 dx
employeeID 1.2.840.113556.1.4.35 tx
title 2.5.4.12 t
department 1.2.840.113556.1.2.141 t
company 1.2.840.113556.1.2.146 t
description 2.5.4.13 tm
telephoneNumber 2.5.4.20 t
otherTelephone 1.2.840.113556.1.2.18 tm
mobile 0.9.2342.19200300.100.1.41 t
facsimileTelephoneNumber 2.5.4.23 t
physicalDeliveryOfficeName 2.5.4.19 t
streetAddress 1.2.840.113556.1.2.256 t
l 2.5.4.7 t
st 2.5.4.8 t
postalCode 2.5.4.17 t
co 1.2.840.113556.1.2.131 t
c 2.5.4.6 t
preferredLanguage 2.16.840.1.113730.3.1.39 t
extensionAttribute1 1.2.840.113556.1.2.423 t
extensionAttribute2 1.2.840.113556.1.2.424 t
extensionAttribute3 1.2.840.113556.1.2.425 t
extensionAttribute4 1.2.840.113556.1.2.426 t
extensionAttribute5 1.2.840.113556.1.2.427 t
extensionAttribute6 1.2.840.113556.1.2.428 t
extensionAttribute7 1.2.840.113556.1.2.429 t
extensionAttribute8 1.2.840.113556.1.2.430 t
extensionAttribute9 1.2.840.113556.1.2.431 t
extensionAttribute10 1.2.840.113556.1.2.432 t
extensionAttribute11 1.2.840.113556.1.2.599 t
extensionAttribute12 1.2.840.113556.1.2.600 t
extensionAttribute13 1.2.840.113556.1.2.601 t
extensionAttribute14 1.2.840.113556.1.2.602 t
extensionAttribute15 1.2.840.113556.1.2.603 t
msExchHideFromAddressLists 1.2.840.113556.1.2.73 b
whenCreated 1.2.840.113556.1.2.2 z
whenChanged 1.2.840.113556.1.2.3 z
subschemaSubentry 2.5.18.10 d+
namingContexts 1.3.6.1.4.1.1466.101.120.5 dm+
defaultNamingContext 1.2.840.113556.1.4.484 d+
supportedLDAPVersion 1.3.6.1.4.1.1466.101.120.15 im+
supportedControl 1.3.6.1.4.1.1466.101.120.13 tm+
supportedCapabilities 1.2.840.113556.1.4.1458 tm+
vendorName 1.3.6.1.1.4 t+
currentTime 1.2.840.113556.1.4.1459 z+
attributeTypes 2.5.21.5 tm+
objectClasses 2.5.21.6 tm+
ldapSyntaxes 1.3.6.1.4.1.1466.101.120.16 tm+
matchingRules 2.5.21.4 tm+
"""

# Types that no entry of a copy has, by their syntax.
_ABSENT: Final = {
    Syntax.text: """
        adminDescription adminDisplayName comment departmentNumber destinationIndicator division
        employeeNumber employeeType generationQualifier homeDirectory homeDrive homePhone homePostalAddress info
        initials internationalISDNNumber ipPhone legacyExchangeDN mailStop middleName msDS-ExternalDirectoryObjectId
        msDS-SourceAnchor msDS-PhoneticDisplayName msExchExtensionCustomAttribute1 msExchExtensionCustomAttribute2
        msExchExtensionCustomAttribute3 msExchExtensionCustomAttribute4 msExchExtensionCustomAttribute5
        msExchHomeServerName msExchUserCulture msRTCSIP-PrimaryUserAddress notes o operatingSystem
        otherFacsimileTelephoneNumber otherHomePhone otherIpPhone otherMailbox otherMobile otherPager
        pager personalTitle postalAddress postOfficeBox
        profilePath registeredAddress roomNumber scriptPath servicePrincipalName street targetAddress
        textEncodedORAddress thumbnailLogo uid unixHomeDirectory loginShell url userWorkstations wWWHomePage
        msDS-cloudExtensionAttribute1 msDS-cloudExtensionAttribute2 msDS-cloudExtensionAttribute3
        msDS-cloudExtensionAttribute4 msDS-cloudExtensionAttribute5 msDS-cloudExtensionAttribute6
        msDS-cloudExtensionAttribute7 msDS-cloudExtensionAttribute8 msDS-cloudExtensionAttribute9
        msDS-cloudExtensionAttribute10 msDS-cloudExtensionAttribute11 msDS-cloudExtensionAttribute12
        msDS-cloudExtensionAttribute13 msDS-cloudExtensionAttribute14 msDS-cloudExtensionAttribute15
        msDS-cloudExtensionAttribute16 msDS-cloudExtensionAttribute17 msDS-cloudExtensionAttribute18
        msDS-cloudExtensionAttribute19 msDS-cloudExtensionAttribute20
    """,
    Syntax.integer: """
        accountExpires adminCount badPasswordTime badPwdCount countryCode gidNumber instanceType lastLogoff lastLogon
        lastLogonTimestamp lockoutTime logonCount msDS-UserAccountControlComputed msDS-User-Account-Control-Computed
        msExchRecipientDisplayType msExchRecipientTypeDetails msExchRemoteRecipientType msExchUserAccountControl
        msExchELCMailboxFlags msExchResourceCapacity primaryGroupID pwdLastSet systemFlags uidNumber
        uSNChanged uSNCreated
    """,
    Syntax.boolean: """
        deliverAndRedirect isCriticalSystemObject isDeleted isRecycled mDBUseDefaults msExchEnableModeration
        msExchRequireAuthToSendTo msExchHideFromAddressListsOverride reportToOriginator reportToOwner
        oOFReplyToOriginator showInAdvancedViewOnly
    """,
    Syntax.dn: """
        altRecipient assistant authOrig directReports dLMemRejectPerms dLMemSubmitPerms homeMDB homeMTA managedBy
        managedObjects msExchCoManagedByLink msExchDelegateListLink msExchModeratedByLink owner publicDelegates
        secretary seeAlso showInAddressBook unauthOrig
    """,
    Syntax.octets: """
        jpegPhoto mS-DS-ConsistencyGuid msExchArchiveGUID msExchBlockedSendersHash msExchMailboxGuid
        msExchSafeRecipientsHash msExchSafeSendersHash sIDHistory thumbnailPhoto userCertificate userSMIMECertificate
        userPassword unicodePwd
    """,
    Syntax.time: "createTimestamp modifyTimestamp msExchWhenMailboxCreated",
}


def _types() -> list[AttributeType]:
    found: list[AttributeType] = []
    for line in _SERVED.split("\n"):
        if line:
            name, oid, marks = line.split()
            found.append(
                AttributeType(
                    len(found), name, oid, Syntax(marks[0]), "m" in marks[1:], "x" in marks[1:], "+" in marks[1:]
                )
            )
    for syntax, names in _ABSENT.items():
        for name in names.split():
            found.append(AttributeType(len(found), name, "", syntax, True, False, False))
    return found


# By their numbers.
TYPES: Final = tuple(_types())
_BY_NAME: Final = {canonical_type(each.name): each for each in TYPES} | {each.oid: each for each in TYPES if each.oid}
_SERVED_SPELLINGS: Final = {each.name: each for each in TYPES if each.oid}


def find_type(name: str) -> AttributeType | None:
    """The type with this name or OID, without options; None where it is not known."""
    return _BY_NAME.get(canonical_type(name))


def served_type(name: str) -> AttributeType:
    """The type with this name, of those that an entry can have. Raises KeyError."""
    found = _SERVED_SPELLINGS.get(name) or _BY_NAME[canonical_type(name)]
    if not found.oid:
        raise KeyError(name)
    return found


class ObjectClass(NamedTuple):
    """An object class of the copy (RFC 4512 4.1.1).

    above: its superclass, "" for top. category: the common name of the class that is its defaultObjectCategory
    (MS-ADSC). kind: ABSTRACT, STRUCTURAL or AUXILIARY.
    """

    name: str
    oid: str
    above: str
    category: str
    kind: str


CLASSES: Final = (
    ObjectClass("top", "2.5.6.0", "", "Top", "ABSTRACT"),
    ObjectClass("person", "2.5.6.6", "top", "Person", "STRUCTURAL"),
    ObjectClass("organizationalPerson", "2.5.6.7", "person", "Person", "STRUCTURAL"),
    ObjectClass("user", "1.2.840.113556.1.5.9", "organizationalPerson", "Person", "STRUCTURAL"),
    ObjectClass("contact", "1.2.840.113556.1.5.15", "organizationalPerson", "Person", "STRUCTURAL"),
    ObjectClass("group", "1.2.840.113556.1.5.8", "top", "Group", "STRUCTURAL"),
    ObjectClass("organizationalUnit", "2.5.6.5", "top", "Organizational-Unit", "STRUCTURAL"),
    ObjectClass("container", "1.2.840.113556.1.3.23", "top", "Container", "STRUCTURAL"),
    ObjectClass("domain", "1.2.840.113556.1.5.66", "top", "Domain-DNS", "ABSTRACT"),
    ObjectClass("domainDNS", "1.2.840.113556.1.5.67", "domain", "Domain-DNS", "STRUCTURAL"),
    ObjectClass("subSchema", "2.5.20.1", "top", "SubSchema", "STRUCTURAL"),
    # Filters leave these out, or ask for them; no entry of a copy has one.
    ObjectClass("computer", "1.2.840.113556.1.3.30", "user", "Computer", "STRUCTURAL"),
    ObjectClass("inetOrgPerson", "2.16.840.1.113730.3.2.2", "user", "Person", "STRUCTURAL"),
    ObjectClass("publicFolder", "1.2.840.113556.1.3.59", "top", "ms-Exch-Public-Folder", "STRUCTURAL"),
    ObjectClass(
        "msExchDynamicDistributionList",
        "1.2.840.113556.1.5.7000.62.60",
        "top",
        "ms-Exch-Dynamic-Distribution-List",
        "STRUCTURAL",
    ),
)
_CLASS_NAMES: Final = {each.oid: each.name.lower() for each in CLASSES}
CATEGORIES: Final = {each.name.lower(): each.category for each in CLASSES}


def class_key(text: str) -> str:
    """The name of an object class in lower case, for a name or an OID of it."""
    return _CLASS_NAMES.get(text, text.lower())
