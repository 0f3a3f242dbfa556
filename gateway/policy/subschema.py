"""The entry that holds the directory's schema (RFC 4512 4.2): the one entry outside base_dns that may be read, by
itself, where the configuration names it."""

from __future__ import annotations

from typing import Final

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.messages import BASE_OBJECT, NO_ATTRIBUTES, SearchRequest
from gateway.policy.decision import Refuse, SubschemaPlan
from gateway.policy.narrowing import asks_for_class_only
from gateway.policy.reasons import Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import ClientPolicy, WhenDenied

# RFC 4512 4.2 and 3.4, and MS-ADTS 3.1.1.3.1.1.1: what a schema consists of, whatever `attributes` lists. It tells
# which attributes and classes there are, and nothing of any entry.
ATTRIBUTES: Final[tuple[str, ...]] = (
    "objectClass",
    "cn",
    "attributeTypes",
    "objectClasses",
    "ldapSyntaxes",
    "matchingRules",
    "matchingRuleUse",
    "dITContentRules",
    "dITStructureRules",
    "nameForms",
    "extendedAttributeInfo",
    "extendedClassInfo",
    "createTimestamp",
    "modifyTimestamp",
)
_BY_TYPE: Final = {canonical_type(name): name for name in ATTRIBUTES}


def decide_subschema(policy: ClientPolicy, request: SearchRequest) -> SubschemaPlan | Refuse | None:
    """The decision on a read of the configured entry by itself; None for every other search. required_filter is left
    out: it chooses among people. `*`, `+` and an empty list give all of it, as of the root DSE."""
    if policy.subschema is None or request.scope != BASE_OBJECT or not _is(policy.subschema, request.base):
        return None
    if not asks_for_class_only(request.filter):
        return refuse_search(Reason.filter_attribute_not_allowed, detail="of the schema only objectClass", setting="")
    names = request.attributes
    held_back = tuple(name for name in names if canonical_type(name) not in _BY_TYPE and name not in _ANY)
    if held_back and policy.when_denied is WhenDenied.refuse:
        # Whatever `attributes` lists, the schema has no more than these.
        setting = "clients.X.when_denied"
        return refuse_search(Reason.attribute_not_allowed, detail=", ".join(held_back), setting=setting)
    wanted = ATTRIBUTES
    if names and not {"*", "+"} & set(names):
        # dict: each once, in order.
        wanted = tuple(dict.fromkeys(_BY_TYPE[found] for name in names if (found := canonical_type(name)) in _BY_TYPE))
    asked = SearchRequest(
        base=str(policy.subschema),
        scope=BASE_OBJECT,
        filter=request.filter,
        attributes=wanted or (NO_ATTRIBUTES,),
        types_only=request.types_only,
    )
    return SubschemaPlan(asked, held_back)


_ANY: Final = ("*", "+", NO_ATTRIBUTES)


def _is(name: DN, base: str) -> bool:
    try:
        return parse(base).same(name)
    except DNError:
        return False
