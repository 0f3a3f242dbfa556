"""The root DSE (RFC 4512 5.1), answered by the gateway itself from an allowlist."""

from __future__ import annotations

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.controls import PAGED_RESULTS
from gateway.ldap.filters import And, EqualityMatch, Filter, Or, Present
from gateway.ldap.messages import Attribute, SearchRequest, SearchResultEntry
from gateway.policy.decision import RootDsePlan
from gateway.policy.settings import ClientPolicy, Paging


def answer_root_dse(policy: ClientPolicy, request: SearchRequest) -> RootDsePlan:
    """Naming contexts as configured, and what the gateway itself supports; hosts, vendors and versions never.

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
    known = {canonical_type(attribute.type) for attribute in everything} | {"*", "+", "1.1"}
    held_back = tuple(name for name in names if canonical_type(name) not in known)
    if request.types_only:
        chosen = [Attribute(attribute.type, ()) for attribute in chosen]
    return RootDsePlan(SearchResultEntry("", tuple(chosen)), held_back)


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
    if policy.extensions:
        found.append(Attribute("supportedExtension", tuple(oid.encode() for oid in sorted(policy.extensions))))
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
