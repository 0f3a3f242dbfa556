"""Which base DNs a search may start from."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.ldap.dn import DN, DNError, parse
from gateway.policy.decision import Refuse
from gateway.policy.reasons import Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import BaseAbove, ClientPolicy


@dataclass(frozen=True, slots=True)
class SearchBase:
    """dn: in the configured spelling as far as it is configured. above: it lies above allowed bases, and the search
    is to be answered from these."""

    dn: DN
    above: bool = False


class BaseJudge:
    """usable: the allowed bases that are not excluded, in their configured order."""

    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        # The longest first: where bases nest, the most specific spelling is the one that is sent.
        self._allowed = sorted(policy.base_dns, key=lambda base: len(base.rdns), reverse=True)
        self.usable = tuple(allowed for allowed in policy.base_dns if not self._is_excluded(allowed))

    def decide(self, text: str) -> SearchBase | Refuse:
        try:
            base = parse(text)
        except DNError as error:
            return refuse_search(Reason.base_malformed, f"{Reason.base_malformed}: {error}")
        return self._judge(base)

    def _judge(self, base: DN) -> SearchBase | Refuse:
        if self._is_excluded(base):
            return refuse_search(Reason.base_excluded)
        for allowed in self._allowed:
            if base.is_inside(allowed):
                return SearchBase(base.rebase(allowed))
        below = next((allowed for allowed in self._allowed if allowed.is_inside(base)), None)
        if below is None:
            return refuse_search(Reason.base_not_allowed)
        if self._policy.base_above is BaseAbove.refuse:
            return refuse_search(Reason.base_above_allowed)
        return SearchBase(DN(below.rdns[len(below.rdns) - len(base.rdns) :]), above=True)

    def _is_excluded(self, base: DN) -> bool:
        return any(base.is_inside_loosely(excluded) for excluded in self._policy.excluded_base_dns)
