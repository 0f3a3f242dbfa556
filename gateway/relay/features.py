"""What a server is and can do: read from its root DSE when it is needed first, and remembered for all sessions."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, final

from gateway.ldap.attribute_types import base_type
from gateway.ldap.controls import MANAGE_DSA_IT, Control
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest, SearchResultEntry
from gateway.ldap.results import ResultCode
from gateway.relay.paging import ServerFacts
from gateway.relay.steps import Answer, Found, Look, Step

# MS-ADTS 3.1.1.3.4.3: LDAP_CAP_ACTIVE_DIRECTORY_OID, in supportedCapabilities of the root DSE.
ACTIVE_DIRECTORY: Final = b"1.2.840.113556.1.4.800"
_ROOT_DSE: Final = SearchRequest("", BASE_OBJECT, Present("objectClass"), ("supportedCapabilities", "supportedControl"))


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Features:
    """controls: the OIDs in supportedControl."""

    is_active_directory: Final[bool]
    controls: Final[frozenset[str]]

    def __init__(self, is_active_directory: bool = False, controls: frozenset[str] = frozenset()) -> None:
        self.is_active_directory = is_active_directory
        self.controls = controls

    def take(self, control: Control) -> bool | None:
        """Whether it is to be sent; None where the server does not support it. Where False its meaning is met without
        it: Active Directory has no referral objects, which manageDsaIT would show (RFC 3296 2)."""
        if control.oid in self.controls:
            return True
        return False if control.oid == MANAGE_DSA_IT and self.is_active_directory else None


def features(facts: ServerFacts, server: str) -> Generator[Step, Answer, Features]:
    """server: the URL of the one that the session is connected to. Nothing is taken for granted of a server whose root
    DSE cannot be read; that is not remembered, for it may be that this account may not read it."""
    is_active_directory = facts.is_active_directory.get(server)
    controls = facts.controls.get(server)
    if is_active_directory is not None and controls is not None:
        return Features(is_active_directory, controls)
    answer = yield Look(_ROOT_DSE, maximum=1)
    if not isinstance(answer, Found) or answer.result.code != ResultCode.success or not answer.entries:
        return Features()
    (root_dse,) = answer.entries
    is_active_directory = ACTIVE_DIRECTORY in _values(root_dse, "supportedcapabilities")
    controls = frozenset(value.decode("ascii", "replace") for value in _values(root_dse, "supportedcontrol"))
    facts.is_active_directory[server] = is_active_directory
    facts.controls[server] = controls
    return Features(is_active_directory, controls)


def _values(entry: SearchResultEntry, name: str) -> frozenset[bytes]:
    """name: of an attribute type, in lower case."""
    return frozenset(
        value for attribute in entry.attributes if base_type(attribute.type) == name for value in attribute.values
    )
