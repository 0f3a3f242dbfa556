"""The properties of Graph that the copy can ask for, with their types, and how a value of JSON is held against them.

Names, types and what may be null are those of Microsoft's CSDL (microsoftgraph/msgraph-metadata, v1.0); a test
compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
EXTENSION_ATTRIBUTES: Final = tuple(f"extensionAttribute{number}" for number in range(1, 16))


class Collection(StrEnum):
    """A collection of Graph that is copied, by its name in URLs."""

    users = "users"
    groups = "groups"
    contacts = "contacts"


class Type(StrEnum):
    """The type of a property, as the CSDL has it. structured: a complex type, of which some members are kept."""

    string = "Edm.String"
    boolean = "Edm.Boolean"
    moment = "Edm.DateTimeOffset"
    strings = "Collection(Edm.String)"
    extension_attributes = "graph.onPremisesExtensionAttributes"
    phones = "Collection(graph.phone)"
    addresses = "Collection(graph.physicalOfficeAddress)"


def _types(strings: str, **others: Type) -> Mapping[str, Type]:
    return {**dict.fromkeys(strings.split(), Type.string), **others}


PROPERTIES: Final[Mapping[Collection, Mapping[str, Type]]] = {
    Collection.users: _types(
        """
        city companyName country department displayName employeeId faxNumber givenName jobTitle mail mailNickname
        mobilePhone officeLocation onPremisesSamAccountName onPremisesSecurityIdentifier passwordPolicies postalCode
        preferredLanguage securityIdentifier state streetAddress surname userPrincipalName userType
        """,
        accountEnabled=Type.boolean,
        businessPhones=Type.strings,
        createdDateTime=Type.moment,
        onPremisesExtensionAttributes=Type.extension_attributes,
        proxyAddresses=Type.strings,
        showInAddressList=Type.boolean,
    ),
    Collection.groups: _types(
        """
        description displayName mail mailNickname onPremisesSamAccountName onPremisesSecurityIdentifier
        preferredLanguage securityIdentifier
        """,
        createdDateTime=Type.moment,
        mailEnabled=Type.boolean,
        onPremisesExtensionAttributes=Type.extension_attributes,
        proxyAddresses=Type.strings,
        securityEnabled=Type.boolean,
    ),
    Collection.contacts: _types(
        "companyName department displayName givenName jobTitle mail mailNickname surname",
        addresses=Type.addresses,
        phones=Type.phones,
        proxyAddresses=Type.strings,
    ),
}

# Of the complex types the members that are kept; all are strings.
_PHONE: Final = ("type", "number")
_ADDRESS: Final = ("city", "countryOrRegion", "officeLocation", "postalCode", "state", "street")


class WrongType(ValueError):
    """A value is not of its property's type. The text says what is expected."""


def checked(type: Type, value: Any) -> Any:
    """The value as it is kept; None for null and for what says no more than null does. Raises WrongType."""
    return None if value is None else _CHECKS[type](value)


def _string(value: Any) -> str | None:
    if not isinstance(value, str):
        raise WrongType("a string")
    return clean(value) or None


def clean(text: str) -> str:
    """The text as UTF-8 can have it: half a character, which Graph cuts some names to, becomes U+FFFD, and so does
    NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", _REPLACEMENT).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongType("true or false")
    return value


def _strings(value: Any) -> list[str] | None:
    return [text for each in _list(value) if (text := checked(Type.string, each)) is not None] or None


def _extension_attributes(value: Any) -> dict[str, str] | None:
    return _members(value, EXTENSION_ATTRIBUTES)


def _phones(value: Any) -> list[dict[str, str]] | None:
    return [found for each in _list(value) if (found := _members(each, _PHONE))] or None


def _addresses(value: Any) -> list[dict[str, str]] | None:
    return [found for each in _list(value) if (found := _members(each, _ADDRESS))] or None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise WrongType("a list")
    return value


def _members(value: Any, names: tuple[str, ...]) -> dict[str, str] | None:
    if not isinstance(value, dict):
        raise WrongType("an object")
    found = {name: checked(Type.string, value.get(name)) for name in names}
    return {name: text for name, text in found.items() if text is not None} or None


_CHECKS: Final[Mapping[Type, Callable[[Any], Any]]] = {
    Type.string: _string,
    Type.boolean: _boolean,
    Type.moment: _string,
    Type.strings: _strings,
    Type.extension_attributes: _extension_attributes,
    Type.phones: _phones,
    Type.addresses: _addresses,
}
