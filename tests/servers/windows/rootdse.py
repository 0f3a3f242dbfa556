"""The root DSE, as far as clients look at it (MS-ADTS 3.1.1.3.2)."""

from tests.servers.windows.ber import SET, Writer
from tests.servers.windows.people import DOMAIN, SUFFIX
from tests.servers.windows.requests import PAGED_RESULTS
from tests.servers.windows.tree import Node

_ATTRIBUTES = {
    "domainFunctionality": ["7"],
    "defaultNamingContext": [SUFFIX],
    "dnsHostName": [f"dc1.{DOMAIN}"],
    "highestCommittedUSN": ["123456"],
    "isGlobalCatalogReady": ["TRUE"],
    "namingContexts": [SUFFIX, f"CN=Configuration,{SUFFIX}", f"CN=Schema,CN=Configuration,{SUFFIX}"],
    "rootDomainNamingContext": [SUFFIX],
    # Active Directory; it signs; it is of 2003 or later.
    "supportedCapabilities": ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1670"],
    "supportedControl": [PAGED_RESULTS, "1.2.840.113556.1.4.802", "1.2.840.113556.1.4.473"],
    "supportedLDAPVersion": ["3", "2"],
}


def root_dse(writer: Writer, bound: Node | None, asked: tuple[str, ...]) -> bytes:
    """The encoded attributes. tokenGroups only where it is asked for by name and somebody is bound."""
    attributes = {name: [value.encode() for value in values] for name, values in _ATTRIBUTES.items()}
    if bound is not None:
        attributes["tokenGroups"] = bound.values["objectsid"][1]
    wanted = {name.lower() for name in asked}
    everything = not wanted or "*" in wanted
    return b"".join(
        writer.sequence(writer.octets(name), writer.sequence(*map(writer.octets, values), tag=SET))
        for name, values in attributes.items()
        if name.lower() in wanted or (everything and name != "tokenGroups")
    )
