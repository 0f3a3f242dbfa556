"""Which searches may pass, and what the server is sent in their place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.ldap.attribute_types import TypeSet, canonical_type, split_description
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import And
from gateway.ldap.messages import BASE_OBJECT, NO_ATTRIBUTES, SearchRequest
from gateway.ldap.results import ResultCode
from gateway.policy.decision import AncestorPlan, Refuse, RootDsePlan, SearchPlan
from gateway.policy.narrowing import asks_for_class_only, narrowed
from gateway.policy.operations import is_root_dse
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.rootdse import answer_root_dse
from gateway.policy.search_filter import FilterJudge, FilterRefused
from gateway.policy.settings import BaseAbove, ClientPolicy, Mode, Paging, WhenDenied


@dataclass(frozen=True, slots=True)
class _Controls:
    page: PagedResults | None
    page_critical: bool
    others: tuple[Control, ...]


class SearchJudge:
    """Decides one client's searches."""

    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        self._types = TypeSet(policy.attributes)
        self._filters = FilterJudge(policy)
        # The longest first: where bases nest, the most specific spelling is the one that is sent.
        self._bases = sorted(policy.base_dns, key=lambda base: len(base.rdns), reverse=True)

    def decide(
        self, request: SearchRequest, controls: tuple[Control, ...]
    ) -> SearchPlan | AncestorPlan | RootDsePlan | Refuse:
        """The plan for a search by a sync account, or for the root DSE by anybody."""
        kept = self._controls(controls)
        if isinstance(kept, Refuse):
            return kept
        if is_root_dse(request):
            return answer_root_dse(self._policy, request)
        try:
            base = parse(request.base)
        except DNError as error:
            return refuse_search(Reason.base_malformed, f"{Reason.base_malformed}: {error}")
        allowed = self._allowed_base(base)
        if isinstance(allowed, Refuse):
            return allowed
        reported: list[Reason] = []
        try:
            wanted = self._filters.rewrite(request.filter, reported)
        except FilterRefused as refused:
            return refuse_search(refused.reason, detail=refused.name)
        attributes, held_back = self._attributes(request.attributes, reported)
        if held_back and self._policy.when_denied is WhenDenied.refuse:
            return refuse_search(Reason.attribute_not_allowed, detail=", ".join(held_back))
        rewritten = SearchRequest(
            base=str(self._above(base) if allowed is None else base.rebase(allowed)),
            scope=request.scope,
            filter=wanted,
            attributes=attributes,
            # An alias may point anywhere, so none is followed (RFC 4511 4.5.1.3: neverDerefAliases).
            deref_aliases=0,
            time_limit=_clamp(request.time_limit, self._policy.time_limit),
            types_only=request.types_only,
        )
        if allowed is None and request.scope == BASE_OBJECT:
            return self._ancestor(rewritten, held_back)
        size_limit = _clamp(request.size_limit, self._policy.size_limit)
        parts = self._parts(rewritten, base, narrow=allowed is None)
        if not parts:
            return refuse_search(Reason.base_above_allowed)
        if len(parts) == 1 and kept.page is None:
            # Otherwise a server would count each part, and perhaps each page, by itself: there the gateway counts.
            parts = (replace(parts[0], size_limit=size_limit),)
        return SearchPlan(
            parts=parts,
            asked=replace(rewritten, attributes=request.attributes),
            page=kept.page,
            page_critical=kept.page_critical,
            controls=kept.others,
            size_limit=size_limit,
            held_back=held_back,
            reported=tuple(dict.fromkeys(reported)),
            narrowed=allowed is None,
        )

    def _parts(self, rewritten: SearchRequest, base: DN, *, narrow: bool) -> tuple[SearchRequest, ...]:
        if self._policy.required_filter is not None:
            rewritten = replace(rewritten, filter=And((self._policy.required_filter, rewritten.filter)))
        if not narrow:
            return (rewritten,)
        usable = tuple(allowed for allowed in self._policy.base_dns if not self._is_excluded(allowed))
        found = narrowed(base, rewritten.scope, usable)
        return tuple(replace(rewritten, base=str(dn), scope=scope) for dn, scope in found)

    def _allowed_base(self, base: DN) -> DN | Refuse | None:
        """The allowed base that base lies in; None where base lies above allowed ones and may be narrowed."""
        if self._is_excluded(base):
            return refuse_search(Reason.base_excluded)
        for allowed in self._bases:
            if base.is_inside(allowed):
                return allowed
        if not any(allowed.is_inside(base) for allowed in self._bases):
            return refuse_search(Reason.base_not_allowed)
        if self._policy.base_above is BaseAbove.refuse:
            return refuse_search(Reason.base_above_allowed)
        return None

    def _above(self, base: DN) -> DN:
        """A base above allowed ones, in the spelling that these have for it."""
        below = next(allowed for allowed in self._bases if allowed.is_inside(base))
        return DN(below.rdns[len(below.rdns) - len(base.rdns) :])

    def _is_excluded(self, base: DN) -> bool:
        return any(base.is_inside_loosely(excluded) for excluded in self._policy.excluded_base_dns)

    def _ancestor(self, asked: SearchRequest, held_back: tuple[str, ...]) -> AncestorPlan | Refuse:
        """required_filter is left out: it chooses among people, and this is the container above them."""
        if not asks_for_class_only(asked.filter):
            return refuse_search(Reason.base_above_allowed)
        names = tuple(name for name in asked.attributes if canonical_type(name) == "objectclass")
        return AncestorPlan(replace(asked, attributes=names or (NO_ATTRIBUTES,)), held_back)

    def _attributes(
        self, asked: tuple[str, ...], reported: list[Reason]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is asked of the server, never an empty list (RFC 4511 4.5.1.8: that would mean all), and what
        the client does not get."""
        # dict: each once, in order.
        forwarded: dict[str, None] = {}
        held_back: list[str] = []
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
                reported.append(Reason.attribute_not_allowed)
                forwarded[name] = None
        return tuple(forwarded) or (NO_ATTRIBUTES,), tuple(held_back)

    def _controls(self, controls: tuple[Control, ...]) -> _Controls | Refuse:
        """A listed control passes with its value; only the value of paged results is known and written anew."""
        kept: list[Control] = []
        page: PagedResults | None = None
        page_critical = False
        if len({control.oid for control in controls}) != len(controls):
            return refuse_search(Reason.control_malformed, "control-malformed: the same control twice")
        for control in controls:
            if control.oid not in self._policy.controls:
                if control.critical:
                    return refuse_search(Reason.control_not_allowed, detail=control.oid)
                continue
            if control.oid != PAGED_RESULTS:
                kept.append(control)
                continue
            try:
                asked = paged_results(control)
            except DecodeError:
                return refuse_search(Reason.control_malformed, "control-malformed: the paged results control")
            if self._policy.paging is Paging.never:
                if control.critical:
                    return refuse_search(Reason.paging_not_supported)
                if asked.cookie:
                    return refuse_search(Reason.cookie_not_valid)
                continue
            # RFC 2696 3: fewer entries than asked for may come; a size of 0 gives up a search that has a cookie.
            most = self._policy.page_size
            size = min(asked.size, most) if asked.size or asked.cookie else most
            page, page_critical = PagedResults(size, asked.cookie), control.critical
        return _Controls(page, page_critical, tuple(kept))


_CODES = {
    Reason.base_malformed: ResultCode.invalidDNSyntax,
    Reason.control_not_allowed: ResultCode.unavailableCriticalExtension,
    Reason.paging_not_supported: ResultCode.unavailableCriticalExtension,
    # RFC 2696 3: the client then knows that this paged search is over.
    Reason.cookie_not_valid: ResultCode.unwillingToPerform,
    Reason.control_malformed: ResultCode.protocolError,
}


def refuse_search(reason: Reason, text: str = "", detail: str = "") -> Refuse:
    """Names what was refused: names of attributes, rules and controls are the client's own words."""
    said = text or f"{reason}: {REASONS[reason].meaning}" + (f" ({detail})" if detail else "")
    return Refuse(reason, _CODES.get(reason, ResultCode.insufficientAccessRights), said, detail)


def _clamp(asked: int, most: int) -> int:
    if most == 0:
        return asked
    return most if asked == 0 else min(asked, most)
