"""Which operations a session may ask for at all, and the extended ones, which have nothing in them that is to be looked
at."""

from __future__ import annotations

from gateway.ldap.controls import Control
from gateway.ldap.errors import RequestFault
from gateway.ldap.messages import (
    BASE_OBJECT,
    START_TLS,
    WHO_AM_I,
    AbandonRequest,
    ExtendedRequest,
    Request,
    SearchRequest,
    UnbindRequest,
    UnservedRequest,
)
from gateway.ldap.results import ResultCode
from gateway.policy.decision import AccountKind, Refuse, StartTlsPlan, WhoAmIPlan
from gateway.policy.reasons import Reason


def is_root_dse(request: Request) -> bool:
    """RFC 4512 5.1: the empty base, read by itself. The gateway answers it, bound or not."""
    return isinstance(request, SearchRequest) and request.base == "" and request.scope == BASE_OBJECT


def decide_operation(
    request: Request,
    controls: tuple[Control, ...],
    bound_as: AccountKind | None,
    needs_tls: bool,
    tells_identity: bool,
) -> Refuse | None:
    """Refuses what the session's state does not permit; None where the request may be looked at.

    bound_as: None for a session that is not bound. needs_tls: the listener demands StartTLS and the session
    has not done it. tells_identity: as ClientPolicy has it. Nothing is ever refused of unbind and abandon, which
    have no response (RFC 4511 4.3, 4.11).
    """
    if isinstance(request, UnbindRequest | AbandonRequest):
        return None
    starts_tls = isinstance(request, ExtendedRequest) and request.oid == START_TLS
    if needs_tls and not starts_tls and not is_root_dse(request):
        return Refuse(
            Reason.starttls_required,
            ResultCode.confidentialityRequired,
            f"{Reason.starttls_required}: nothing else is served here before StartTLS",
        )
    if isinstance(request, UnservedRequest):
        return Refuse(
            Reason.operation_not_allowed,
            ResultCode.unwillingToPerform,
            f"{Reason.operation_not_allowed}: {request.name} is never served here",
            request.name,
        )
    if isinstance(request, ExtendedRequest) and not starts_tls and not (tells_identity and request.oid == WHO_AM_I):
        # RFC 4511 4.12: an extended operation that is not recognised.
        served = "operations here are StartTLS and Who am I?" if tells_identity else "operation here is StartTLS"
        text = f"{Reason.extended_not_allowed}: the only extended {served}"
        return Refuse(Reason.extended_not_allowed, ResultCode.protocolError, text)
    if not isinstance(request, SearchRequest):
        return _refuse_critical(controls)
    if is_root_dse(request):
        return None
    return _refuse_search(bound_as)


def refuse_fault(fault: RequestFault) -> Refuse:
    """The refusal of a request for a value that it may not have, or that is beyond a limit (RFC 4511 4.1.1)."""
    too_large = fault.code == ResultCode.adminLimitExceeded
    reason = Reason.request_too_large if too_large else Reason.request_malformed
    return Refuse(reason, fault.code, f"{reason}: {fault}", str(fault), setting=fault.setting)


def decide_start_tls(tls: bool, busy: bool) -> StartTlsPlan | Refuse:
    """RFC 4511 4.14: only on a connection without TLS, and with nothing open."""
    if tls or busy:
        text = f"{Reason.starttls_out_of_order}: TLS is established already, or operations are open"
        return Refuse(Reason.starttls_out_of_order, ResultCode.operationsError, text)
    return StartTlsPlan()


def decide_who_am_i(request: ExtendedRequest) -> WhoAmIPlan | Refuse:
    """RFC 4532 2.1: the request has no value. A session that is not bound may ask too, and is anonymous."""
    if request.value is not None:
        text = f"{Reason.request_malformed}: Who am I? has no value"
        return Refuse(Reason.request_malformed, ResultCode.protocolError, text, "Who am I? with a value")
    return WhoAmIPlan()


def _refuse_critical(controls: tuple[Control, ...]) -> Refuse | None:
    for control in controls:
        if control.critical:
            return Refuse(
                Reason.control_not_allowed,
                ResultCode.unavailableCriticalExtension,
                f"{Reason.control_not_allowed}: no critical control is served with this operation",
                control.oid,
                setting="",
            )
    return None


def _refuse_search(bound_as: AccountKind | None) -> Refuse | None:
    if bound_as is None:
        return Refuse(
            Reason.not_bound,
            ResultCode.insufficientAccessRights,
            f"{Reason.not_bound}: bind as a sync account first",
        )
    if bound_as is AccountKind.login:
        return Refuse(
            Reason.login_may_only_bind,
            ResultCode.insufficientAccessRights,
            f"{Reason.login_may_only_bind}: this account may sign in, not search; sync_accounts may",
        )
    return None
