"""What a server is and can do: read from its root DSE when it is needed first, and remembered for all sessions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from gateway.ldap.attribute_types import base_type
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest, SearchResultEntry
from gateway.ldap.results import ResultCode
from gateway.policy.at_server import Features
from gateway.relay.paging import ServerFacts
from gateway.relay.steps import Answer, Found, Look, Step

# MS-ADTS 3.1.1.3.4.3: LDAP_CAP_ACTIVE_DIRECTORY_OID, in supportedCapabilities of the root DSE.
ACTIVE_DIRECTORY: Final = b"1.2.840.113556.1.4.800"
_ROOT_DSE: Final = SearchRequest("", BASE_OBJECT, Present("objectClass"), ("supportedCapabilities", "supportedControl"))


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
