"""What the state of the running gateway has against a request, whatever is in it."""

from __future__ import annotations

from typing import Final

from gateway.ldap.results import ResultCode
from gateway.policy.decision import AccountKind, Refuse
from gateway.policy.reasons import REASONS, Reason

# What ends every request before anything in it is looked at.
_AT_ARRIVAL: Final = {
    Reason.stopping: ResultCode.unavailable,
    Reason.too_many_operations: ResultCode.busy,
    Reason.too_many_requests_of_source: ResultCode.busy,
    Reason.too_many_requests_of_account: ResultCode.busy,
}


def refuse_at_arrival(obstacle: Reason, bound_as: AccountKind | None) -> Refuse | None:
    """The refusal of a request that an obstacle meets as it arrives; None where it does not meet this one."""
    code = _AT_ARRIVAL.get(obstacle)
    if code is None:
        return None
    if obstacle is Reason.too_many_requests_of_account and bound_as in (None, AccountKind.anonymous):
        # There is no account whose requests could be counted.
        return None
    return Refuse(obstacle, code, f"{obstacle}: {REASONS[obstacle].meaning}")
