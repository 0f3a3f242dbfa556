"""Refusals of searches: their result codes and texts."""

from __future__ import annotations

from gateway.ldap.controls import Control
from gateway.ldap.results import ResultCode
from gateway.policy.decision import Refuse
from gateway.policy.reasons import REASONS, Reason

_CODES = {
    Reason.base_malformed: ResultCode.invalidDNSyntax,
    Reason.ambiguous_dn: ResultCode.invalidDNSyntax,
    Reason.control_not_allowed: ResultCode.unavailableCriticalExtension,
    Reason.control_not_supported: ResultCode.unavailableCriticalExtension,
    Reason.sort_key_not_allowed: ResultCode.unavailableCriticalExtension,
    Reason.sort_over_several_bases: ResultCode.unavailableCriticalExtension,
    Reason.paging_not_supported: ResultCode.unavailableCriticalExtension,
    # RFC 2696 3: the client then knows that this paged search is over.
    Reason.cookie_not_valid: ResultCode.unwillingToPerform,
    Reason.control_malformed: ResultCode.protocolError,
    # It may be asked for again.
    Reason.too_much_mending: ResultCode.busy,
}


def refuse_search(
    reason: Reason,
    text: str = "",
    detail: str = "",
    controls: tuple[Control, ...] = (),
    setting: str | None = None,
) -> Refuse:
    """Names what was refused: names of attributes, rules and controls are the client's own words. controls, setting: as
    Refuse has them."""
    said = text or f"{reason}: {REASONS[reason].meaning}" + (f" ({detail})" if detail else "")
    return Refuse(reason, _CODES.get(reason, ResultCode.insufficientAccessRights), said, detail, controls, setting)
