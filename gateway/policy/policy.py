"""One client's policy, ready to decide: compiled once per configuration load, shared by its sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.ldap.controls import Control
from gateway.ldap.entries import EntryFilter
from gateway.ldap.messages import WHO_AM_I, BindRequest, ExtendedRequest, SearchRequest
from gateway.policy.asked import Asked
from gateway.policy.at_server import AtServer, Features, decide_ancestor_at_server, decide_search_at_server
from gateway.policy.base_spelling import BaseSpellings, usable
from gateway.policy.bind import BindJudge
from gateway.policy.decision import AncestorPlan, BindPlan, Decision, Refuse, SearchPlan
from gateway.policy.entry import EntryJudge
from gateway.policy.mending import Budget
from gateway.policy.obstacles import refuse_at_arrival, refuse_later
from gateway.policy.operations import decide_operation, decide_start_tls, decide_who_am_i, refuse_fault
from gateway.policy.search import SearchJudge
from gateway.policy.settings import ClientPolicy
from gateway.policy.shrink import Shapes

# Sets of spellings for which the way of the entries is kept: one or two for each server of a directory.
_REMEMBERED_SPELLINGS: Final = 64


class Policy:
    """The doors through which everything of a session goes: `decide` for requests, the others for what comes back."""

    __slots__ = ("_spelled", "bind", "controls", "entries", "entry_filter", "search", "settings", "shapes")

    def __init__(self, settings: ClientPolicy) -> None:
        self.settings = settings
        self.bind = BindJudge(settings)
        self.search = SearchJudge(settings)
        self.controls = self.search.controls
        self.shapes = Shapes(settings.name)
        self.entries = EntryJudge(settings)
        self.entry_filter = _entry_filter(self.entries)
        self._spelled: dict[BaseSpellings, EntryFilter] = {}

    def entry_filter_of(self, spellings: BaseSpellings) -> EntryFilter:
        """The way of the entries of a server that spells base DNs so; entry_filter where it does not matter."""
        found = self._spelled.get(spellings)
        if found is None:
            mine = usable(spellings, self.settings)
            found = _entry_filter(EntryJudge(self.settings, mine)) if mine else self.entry_filter
            if len(self._spelled) >= _REMEMBERED_SPELLINGS:
                self._spelled.clear()
            self._spelled[spellings] = found
        return found

    def decide(self, asked: Asked) -> Decision:
        """What becomes of a request. The order is what the client may learn: whether it comes at a time when it can
        be served, whether its operation is served at all, whether it can be read, and then what is in it.

        Unbind and abandon have no response, so nothing is decided of them: TypeError.
        """
        if asked.obstacle is not None:
            early = refuse_at_arrival(asked.obstacle, asked.bound_as)
            if early is not None:
                return early
        decision = self._decide(asked)
        if asked.obstacle is not None:
            return refuse_later(asked.obstacle, self.settings, decision) or decision
        return decision

    def _decide(self, asked: Asked) -> Decision:
        request = asked.request
        needs_tls = asked.needs_tls and not asked.tls
        refusal = decide_operation(
            request, asked.controls, asked.bound_as, needs_tls, tells_identity=self.settings.tells_identity
        )
        if refusal is not None:
            return refusal
        if asked.fault is not None:
            return refuse_fault(asked.fault)
        if isinstance(request, SearchRequest):
            plan = self.search.decide(request, asked.controls, asked.budget, asked.spellings)
            return plan if asked.server is None else self._at_server(plan, asked.server)
        if isinstance(request, BindRequest):
            return self._decide_bind(request, asked.controls, asked.budget)
        if isinstance(request, ExtendedRequest):
            if request.oid == WHO_AM_I:
                return decide_who_am_i(request)
            return decide_start_tls(asked.tls, asked.busy)
        raise TypeError("nothing is decided of a request without a response")

    def decide_at_server(self, plan: SearchPlan | AncestorPlan, known: Features) -> AtServer | Refuse:
        """What becomes of a permitted search once it is known what the server is and can do."""
        if isinstance(plan, AncestorPlan):
            return decide_ancestor_at_server(plan, known)
        return decide_search_at_server(self.settings.mode, plan, known)

    def _at_server(self, decision: Decision, known: Features) -> Decision:
        if isinstance(decision, SearchPlan | AncestorPlan):
            there = self.decide_at_server(decision, known)
            if isinstance(there, Refuse):
                return there
        return decision

    def _decide_bind(
        self, request: BindRequest, asked: tuple[Control, ...], budget: Budget | None
    ) -> BindPlan | Refuse:
        controls = self.controls.of_bind(asked)
        if isinstance(controls, Refuse):
            return controls
        plan = self.bind.decide(request, budget)
        return replace(plan, controls=controls) if controls and isinstance(plan, BindPlan) else plan


def _entry_filter(entries: EntryJudge) -> EntryFilter:
    return EntryFilter(entries.attribute_number, entries.judge_dn, entries.judge_below)
