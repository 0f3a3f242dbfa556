"""The steps of a search."""

from __future__ import annotations

from gateway.policy.decision import SearchPlan
from gateway.policy.policy import Policy
from gateway.relay.results import relayed
from gateway.relay.steps import Outcome, Steps, Stream, Streamed


def search_steps(policy: Policy, plan: SearchPlan) -> Steps:
    """One search on the server, its entries streamed to the client."""
    answer = yield Stream(plan.request, plan.controls)
    if not isinstance(answer, Streamed):
        raise TypeError("a search was answered by something else")
    result, reason = relayed(answer.result, policy.settings.pass_diagnostics)
    return Outcome(result, policy.entries.filter_response_controls(answer.controls), reason)
