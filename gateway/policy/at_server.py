"""What of a permitted search depends on the server that it goes to: what a supertype in it stands for there, and which
of its controls the server supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from gateway.ldap.controls import MANAGE_DSA_IT, SORT, Control
from gateway.ldap.results import ResultCode
from gateway.ldap.sorting import SortResult
from gateway.policy.decision import AncestorPlan, Refuse, SearchPlan
from gateway.policy.reasons import Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import Mode


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Features:
    """What a server is and can do. controls: the OIDs in its supportedControl."""

    is_active_directory: Final[bool]
    controls: Final[frozenset[str]]

    def __init__(self, is_active_directory: bool = False, controls: frozenset[str] = frozenset()) -> None:
        self.is_active_directory = is_active_directory
        self.controls = controls

    def take(self, control: Control) -> bool | None:
        """Whether it is to be sent; None where the server does not support it. Where False its meaning is met without
        it: Active Directory has no referral objects, which manageDsaIT would show (RFC 3296 2)."""
        if control.oid in self.controls:
            return True
        return False if control.oid == MANAGE_DSA_IT and self.is_active_directory else None


@dataclass(frozen=True, slots=True)
class AtServer:
    """A search as this server gets it. controls: that it is sent. answers: controls of the result that are known before
    it is asked. reported: what enforce would refuse here."""

    controls: tuple[Control, ...]
    answers: tuple[Control, ...]
    reported: tuple[Reason, ...] = ()


def decide_search_at_server(mode: Mode, plan: SearchPlan, known: Features) -> AtServer | Refuse:
    reported: tuple[Reason, ...] = ()
    if plan.supertypes and not known.is_active_directory:
        if mode is not Mode.report:
            return refuse_search(Reason.filter_supertype, detail=", ".join(plan.supertypes))
        reported = (Reason.filter_supertype,)
    code = int(ResultCode.unwillingToPerform)
    if plan.sort_supertype and not known.is_active_directory:
        # It would order by the values of unlisted attributes.
        known = Features(False, known.controls - {SORT})
        code = int(ResultCode.insufficientAccessRights)
    refusal = _unsupported(plan.controls, known, code)
    if refusal is not None:
        return refusal
    answers = plan.answers
    if any(control.oid == SORT and known.take(control) is None for control in plan.controls):
        # RFC 2891 2: what cannot be sorted comes unsorted where the sort is not critical, and the answer says so.
        answers = (*answers, SortResult(code).to_control())
    return AtServer(_taken(plan.controls, known), answers, reported)


def decide_ancestor_at_server(plan: AncestorPlan, known: Features) -> AtServer | Refuse:
    refusal = _unsupported(plan.controls, known, int(ResultCode.unwillingToPerform))
    return AtServer(_taken(plan.controls, known), plan.answers) if refusal is None else refusal


def _taken(controls: tuple[Control, ...], known: Features) -> tuple[Control, ...]:
    return tuple([control for control in controls if known.take(control)])


def _unsupported(controls: tuple[Control, ...], known: Features, code: int) -> Refuse | None:
    """Why a search is refused at this server, by its controls; None where it is not. code: of the answer to a sort."""
    for control in controls:
        if control.critical and known.take(control) is None:
            answers = (SortResult(code).to_control(),) if control.oid == SORT else ()
            return refuse_search(Reason.control_not_supported, detail=control.oid, controls=answers)
    return None
