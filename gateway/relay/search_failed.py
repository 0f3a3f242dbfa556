"""The failure of a search in the middle of its steps."""

from __future__ import annotations

from gateway.ldap.results import LDAPResult
from gateway.policy.reasons import Reason
from gateway.relay.steps import Outcome


class SearchFailed(Exception):
    """The end of a search with an error of the gateway's own: never a short success."""

    def __init__(self, reason: Reason, code: int, text: str, detail: str = "") -> None:
        super().__init__(reason.value)
        result = LDAPResult(code, "", f"{reason}: {text}; the result is not complete")
        self.outcome = Outcome(result, reason=reason, detail=detail)
