"""What a client's policy makes of a request that somebody types by hand or takes from the audit; nothing is sent
anywhere.

The request is written as octets and read again within the limits, as a session reads it. Then it goes through the door
that a session's requests go through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from gateway.ldap import ber
from gateway.ldap.controls import (
    DOMAIN_SCOPE,
    PAGED_RESULTS,
    SORT,
    Control,
    PagedResults,
    paged_results,
    write_controls,
)
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import write_operation
from gateway.ldap.errors import DecodeError, RequestFault
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    BindRequest,
    LDAPMessage,
    Request,
    SimpleAuthentication,
    UnservedRequest,
    blank_request,
)
from gateway.ldap.results import ResultCode
from gateway.ldap.sorting import SortKey, sort_control
from gateway.policy.asked import Asked
from gateway.policy.at_server import Features
from gateway.policy.decision import AccountKind, BindPlan, Decision, Refuse
from gateway.policy.mending import mending_setting
from gateway.policy.policy import Policy
from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import Reason
from gateway.policy.settings import ClientPolicy
from gateway.relay.settings import SessionLimits

# What may be asked for with a state of the running gateway.
STATES: Final = tuple(reason for reason, kind in KINDS.items() if kind is Kind.state)

# Stands for a password; what is judged is never the password.
ANY_PASSWORD: Final = b"x"

# What Active Directory has in its supportedControl (MS-ADTS 3.1.1.3.4.1) of the controls that the gateway understands.
ACTIVE_DIRECTORY_CONTROLS: Final = frozenset({PAGED_RESULTS, SORT, DOMAIN_SCOPE})


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and what is known of the session that it comes on.

    bound_as: None for nobody. tls: False before StartTLS, on a listener that demands it. state: one of STATES that
    holds, None for none. server: None where what depends on it is left open.
    """

    request: Request
    controls: tuple[Control, ...] = ()
    bound_as: AccountKind | None = None
    tls: bool = True
    state: Reason | None = None
    server: Features | None = None


class NotWellFormed(ValueError):
    """What was typed cannot be made into a request; the text says why."""


class _Spent:
    """A budget for names without their escapes of which nothing is left."""

    def __init__(self, has_account: bool) -> None:
        self._has_account = has_account

    def take(self, characters: int) -> bool:
        return False

    def setting(self) -> str:
        return mending_setting(self._has_account)


def decide(policy: Policy, limits: SessionLimits, question: Question) -> Decision:
    """What a session would make of it. Raises NotWellFormed for what cannot be sent at all."""
    # RFC 4511 4.2.1: a bind makes the session anonymous before anything else.
    bound_as = None if isinstance(question.request, BindRequest) else question.bound_as
    before, after = limits.message_before_bind, limits.message_after_bind
    framer = Framer(before if bound_as is None else after)
    asked: RequestFault | LDAPMessage
    try:
        framer.feed(_octets(question))
        data = framer.next_message()
        if data is None:
            raise TypeError("a whole message was written and is not there")
        asked = decode_request(data, limits.request)
    except RequestFault as fault:
        asked = fault
    except DecodeError as error:
        setting = "limits.message_before_bind" if bound_as is None else "limits.message_after_bind"
        return Refuse(Reason.message_malformed, ResultCode.protocolError, str(error), str(error), setting=setting)
    return policy.decide(_asked(question, asked, bound_as))


def _asked(question: Question, read: RequestFault | LDAPMessage, bound_as: AccountKind | None) -> Asked:
    state = question.state
    spent = _Spent(bound_as in (AccountKind.sync, AccountKind.login)) if state is Reason.too_much_mending else None
    controls: tuple[Control, ...] = ()
    fault: RequestFault | None = None
    if isinstance(read, RequestFault):
        request, fault = blank_request(read.tag) or question.request, read
    else:
        request, controls = cast(Request, read.operation), read.controls
    if state is None and any(_has_cookie(control) for control in controls):
        # No session is open here that could know it.
        state = Reason.cookie_not_valid
    return Asked(
        request,
        controls,
        bound_as,
        question.tls,
        not question.tls,
        obstacle=None if spent is not None else state,
        budget=spent,
        fault=fault,
        server=question.server,
    )


def _has_cookie(control: Control) -> bool:
    try:
        return control.oid == PAGED_RESULTS and bool(paged_results(control).cookie)
    except DecodeError:
        return False


def _octets(question: Question) -> bytes:
    request = question.request
    try:
        operation = _unread(request) if isinstance(request, UnservedRequest) else write_operation(request)
        return ber.element(ber.SEQUENCE, ber.integer(1) + operation + write_controls(question.controls))
    except ValueError as error:
        detail = str(error)
    raise NotWellFormed(f"this cannot be written as LDAP: {detail}")


def _unread(request: UnservedRequest) -> bytes:
    """An operation that is not served: nothing in it is ever read."""
    return ber.element(request.tag, b"")


def sign_in(name: str, version: int = 3) -> BindRequest:
    """A bind with some password, without one where there is no name: that is an anonymous bind."""
    return BindRequest(version, name, SimpleAuthentication(ANY_PASSWORD if name else b""))


def account_kind(policy: Policy, name: str) -> AccountKind | Refuse:
    """What a session is that has signed in by this name; why nobody signs in by it otherwise."""
    plan = policy.decide(Asked(sign_in(name)))
    if isinstance(plan, BindPlan):
        return plan.kind
    if isinstance(plan, Refuse):
        return plan
    raise TypeError("a bind was decided as something else")


def usual_kind(settings: ClientPolicy) -> AccountKind | None:
    """Whoever of the client may do most: a sync account, where it has any."""
    if settings.sync_accounts:
        return AccountKind.sync
    if settings.allow_anonymous:
        return AccountKind.anonymous
    return AccountKind.login if settings.login_base_dns else None


def features(kind: Literal["active-directory", "other"], controls: tuple[str, ...]) -> Features:
    """What is known of a server of this kind. controls: OIDs that it supports besides those of its kind."""
    if kind == "active-directory":
        return Features(True, ACTIVE_DIRECTORY_CONTROLS | set(controls))
    return Features(False, frozenset(controls))


def read_control(text: str, page_size: int) -> Control:
    """From `OID[=critical][:VALUE]`. Raises NotWellFormed.

    VALUE is `SIZE[,COOKIE]` for paged results (page_size without it; the cookie in hexadecimal digits),
    `[-]NAME[:RULE]` with commas between keys for sort (`-` is the reverse order), and octets in hexadecimal digits for
    all others.
    """
    head, colon, value = text.partition(":")
    oid, equals, word = head.partition("=")
    if equals and word != "critical":
        raise NotWellFormed(f"{text}: OID, OID=critical or OID=critical:VALUE is expected")
    critical = bool(equals)
    if oid == PAGED_RESULTS:
        return _page(text, value or str(page_size)).to_control(critical)
    if oid == SORT and colon:
        return sort_control(tuple(_sort_key(key) for key in value.split(",")), critical)
    return Control(oid, critical, _hexadecimal(text, value) if colon else None)


def _page(text: str, value: str) -> PagedResults:
    size, _, cookie = value.partition(",")
    if not size.isascii() or not size.isdigit() or int(size) > ber.MAX_INT:
        raise NotWellFormed(f"{text}: a number of entries is expected, or one with a cookie, like 100,00ff")
    return PagedResults(int(size), _hexadecimal(text, cookie))


def _sort_key(text: str) -> SortKey:
    name, colon, rule = text.removeprefix("-").partition(":")
    return SortKey(name, rule if colon else None, text.startswith("-"))


def _hexadecimal(text: str, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        pass
    raise NotWellFormed(f"{text}: an even number of hexadecimal digits is expected")
