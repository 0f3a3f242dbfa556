"""What a client is told beside the result of its bind."""

from __future__ import annotations

from gateway.ldap.controls import Control
from gateway.ldap.errors import DecodeError
from gateway.policy.policy import Policy
from gateway.relay.operation import Operation
from gateway.relay.steps import Outcome


def bind_answer(policy: Policy, operation: Operation, outcome: Outcome) -> tuple[Control, ...]:
    """What the server says of the password policy, beside a success alone: beside a refusal it would tell the right
    password from a wrong one."""
    if outcome.account is None or not operation.bind_controls:
        return ()
    try:
        return policy.controls.bind_answer(operation.bind_controls)
    except DecodeError:
        operation.record.add_detail("the server's password policy control cannot be read and was left out")
        return ()
