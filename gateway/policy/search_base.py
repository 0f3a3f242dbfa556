"""Which base DNs a search may start from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.ldap.dn import DN, DNError, parse
from gateway.policy.base_spelling import BaseSpellings, usable
from gateway.policy.decision import Mended, Refuse
from gateway.policy.mending import Budget, BudgetSpent, KnownNames, shown
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import BaseAbove, ClientPolicy
from gateway.policy.unescaped import looks_escaped_twice

# A service searches from the same few bases over and over. Characters of one that is remembered.
_REMEMBERED_BASES: Final = 100
_LONGEST_BASE: Final = 512


@dataclass(frozen=True, slots=True)
class SearchBase:
    """The base of a search, and what is known of it.

    dn: in the configured spelling as far as it is configured; text: the same as a string. above: it lies above allowed
    bases, and the search is to be answered from these. mended: where the base was put right. suspicious: whether it
    looks escaped twice as it came.
    """

    dn: DN
    text: str
    above: bool = False
    mended: tuple[Mended, ...] = ()
    suspicious: bool = False


def _search_base(dn: DN, above: bool = False) -> SearchBase:
    return SearchBase(dn, str(dn), above)


class BaseJudge:
    """What judges the bases of searches.

    usable: the allowed bases that are not excluded, in their configured order. beyond_ascii: whether one of all has
    other characters in it than ASCII's, which servers compose in several ways.
    """

    def __init__(self, policy: ClientPolicy, known: KnownNames) -> None:
        self._policy = policy
        self._known = known
        # The longest first: where bases nest, the most specific spelling is the one that is sent.
        self._allowed = sorted(policy.base_dns, key=lambda base: len(base.rdns), reverse=True)
        self._decided: dict[str, SearchBase] = {}
        self.beyond_ascii = not all(str(allowed).isascii() for allowed in policy.base_dns)
        self.usable = tuple(allowed for allowed in policy.base_dns if not self._is_excluded(allowed))

    def decide(self, text: str, budget: Budget | None = None, spellings: BaseSpellings = ()) -> SearchBase | Refuse:
        """budget: for reading names that lack their escapes; None for any. spellings: those of the session's server."""
        known = self._decided.get(text)
        if known is not None:
            return known
        if spellings:
            # It holds for that server only, so it is not remembered here.
            spelled = self._by_spelling(text, usable(spellings, self._policy))
            if spelled is not None:
                return spelled
        decided = self._decide(text, budget)
        # What is refused is not remembered: there are endless names outside the configured ones.
        if isinstance(decided, SearchBase) and len(text) <= _LONGEST_BASE:
            if len(self._decided) >= _REMEMBERED_BASES:
                self._decided.clear()
            self._decided[text] = decided
        return decided

    def _decide(self, text: str, budget: Budget | None) -> SearchBase | Refuse:
        base: DN | None = None
        try:
            base = parse(text)
        except DNError as error:
            judged: SearchBase | Refuse = refuse_search(Reason.base_malformed, f"{Reason.base_malformed}: {error}")
        else:
            judged = self._judge(base)
        if isinstance(judged, SearchBase):
            return replace(judged, suspicious=looks_escaped_twice(text))
        if judged.reason is Reason.base_excluded:
            return judged
        return self._mend(text, base, judged, budget)

    def _mend(self, text: str, strict: DN | None, refusal: Refuse, budget: Budget | None) -> SearchBase | Refuse:
        """The base that is meant by one that is refused as it came, or why none is. strict: what it is by RFC 4514,
        None where it is no DN by that."""
        try:
            readings = self._known.readings(text, budget)
        except BudgetSpent as spent:
            return refuse_search(Reason.too_much_mending, setting=spent.setting)
        if strict is not None and all(reading.same(strict) for reading in readings):
            return refusal
        if not self._policy.mending:
            right = shown(reading for reading in readings if isinstance(self._judge(reading), SearchBase))
            if not right:
                return refusal
            return replace(refusal, text=f"{refusal.text}; write {right}", detail=f"write {right}")
        if not readings:
            return refusal
        said = shown(readings)
        if len(readings) > 1:
            meaning = f"{Reason.ambiguous_dn}: {REASONS[Reason.ambiguous_dn].meaning}"
            return refuse_search(Reason.ambiguous_dn, f"{meaning}; write {said}" if said else meaning, said)
        judged = self._judge(readings[0])
        if isinstance(judged, Refuse):
            return replace(judged, text=f"{judged.text}; it was read as {said}", detail=said) if said else judged
        return replace(judged, mended=(Mended("base", text, judged.text),))

    def _judge(self, base: DN) -> SearchBase | Refuse:
        if self._is_excluded(base):
            return refuse_search(Reason.base_excluded)
        for allowed in self._allowed:
            if base.is_inside(allowed):
                return _search_base(base.rebase(allowed))
        below = next((allowed for allowed in self._allowed if allowed.is_inside(base)), None)
        if below is None:
            return refuse_search(Reason.base_not_allowed)
        if self._policy.base_above is BaseAbove.refuse:
            return refuse_search(Reason.base_above_allowed, setting="clients.X.base_above")
        return _search_base(DN(below.rdns[len(below.rdns) - len(base.rdns) :]), above=True)

    def _by_spelling(self, text: str, spellings: BaseSpellings) -> SearchBase | None:
        """A base inside an allowed one by the server's own spelling of that; None for any other one."""
        try:
            base = parse(text)
        except DNError:
            return None
        if self._is_excluded(base):
            return None
        for each in spellings:
            if base.is_inside(each.theirs):
                below = len(base.rdns) - len(each.theirs.rdns)
                sent = DN(base.rdns[:below] + each.configured.rdns)
                return None if self._is_excluded(sent) else _search_base(sent)
        return None

    def around(self, text: str) -> tuple[DN, ...]:
        """The allowed bases that the base of a permitted search lies in, the most specific first."""
        base = parse(text)
        return tuple([allowed for allowed in self._allowed if base.is_inside(allowed)])

    def allows(self, name: DN) -> bool:
        """Strictly inside an allowed base, and not even loosely inside an excluded one."""
        return not self._is_excluded(name) and any(name.is_inside(allowed) for allowed in self._allowed)

    def _is_excluded(self, base: DN) -> bool:
        return any(base.is_inside_loosely(excluded) for excluded in self._policy.excluded_base_dns)
