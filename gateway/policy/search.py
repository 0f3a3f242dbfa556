"""Which searches may pass, and what the server is sent in their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.ldap.attribute_types import TypeSet, canonical_type, split_description
from gateway.ldap.controls import Control
from gateway.ldap.filters import And
from gateway.ldap.messages import BASE_OBJECT, NO_ATTRIBUTES, SearchRequest
from gateway.policy.base_spelling import BaseSpellings
from gateway.policy.controls import ControlJudge, SearchControls
from gateway.policy.decision import AncestorPlan, Mended, Refuse, RootDsePlan, SearchPlan, SubschemaPlan
from gateway.policy.dn_values import DNValues
from gateway.policy.filter_findings import FilterRefused, Noted
from gateway.policy.mending import Budget, known_names
from gateway.policy.narrowing import asks_for_class_only, narrowed
from gateway.policy.operations import is_root_dse
from gateway.policy.reasons import Reason
from gateway.policy.rootdse import answer_root_dse
from gateway.policy.search_base import BaseJudge, SearchBase
from gateway.policy.search_filter import FilterJudge
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import BaseAbove, ClientPolicy, Mode, WhenDenied
from gateway.policy.subschema import decide_subschema


@dataclass(frozen=True, slots=True)
class _Selection:
    """What becomes of a list of attributes. reported: how many pass only because of `mode: report`."""

    forwarded: tuple[str, ...]
    held_back: tuple[str, ...]
    reported: int


# A service asks for the same few lists over and over. Characters of one that is remembered.
_REMEMBERED_SELECTIONS: Final = 100
_LONGEST_SELECTION: Final = 4096


class SearchJudge:
    """Decides one client's searches. controls: of their controls; bases: of their base DNs."""

    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        self.controls = ControlJudge(policy)
        self._types = TypeSet(policy.attributes)
        known = known_names(policy)
        self.bases = BaseJudge(policy, known)
        self._selections: dict[tuple[str, ...], _Selection] = {}
        self._filters = FilterJudge(policy, DNValues(policy, known, self.bases))

    def decide(
        self,
        request: SearchRequest,
        controls: tuple[Control, ...],
        budget: Budget | None = None,
        spellings: BaseSpellings = (),
    ) -> SearchPlan | AncestorPlan | RootDsePlan | SubschemaPlan | Refuse:
        """The plan for a search by a sync account, or for the root DSE by anybody. budget: for reading names that lack
        their escapes; None for any. spellings: of base DNs, by the session's server."""
        asked_for = self.controls.of_search(controls)
        if isinstance(asked_for, Refuse):
            return asked_for
        if is_root_dse(request):
            return self._root_dse(request, asked_for)
        if self._policy.subschema is not None:
            schema = self._subschema(request, asked_for)
            if schema is not None:
                return schema
        base = self.bases.decide(request.base, budget, spellings)
        if isinstance(base, Refuse):
            return base
        noted = Noted(budget)
        if base.suspicious:
            noted.suspicious.append("base")
        try:
            wanted = self._filters.rewrite(request.filter, noted)
        except FilterRefused as refused:
            return refuse_search(refused.reason, refused.text, refused.name, setting=refused.setting)
        attributes, held_back = self._attributes(request.attributes, noted.reported)
        if held_back and self._policy.when_denied is WhenDenied.refuse:
            return refuse_search(Reason.attribute_not_allowed, detail=", ".join(held_back))
        rewritten = SearchRequest(
            base=base.text,
            scope=request.scope,
            filter=wanted,
            attributes=attributes,
            # An alias may point anywhere, so none is followed (RFC 4511 4.5.1.3: neverDerefAliases).
            deref_aliases=0,
            time_limit=_clamp(request.time_limit, self._policy.time_limit),
            types_only=request.types_only,
        )
        if base.above and request.scope == BASE_OBJECT:
            return self._ancestor(rewritten, held_back, base.mended, asked_for)
        if base.above and self._policy.base_above is BaseAbove.entry:
            return refuse_search(Reason.base_above_allowed, setting="clients.X.base_above")
        size_limit = _clamp(request.size_limit, self._policy.size_limit)
        parts = self._parts(rewritten, base)
        if not parts:
            return refuse_search(Reason.base_above_allowed, setting="clients.X.base_dns")
        kept = asked_for.over(len(parts))
        if isinstance(kept, Refuse):
            return kept
        if len(parts) == 1 and kept.page is None:
            # Otherwise a server would count each part, and perhaps each page, by itself: there the gateway counts.
            parts = (_changed(parts[0], parts[0].attributes, size_limit),)
        return SearchPlan(
            parts=parts,
            asked=_changed(rewritten, request.attributes, rewritten.size_limit),
            page=kept.page,
            page_critical=kept.page_critical,
            controls=kept.forwarded,
            size_limit=size_limit,
            held_back=held_back,
            reported=tuple(dict.fromkeys(noted.reported)),
            narrowed=base.above,
            mended=(*base.mended, *noted.mended),
            suspicious=tuple(dict.fromkeys(noted.suspicious)),
            answers=kept.answers,
            drops_references=kept.drops_references,
            supertypes=tuple(dict.fromkeys(noted.supertypes)),
            sort_supertype=kept.sort_supertype,
        )

    def _root_dse(self, request: SearchRequest, asked_for: SearchControls) -> RootDsePlan | Refuse:
        kept = asked_for.of_one_entry()
        if isinstance(kept, Refuse):
            return kept
        return replace(answer_root_dse(self._policy, request), answers=kept.answers)

    def _subschema(self, request: SearchRequest, asked_for: SearchControls) -> SubschemaPlan | Refuse | None:
        """None where it is not the schema's entry that is asked for."""
        plan = decide_subschema(self._policy, request)
        if not isinstance(plan, SubschemaPlan):
            return plan
        kept = asked_for.of_one_entry()
        return kept if isinstance(kept, Refuse) else replace(plan, answers=kept.answers)

    def _parts(self, rewritten: SearchRequest, base: SearchBase) -> tuple[SearchRequest, ...]:
        if self._policy.required_filter is not None:
            rewritten = replace(rewritten, filter=And((self._policy.required_filter, rewritten.filter)))
        if not base.above:
            return (rewritten,)
        found = narrowed(base.dn, rewritten.scope, self.bases.usable)
        return tuple(replace(rewritten, base=str(dn), scope=scope) for dn, scope in found)

    def _ancestor(
        self, asked: SearchRequest, held_back: tuple[str, ...], mended: tuple[Mended, ...], asked_for: SearchControls
    ) -> AncestorPlan | Refuse:
        """required_filter is left out: it chooses among people, and this is the container above them."""
        if not asks_for_class_only(asked.filter):
            return refuse_search(Reason.base_above_allowed, setting="clients.X.base_dns")
        kept = asked_for.of_one_entry()
        if isinstance(kept, Refuse):
            return kept
        names = tuple(name for name in asked.attributes if canonical_type(name) == "objectclass")
        request = replace(asked, attributes=names or (NO_ATTRIBUTES,))
        return AncestorPlan(request, held_back, mended, kept.forwarded, kept.answers)

    def _attributes(self, asked: tuple[str, ...], reported: list[Reason]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is asked of the server, never an empty list (RFC 4511 4.5.1.8: that would mean all), and what
        the client does not get."""
        known = self._selections.get(asked)
        if known is None:
            known = self._select(asked)
            if len(self._selections) >= _REMEMBERED_SELECTIONS:
                self._selections.clear()
            if sum(map(len, asked)) <= _LONGEST_SELECTION:
                self._selections[asked] = known
        reported.extend([Reason.attribute_not_allowed] * known.reported)
        return known.forwarded, known.held_back

    def _select(self, asked: tuple[str, ...]) -> _Selection:
        # dict: each once, in order.
        forwarded: dict[str, None] = {}
        held_back: list[str] = []
        reported = 0
        for name in asked or ("*",):
            if name == "*":
                forwarded.update(dict.fromkeys(self._types.spellings()))
                continue
            if name == NO_ATTRIBUTES:
                continue
            parts = split_description(name)
            spelling = None if parts is None else self._types.find(parts[0])
            if parts is not None and spelling is not None:
                forwarded[";".join((spelling, *parts[1]))] = None
                continue
            held_back.append(name)
            if parts is not None and self._policy.mode is Mode.report:
                # The server is asked, so that its answer is the same with and without enforcement; what it
                # returns is held back on the way to the client all the same.
                reported += 1
                forwarded[name] = None
        return _Selection(tuple(forwarded) or (NO_ATTRIBUTES,), tuple(held_back), reported)


def _changed(request: SearchRequest, attributes: tuple[str, ...], size_limit: int) -> SearchRequest:
    """The request with these changes. It takes a fraction of the time of dataclasses.replace: this is on every search's
    way."""
    return SearchRequest(
        request.base,
        request.scope,
        request.filter,
        attributes,
        request.deref_aliases,
        size_limit,
        request.time_limit,
        request.types_only,
    )


def _clamp(asked: int, most: int) -> int:
    if most == 0:
        return asked
    return most if asked == 0 else min(asked, most)
