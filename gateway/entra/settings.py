"""What is configured of a tenant that is copied, as compiled from `directories.NAME.entra`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.ldap.dn import DN

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud of Microsoft's: where apps sign in and where Graph is, as origins without a path."""

    login_url: str
    graph_url: str


# https://learn.microsoft.com/graph/deployments has the same table.
CLOUDS: Final[Mapping[str, Cloud]] = {
    "global": Cloud("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "us": Cloud("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "dod": Cloud("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": Cloud("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
}


class GroupChoice(StrEnum):
    """Which groups have entries: all, those with an address, or those that permissions can be given to."""

    all = "all"
    mail = "mail"
    security = "security"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The pair that the app signs in with, as PEM files; the key is RSA and not encrypted."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """The tenant and the way to it.

    tenant: its id or one of its domains. client_id: of the app that is registered there. credential: the app's
    certificate, or the file with its secret. ca_file: the authorities that both hosts are verified with; None for the
    system's. proxy: the URL of one, "" for none; it may have a password in it.
    """

    tenant: str
    client_id: str
    credential: CertificateFiles | Path
    cloud: Cloud = CLOUDS["global"]
    ca_file: Path | None = None
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CopySettings:
    """What of the tenant is copied.

    base_dn: the entry above all others. attributes: the LDAP attributes that clients may read or filter by; nothing
    else is asked for. guests, contacts, groups: who has an entry. hide_from_lists: whether msExchHideFromAddressLists
    is made of showInAddressList.
    """

    base_dn: DN
    attributes: frozenset[str]
    guests: bool = False
    contacts: bool = True
    groups: GroupChoice = GroupChoice.all
    hide_from_lists: bool = False


@dataclass(frozen=True, slots=True)
class RoundSettings:
    """When and how carefully the copy is renewed.

    interval: seconds from one round to the next. sweep: seconds between two looks at all ids. full: seconds after which
    everything is read anew. keep_at_least: per cent of each figure of the copy that a new one must have, 0 for no
    comparison. refuse_after: the age in seconds from which on the copy answers with an error.
    """

    interval: float = 600.0
    sweep: float = HOUR
    full: float = 7 * DAY
    keep_at_least: int = 80
    refuse_after: float = DAY


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """A tenant and its copy. name: of the directory. store: the file of the copy."""

    name: str
    tenant: TenantSettings
    copy: CopySettings
    store: Path
    rounds: RoundSettings = RoundSettings()
