"""The end of a complete search: its sizes are compared with those of the last one of its shape."""

from __future__ import annotations

from dataclasses import replace

from gateway.ldap.entry_stream import Tally
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.policy import Policy
from gateway.policy.reasons import Reason
from gateway.policy.shrink import AttributeSize, Loss, Remembered, Shape, ShrinkMode, Sizes, losses
from gateway.relay.steps import Outcome


def compared(policy: Policy, tally: Tally, outcome: Outcome, shape: Shape, remembered: Remembered) -> Outcome:
    """The outcome of a search of which everything was sent: a success unless it shrank. tally: of what was sent."""
    settings = policy.settings.shrink
    if remembered.sizes is None and tally.sent < settings.minimum:
        # Nothing to compare with, and nothing worth keeping.
        return outcome
    now = _sizes(policy, tally)
    lost: tuple[Loss, ...] = ()
    if remembered.sizes is not None and not remembered.accepted:
        lost = losses(remembered.sizes, now, settings)
    detail = "; ".join(map(str, lost))
    if lost and settings.mode is ShrinkMode.enforce:
        text = f"{Reason.result_shrank}: the result is much smaller than last time; if that is meant, accept it"
        result = LDAPResult(ResultCode.unwillingToPerform, "", text)
        return Outcome(result, reason=Reason.result_shrank, detail=detail)
    reported = (Reason.result_shrank,) if lost else ()
    return replace(outcome, detail=detail, reported=reported, sizes=(shape, now))


def _sizes(policy: Policy, tally: Tally) -> Sizes:
    names = policy.entries.attribute_names
    sizes = (
        AttributeSize(name, counted.entries, counted.values)
        for name, counted in zip(names, tally.attributes, strict=True)
    )
    return Sizes(tally.sent, tuple(sizes))
