"""The steps of reads of what every directory has besides its entries: the root DSE, and the schema's entry."""

from __future__ import annotations

from gateway.ldap.attribute_types import base_type, canonical_type
from gateway.ldap.controls import Control
from gateway.ldap.entry_stream import Tally
from gateway.ldap.messages import SearchRequest, SearchResultEntry
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.decision import SubschemaPlan
from gateway.policy.one_entry import as_asked
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.relay.ranges import has_range
from gateway.relay.results import relayed
from gateway.relay.searching import wrong_entry
from gateway.relay.steps import Deliver, Found, Look, Outcome, Steps


def root_dse_steps(policy: Policy, own: SearchResultEntry, more: SearchRequest, answers: tuple[Control, ...]) -> Steps:
    """own: what the gateway answers by itself. more: asks the server for what else is listed. answers: controls of the
    result."""
    answer = yield Look(more, maximum=1)
    if not isinstance(answer, Found):
        raise TypeError("a search was answered by something else")
    if answer.result.code == ResultCode.success:
        wanted = {canonical_type(name) for name in more.attributes}
        theirs = answer.entries[0].attributes if answer.entries else ()
        kept = tuple(attribute for attribute in theirs if base_type(attribute.type) in wanted)
        yield Deliver(SearchResultEntry("", (*own.attributes, *kept)), Tally(0))
    return _ended(policy, answer, answers)


def subschema_steps(policy: Policy, plan: SubschemaPlan) -> Steps:
    answer = yield Look(plan.request, maximum=1)
    if not isinstance(answer, Found):
        raise TypeError("a search was answered by something else")
    if answer.result.code == ResultCode.success and answer.entries:
        entry = as_asked(answer.entries[0], plan.request)
        if entry is None:
            return wrong_entry()
        if any(has_range(attribute.type) for attribute in entry.attributes):
            text = f"{Reason.server_wrong_response}: the directory gave the schema in ranges; it is not complete"
            return Outcome(LDAPResult(ResultCode.unavailable, "", text), reason=Reason.server_wrong_response)
        yield Deliver(entry, Tally(0))
    return _ended(policy, answer, plan.answers)


def _ended(policy: Policy, answer: Found, answers: tuple[Control, ...]) -> Outcome:
    result, reason = relayed(answer.result, policy)
    return Outcome(result, answers if result.code == ResultCode.success else (), reason=reason)
