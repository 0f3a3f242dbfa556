"""What a server says of itself (RFC 4512 5.1, MS-ADTS 3.1.1.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.ask.attributes import text, texts
from gateway.ask.connection import Connection
from gateway.ldap.controls import PAGED_RESULTS
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest

# LDAP_CAP_ACTIVE_DIRECTORY_OID, MS-ADTS 3.1.1.3.4.3.1; AD LDS has another.
_ACTIVE_DIRECTORY: Final = "1.2.840.113556.1.4.800"

# How Domino's root DSE is told from others', and the root in it (Icinga/icingaweb2 issue 3786: namingcontexts:: AA==).
_DOMINO_EXTENSION: Final = "LanguageCodes"
_DOMINO_ROOT: Final = "\0"

# By name: slapd gives operational attributes only so.
_WANTED: Final = (
    "objectClass",
    "namingContexts",
    "defaultNamingContext",
    "configurationNamingContext",
    "subschemaSubentry",
    "supportedControl",
    "supportedExtension",
    "supportedCapabilities",
    "vendorName",
    "vendorVersion",
    "currentTime",
)


@dataclass(frozen=True, slots=True)
class RootDse:
    """Names as the server writes them, "" where it has none; among naming_contexts "" is the root. current_time: None
    where it tells no time."""

    kind: str = "an LDAP server"
    naming_contexts: tuple[str, ...] = ()
    default_context: str = ""
    configuration_context: str = ""
    subschema: str = ""
    controls: frozenset[str] = frozenset()
    current_time: datetime | None = None
    is_active_directory: bool = False
    is_domino: bool = False

    @property
    def can_page(self) -> bool:
        return PAGED_RESULTS in self.controls


async def read_root_dse(connection: Connection) -> RootDse | None:
    """None where the server does not show it. Raises ConnectionFailed."""
    answer = await connection.search(SearchRequest("", BASE_OBJECT, Present("objectClass"), _WANTED))
    if not answer.complete or not answer.entries:
        return None
    entry = answer.entries[0]
    is_domino = _DOMINO_EXTENSION in texts(entry, "supportedExtension")
    kind = _kind(texts(entry, "objectClass"), text(entry, "vendorName"), texts(entry, "supportedCapabilities"))
    return RootDse(
        kind="HCL Domino" if is_domino else kind,
        naming_contexts=tuple("" if name == _DOMINO_ROOT else name for name in texts(entry, "namingContexts")),
        default_context=text(entry, "defaultNamingContext"),
        configuration_context=text(entry, "configurationNamingContext"),
        subschema=text(entry, "subschemaSubentry"),
        controls=frozenset(texts(entry, "supportedControl")),
        current_time=_time(text(entry, "currentTime")),
        is_active_directory=_ACTIVE_DIRECTORY in texts(entry, "supportedCapabilities"),
        is_domino=is_domino,
    )


def _kind(classes: tuple[str, ...], vendor: str, capabilities: tuple[str, ...]) -> str:
    if "samba" in vendor.lower():
        return "Active Directory (Samba)"
    if _ACTIVE_DIRECTORY in capabilities:
        return "Active Directory"
    if "OpenLDAProotDSE" in classes:
        return "OpenLDAP"
    return vendor or "an LDAP server"


def _time(said: str) -> datetime | None:
    """GeneralizedTime as AD writes it: 20261124055442.0Z."""
    try:
        return datetime.strptime(said.split(".")[0].rstrip("Z"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
