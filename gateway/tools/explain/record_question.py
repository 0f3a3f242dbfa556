"""Records of the audit judged again: what this configuration would make of the same requests.

A record holds no controls, and no values of filters where these are hidden; a value is `?` then. What the state of the
running gateway or the server had against a request is taken to be so again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.ldap.controls import PAGED_RESULTS, SORT, Control, PagedResults
from gateway.ldap.filter_text import FilterTextError, parse_filter
from gateway.ldap.messages import (
    SCOPE_NAMES,
    START_TLS,
    UNSERVED_TAGS,
    WHO_AM_I,
    BindRequest,
    ExtendedRequest,
    SaslAuthentication,
    SearchRequest,
    SimpleAuthentication,
    UnservedRequest,
)
from gateway.policy.at_server import Features
from gateway.policy.decision import AccountKind, Decision, Refuse, SearchPlan
from gateway.policy.policy import Policy
from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import Reason
from gateway.policy.settings import ClientPolicy
from gateway.relay.audit import WHO_AM_I_ASKED
from gateway.tools.explain.decision_words import setting_words
from gateway.tools.explain.question import ANY_PASSWORD, Question, account_kind, sign_in

# As deep as any configuration permits, and one more, so that the limit is what refuses it.
DEEPEST: Final = 101

# What is decided of a request only behind its plan, so that its record has `decision: permit`.
_LATE: Final = frozenset({Kind.request, Kind.state})

# Of a control whose value the record does not hold.
_OF_CONTROLS: Final = frozenset({Reason.control_malformed, Reason.sort_key_not_allowed, Reason.sort_over_several_bases})
_OF_READING: Final = frozenset({Reason.request_malformed, Reason.request_too_large})


class NotJudged(Exception):
    """A record cannot be judged again; the text says why, in words that are the same for each of its kind."""


@dataclass(frozen=True, slots=True)
class Was:
    """What became of a request as its record has it. reason: why it was refused, "" where it was permitted."""

    reason: str
    forwarded: tuple[str, ...] | None
    held_back: tuple[str, ...]
    narrowed_to: tuple[str, ...]


def was(record: dict[str, Any]) -> Was:
    reason = _text(record, "reason")
    refused = record.get("decision") == "refuse"
    if not refused and _is_a_reason(reason):
        found = Reason(reason)
        # Of somebody who was looked up the policy permitted the name.
        refused = KINDS[found] in _LATE and found is not Reason.login_outside_base
    forwarded = record.get("forwarded")
    return Was(
        (reason or "refused") if refused else "",
        None if forwarded is None else _names(record, "forwarded"),
        _names(record, "held_back"),
        _names(record, "narrowed_to"),
    )


def question_of(record: dict[str, Any], policy: Policy) -> Question:
    """Raises NotJudged where the record does not hold its request."""
    if record.get("record") not in ("operation", "sign-in"):
        raise NotJudged("no request")
    if set(_mapping(record, "shortened")) & {"base", "filter", "asked", "account", "mended"}:
        raise NotJudged("shortened")
    text = _text(record, "reason")
    reason = Reason(text) if _is_a_reason(text) else None
    if reason in _OF_READING:
        raise NotJudged("the record does not hold a request that could not be read")
    state = reason if reason is not None and KINDS[reason] is Kind.state else None
    tls = reason is not Reason.starttls_required
    operation = _text(record, "operation")
    if operation == "bind":
        return Question(_bind(record, reason), _controls(record, reason, policy), tls=tls, state=state)
    bound_as = _bound_as(record, reason, policy)
    if operation == "search":
        controls = _controls(record, reason, policy)
        return Question(_search(record), controls, bound_as, tls, state, _server(reason))
    if operation == "extended":
        answered = reason is None and _text(record, "detail") == WHO_AM_I_ASKED
        other = answered or reason in (Reason.extended_not_allowed, Reason.starttls_required)
        has_tls = answered or reason in (Reason.extended_not_allowed, Reason.starttls_out_of_order)
        return Question(ExtendedRequest(WHO_AM_I if other else START_TLS), (), bound_as, has_tls, state)
    if operation in UNSERVED_TAGS:
        return Question(UnservedRequest(UNSERVED_TAGS[operation]), (), bound_as, tls, state)
    raise NotJudged("no request")


def changes(before: Was, now: Decision, client: ClientPolicy | None) -> list[str]:
    """What is decided otherwise now; nothing where all is the same."""
    if isinstance(now, Refuse):
        if before.reason == now.reason:
            return []
        setting = setting_words(now, client)
        advice = f"; see {setting}" if setting else ""
        detail = f" ({now.detail})" if now.detail else ""
        return [f"{_outcome(before)}, would be refused: {now.reason}{detail}{advice}"]
    if before.reason:
        return [f"{_outcome(before)}, would be permitted"]
    return _changed_search(before, now) if isinstance(now, SearchPlan) else []


def _outcome(before: Was) -> str:
    return f"was refused: {before.reason}" if before.reason else "was permitted"


def _changed_search(before: Was, now: SearchPlan) -> list[str]:
    forwarded = now.parts[0].attributes
    narrowed_to = tuple(part.base for part in now.parts) if now.narrowed else ()
    found = []
    for more, less, what in (
        (forwarded, before.forwarded or (), "forwarded"),
        (now.held_back, before.held_back, "held back"),
    ):
        added, removed = _without(more, less), _without(less, more)
        if added:
            found.append(f"would be {what}: {', '.join(added)}")
        if removed:
            found.append(f"would no longer be {what}: {', '.join(removed)}")
    if narrowed_to != before.narrowed_to:
        bases = ", ".join(f'"{base}"' for base in narrowed_to)
        found.append(f"would be answered from {bases}" if bases else "would no longer be narrowed")
    return found


def _without(names: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    known = {name.lower() for name in others}
    return [name for name in names if name.lower() not in known]


def _bind(record: dict[str, Any], reason: Reason | None) -> BindRequest:
    """A bind as it came; its record has the name as it was read."""
    received = [_text(name, "received") for name in _mended(record) if name.get("where") == "name"]
    name = received[0] if received else _text(record, "account")
    if reason is Reason.version_not_3:
        return BindRequest(2, name, SimpleAuthentication(ANY_PASSWORD))
    if reason is Reason.sasl_not_allowed:
        return BindRequest(3, name, SaslAuthentication("EXTERNAL"))
    if reason is Reason.empty_password:
        return BindRequest(3, name, SimpleAuthentication(b""))
    if reason is Reason.bind_name_form_not_allowed:
        return BindRequest(3, name, SimpleAuthentication(ANY_PASSWORD))
    return sign_in(name)


def _search(record: dict[str, Any]) -> SearchRequest:
    scope = _text(record, "scope")
    try:
        wanted = parse_filter(_text(record, "filter"), DEEPEST)
    except FilterTextError:
        raise NotJudged("its filter is no text of RFC 4515") from None
    if scope not in SCOPE_NAMES:
        raise NotJudged("it has no scope")
    return SearchRequest(_text(record, "base"), SCOPE_NAMES.index(scope), wanted, _names(record, "asked"))


def _controls(record: dict[str, Any], reason: Reason | None, policy: Policy) -> tuple[Control, ...]:
    """The control that was refused, as far as the reason tells of it; a record has none."""
    if reason is Reason.paging_not_supported:
        return (PagedResults(policy.settings.page_size).to_control(critical=True),)
    if reason is Reason.cookie_not_valid:
        return (PagedResults(policy.settings.page_size, b"?").to_control(critical=False),)
    if reason not in (Reason.control_not_allowed, Reason.control_not_supported):
        if reason in _OF_CONTROLS:
            raise NotJudged("the record does not hold the controls that it was refused for")
        return ()
    oid = _text(record, "detail")
    if oid == SORT:
        raise NotJudged("the record does not hold the controls that it was refused for")
    if oid == PAGED_RESULTS:
        return (PagedResults(policy.settings.page_size).to_control(critical=True),)
    return (Control(oid, critical=True),)


def _bound_as(record: dict[str, Any], reason: Reason | None, policy: Policy) -> AccountKind | None:
    """Whom the session is bound as where its account signs in today; None where it does not."""
    account = _text(record, "account")
    if account:
        kind = account_kind(policy, account)
        return None if isinstance(kind, Refuse) else kind
    if reason is Reason.not_bound or not policy.settings.allow_anonymous:
        return None
    return AccountKind.anonymous


def _server(reason: Reason | None) -> Features | None:
    return Features() if reason in (Reason.filter_supertype, Reason.control_not_supported) else None


def _is_a_reason(text: str) -> bool:
    return text in Reason.__members__.values()


def _text(record: dict[str, Any], name: str) -> str:
    found = record.get(name)
    return found if isinstance(found, str) else ""


def _names(record: dict[str, Any], name: str) -> tuple[str, ...]:
    found = record.get(name)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _mapping(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _mended(record: dict[str, Any]) -> list[dict[str, Any]]:
    found = record.get("mended")
    return [name for name in found if isinstance(name, dict)] if isinstance(found, list) else []
