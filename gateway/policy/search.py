"""Which searches may pass, and what the server is sent in their place."""

from __future__ import annotations

from gateway.ldap.attribute_types import TypeSet, split_description
from gateway.ldap.controls import PAGED_RESULTS, Control, paged_results
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import And, Filter
from gateway.ldap.messages import NO_ATTRIBUTES, SearchRequest
from gateway.ldap.results import ResultCode
from gateway.policy.decision import Refuse, RootDsePlan, SearchPlan
from gateway.policy.operations import is_root_dse
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.rootdse import answer_root_dse
from gateway.policy.search_filter import FilterJudge, FilterRefused
from gateway.policy.settings import ClientPolicy, Mode, WhenDenied


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
    ) -> SearchPlan | RootDsePlan | Refuse:
        """The plan for a search by a sync account, or for the root DSE by anybody."""
        kept = self._controls(controls)
        if isinstance(kept, Refuse):
            return kept
        if is_root_dse(request):
            return answer_root_dse(self._policy, request)
        base = self._base(request.base)
        if isinstance(base, Refuse):
            return base
        reported: list[Reason] = []
        wanted = self._filter(request.filter, reported)
        if isinstance(wanted, Refuse):
            return wanted
        attributes, held_back = self._attributes(request.attributes, reported)
        if held_back and self._policy.when_denied is WhenDenied.refuse:
            return _refuse(Reason.attribute_not_allowed, detail=", ".join(held_back))
        rewritten = SearchRequest(
            base=str(base),
            scope=request.scope,
            filter=wanted,
            attributes=attributes,
            # An alias may point anywhere, so none is followed (RFC 4511 4.5.1.3: neverDerefAliases).
            deref_aliases=0,
            size_limit=_clamp(request.size_limit, self._policy.size_limit),
            time_limit=_clamp(request.time_limit, self._policy.time_limit),
            types_only=request.types_only,
        )
        return SearchPlan(rewritten, kept, held_back, tuple(dict.fromkeys(reported)))

    def _base(self, text: str) -> DN | Refuse:
        try:
            base = parse(text)
        except DNError as error:
            return _refuse(Reason.base_malformed, f"{Reason.base_malformed}: {error}")
        if any(base.is_inside_loosely(excluded) for excluded in self._policy.excluded_base_dns):
            return _refuse(Reason.base_excluded)
        for allowed in self._bases:
            if base.is_inside(allowed):
                return base.rebase(allowed)
        if any(allowed.is_inside(base) for allowed in self._bases):
            return _refuse(Reason.base_above_allowed)
        return _refuse(Reason.base_not_allowed)

    def _filter(self, wanted: Filter, reported: list[Reason]) -> Filter | Refuse:
        try:
            rewritten = self._filters.rewrite(wanted, reported)
        except FilterRefused as refused:
            return _refuse(refused.reason, detail=refused.name)
        if self._policy.required_filter is not None:
            return And((self._policy.required_filter, rewritten))
        return rewritten

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

    def _controls(self, controls: tuple[Control, ...]) -> tuple[Control, ...] | Refuse:
        """A listed control passes with its value; only the value of paged results is known and written anew."""
        kept: list[Control] = []
        if len({control.oid for control in controls}) != len(controls):
            return _refuse(Reason.control_malformed, "control-malformed: the same control twice")
        for control in controls:
            if control.oid not in self._policy.controls:
                if control.critical:
                    return _refuse(Reason.control_not_allowed, detail=control.oid)
                continue
            if control.oid != PAGED_RESULTS:
                kept.append(control)
                continue
            try:
                kept.append(paged_results(control).to_control(control.critical))
            except DecodeError:
                return _refuse(Reason.control_malformed, "control-malformed: the paged results control")
        return tuple(kept)


_CODES = {
    Reason.base_malformed: ResultCode.invalidDNSyntax,
    Reason.control_not_allowed: ResultCode.unavailableCriticalExtension,
    Reason.control_malformed: ResultCode.protocolError,
}


def _refuse(reason: Reason, text: str = "", detail: str = "") -> Refuse:
    """Names what was refused: names of attributes, rules and controls are the client's own words."""
    said = text or f"{reason}: {REASONS[reason].meaning}" + (f" ({detail})" if detail else "")
    return Refuse(reason, _CODES.get(reason, ResultCode.insufficientAccessRights), said, detail)


def _clamp(asked: int, most: int) -> int:
    if most == 0:
        return asked
    return most if asked == 0 else min(asked, most)
