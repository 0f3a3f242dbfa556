"""The root DSE (RFC 4512 5.1), answered by the gateway itself from an allowlist."""

from __future__ import annotations

from typing import Final

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.controls import PAGED_RESULTS
from gateway.ldap.filters import And, EqualityMatch, Filter, Or, Present
from gateway.ldap.messages import BASE_OBJECT, WHO_AM_I, Attribute, SearchRequest, SearchResultEntry
from gateway.policy.decision import RootDsePlan
from gateway.policy.settings import ClientPolicy, Paging

# RFC 4512 5.1, and AD's form of it. What the server says of these does not hold here.
_OWN: Final = frozenset(
    canonical_type(name)
    for name in (
        *("objectClass", "namingContexts", "defaultNamingContext", "supportedLDAPVersion", "supportedControl"),
        *("supportedExtension", "supportedSASLMechanisms", "supportedFeatures", "supportedAuthPasswordSchemes"),
    )
)
# RFC 4512 5.1 and MS-ADTS 3.1.1.3.2.
_HOSTS: Final = frozenset(
    canonical_type(name)
    for name in (
        *("altServer", "dnsHostName", "serverName", "ldapServiceName", "dsServiceName", "netlogon", "tokenGroups"),
        *("msDS-ReplAllInboundNeighbors", "msDS-ReplAllOutboundNeighbors", "msDS-ReplPendingOps"),
        *("msDS-ReplLinkFailures", "msDS-ReplConnectionFailures", "msDS-ReplQueueStatistics"),
    )
)


def answer_root_dse(policy: ClientPolicy, request: SearchRequest) -> RootDsePlan:
    """Naming contexts as configured, and what the gateway itself supports; and the plan for what root_dse lists.

    `*`, `+` and an empty list give all of it, because clients ask in each of these ways for what is there.
    """
    if not _matches(request.filter):
        return RootDsePlan(None)
    everything = _attributes(policy)
    names = request.attributes
    wanted = {canonical_type(name) for name in names}
    if not names or "*" in wanted or "+" in wanted:
        chosen = everything
    else:
        chosen = [attribute for attribute in everything if canonical_type(attribute.type) in wanted]
    if not names or "*" in wanted or "+" in wanted:
        listed = policy.root_dse
    else:
        listed = tuple(name for name in policy.root_dse if canonical_type(name) in wanted)
    known = {canonical_type(attribute.type) for attribute in everything} | {"*", "+", "1.1"}
    known |= {canonical_type(name) for name in policy.root_dse}
    held_back = tuple(name for name in names if canonical_type(name) not in known)
    if request.types_only:
        chosen = [Attribute(attribute.type, ()) for attribute in chosen]
    more = SearchRequest("", BASE_OBJECT, Present("objectClass"), listed, types_only=request.types_only)
    return RootDsePlan(SearchResultEntry("", tuple(chosen)), held_back, more if listed else None)


def root_dse_problem(name: str) -> str | None:
    """Why an attribute cannot be listed in root_dse; None where it can."""
    found = canonical_type(name)
    if found in _OWN:
        return "the gateway answers this one by itself: what it permits is not what the server can do"
    return "it names servers of the inside, which nobody outside is told" if found in _HOSTS else None


def _attributes(policy: ClientPolicy) -> list[Attribute]:
    contexts = tuple(str(dn).encode() for dn in policy.naming_contexts)
    found = [Attribute("objectClass", (b"top",)), Attribute("namingContexts", contexts)]
    if contexts and contexts[0]:
        # Clients made for AD take their search base from here.
        found.append(Attribute("defaultNamingContext", contexts[:1]))
    found.append(Attribute("supportedLDAPVersion", (b"3",)))
    controls = policy.controls if policy.paging is not Paging.never else policy.controls - {PAGED_RESULTS}
    if controls:
        found.append(Attribute("supportedControl", tuple(oid.encode() for oid in sorted(controls))))
    extensions = policy.extensions | {WHO_AM_I} if policy.tells_identity else policy.extensions
    if extensions:
        found.append(Attribute("supportedExtension", tuple(oid.encode() for oid in sorted(extensions))))
    return found


def _matches(wanted: Filter) -> bool:
    """objectClass is the only attribute of the root DSE that a filter can ask about here."""
    if isinstance(wanted, Present):
        return canonical_type(wanted.attribute) == "objectclass"
    if isinstance(wanted, EqualityMatch):
        return canonical_type(wanted.attribute) == "objectclass" and wanted.value.lower() == b"top"
    if isinstance(wanted, And):
        return all(_matches(part) for part in wanted.filters)
    if isinstance(wanted, Or):
        return any(_matches(part) for part in wanted.filters)
    # What is not known here is undefined, not false (RFC 4511 4.5.1.7), so a negation matches nothing either.
    return False
