"""A decision in words, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gateway.ldap.controls import SORT
from gateway.ldap.filter_text import filter_text
from gateway.ldap.messages import SCOPE_NAMES
from gateway.ldap.results import result_name
from gateway.policy.controls import UNDERSTOOD
from gateway.policy.decision import (
    AncestorPlan,
    BindPlan,
    Decision,
    Plan,
    Refuse,
    RootDsePlan,
    SearchPlan,
    StartTlsPlan,
    SubschemaPlan,
    WhoAmIPlan,
)
from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.settings import ClientPolicy


def decision_object(decision: Decision, client: ClientPolicy | None, server_known: bool = False) -> dict[str, Any]:
    """A decision as JSON values. client: None where it is not known whose request it is. server_known: what depends on
    the server is decided in it."""
    if isinstance(decision, Refuse):
        return _refusal(decision, client)
    said = _plan(decision)
    depends = _depends(decision) if isinstance(decision, SearchPlan | AncestorPlan) and not server_known else []
    return said | {"depends": depends} if depends else said


def setting_words(refusal: Refuse, client: ClientPolicy | None) -> str:
    """The key that would allow it, "" for none; with X for the block of a client that is not known."""
    return refusal.setting_of("X", "X") if client is None else refusal.setting_of(client.name, client.directory)


def _refusal(refusal: Refuse, client: ClientPolicy | None) -> dict[str, Any]:
    kind = KINDS[refusal.reason]
    result = f"{result_name(refusal.code)} ({int(refusal.code)})"
    if kind is Kind.connection:
        result = "none: the connection is closed"
    elif kind is Kind.session:
        result = f"{result}, and the session ends"
    return {
        "decision": "refuse",
        "reason": refusal.reason.value,
        "meaning": REASONS[refusal.reason].meaning,
        "detail": refusal.detail or "-",
        "result": result,
        "setting": setting_words(refusal, client) or "none would allow it",
    }


def _plan(plan: Plan) -> dict[str, Any]:
    if isinstance(plan, RootDsePlan):
        said: dict[str, Any] = {"decision": "permit", "sent": "nothing: the gateway answers the root DSE by itself"}
        if plan.entry is not None and plan.more is not None:
            said["sent"] = "a read of the server's root DSE, for whoever may search; the rest is the gateway's own"
            said["forwarded"] = list(plan.more.attributes)
        return said | {"held back": list(plan.held_back)}
    if isinstance(plan, StartTlsPlan):
        return {"decision": "permit", "sent": "nothing: TLS begins with the client"}
    if isinstance(plan, WhoAmIPlan):
        return {"decision": "permit", "sent": "nothing: the gateway tells the client whom it is bound as"}
    said = {"decision": "permit", **_sent(plan)}
    if plan.mended:
        said["mended"] = [asdict(name) for name in plan.mended]
    return said


def _sent(plan: SearchPlan | AncestorPlan | SubschemaPlan | BindPlan) -> dict[str, Any]:
    if isinstance(plan, BindPlan):
        if plan.mapped is not None:
            forwards = plan.mapped.account.own is None
            then = "forwards this very bind" if forwards else "signs in with this account of its own"
            then = f"the gateway verifies the secret, and then {then}"
            return {"as": plan.kind.value, "account": plan.account, "sent": plan.request.name, "then": then}
        proof = "the person must be found inside login_base_dns" if plan.look_up else "the server's answer"
        return {"as": plan.kind.value, "sent": plan.request.name, "then": proof}
    if isinstance(plan, AncestorPlan):
        sent = f"the entry {plan.request.base} by itself; the client gets its DN and objectClass"
        return {"sent": sent, "held back": list(plan.held_back)}
    if isinstance(plan, SubschemaPlan):
        sent = f"the entry {plan.request.base} by itself, which has the directory's schema"
        return {"sent": sent, "forwarded": list(plan.request.attributes), "held back": list(plan.held_back)}
    return _search(plan)


def _search(plan: SearchPlan) -> dict[str, Any]:
    request = plan.parts[0]
    said: dict[str, Any] = {
        "base": [part.base for part in plan.parts] if plan.narrowed else request.base,
        "scope": SCOPE_NAMES[request.scope],
        "filter": filter_text(request.filter),
        "forwarded": list(request.attributes),
        "held back": list(plan.held_back),
        "reported": [reason.value for reason in plan.reported],
    }
    if plan.suspicious:
        said["suspicious"] = [f"{Reason.suspicious_escape}: {where}" for where in plan.suspicious]
    return said


def _depends(plan: SearchPlan | AncestorPlan) -> list[str]:
    """What may yet become of a search at its server."""
    supertypes = plan.supertypes if isinstance(plan, SearchPlan) else ()
    found = [f"{Reason.filter_supertype} unless the server is an Active Directory: {name}" for name in supertypes]
    for control in plan.controls:
        name = UNDERSTOOD[control.oid]
        if control.critical:
            found.append(f"{Reason.control_not_supported} unless the server supports {name}")
        elif control.oid == SORT:
            found.append("not sorted unless the server supports sort")
    return found
