"""Which filters may pass: a filter on a hidden attribute reveals it as surely as returning it."""

from __future__ import annotations

from gateway.ldap.attribute_types import TypeSet, canonical_type, split_description
from gateway.ldap.filters import (
    And,
    ApproxMatch,
    EqualityMatch,
    ExtensibleMatch,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from gateway.policy.reasons import Reason
from gateway.policy.settings import ClientPolicy, Mode


class FilterRefused(Exception):
    """reason: why. name: the attribute or rule, a name and never a value."""

    def __init__(self, reason: Reason, name: str) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.name = name


class FilterJudge:
    def __init__(self, policy: ClientPolicy) -> None:
        self._types = TypeSet((*policy.attributes, *policy.filter_attributes))
        self._rules = {rule.lower() for rule in policy.matching_rules}
        self._reports = policy.mode is Mode.report

    def rewrite(self, wanted: Filter, reported: list[Reason]) -> Filter:
        """The same filter with attribute names in the configured spelling.

        reported: takes what `mode: report` lets pass. Raises FilterRefused.
        """
        if isinstance(wanted, And):
            return And(tuple([self.rewrite(part, reported) for part in wanted.filters]))
        if isinstance(wanted, Or):
            return Or(tuple([self.rewrite(part, reported) for part in wanted.filters]))
        if isinstance(wanted, Not):
            return Not(self.rewrite(wanted.filter, reported))
        if isinstance(wanted, Present):
            if canonical_type(wanted.attribute) == "objectclass":
                return Present("objectClass")
            return Present(self._attribute(wanted.attribute, reported))
        if isinstance(wanted, EqualityMatch):
            return EqualityMatch(self._attribute(wanted.attribute, reported), wanted.value)
        if isinstance(wanted, GreaterOrEqual):
            return GreaterOrEqual(self._attribute(wanted.attribute, reported), wanted.value)
        if isinstance(wanted, LessOrEqual):
            return LessOrEqual(self._attribute(wanted.attribute, reported), wanted.value)
        if isinstance(wanted, ApproxMatch):
            return ApproxMatch(self._attribute(wanted.attribute, reported), wanted.value)
        if isinstance(wanted, Substrings):
            attribute = self._attribute(wanted.attribute, reported)
            return Substrings(attribute, wanted.initial, wanted.any, wanted.final)
        return self._extensible(wanted, reported)

    def _extensible(self, wanted: ExtensibleMatch, reported: list[Reason]) -> ExtensibleMatch:
        if wanted.attribute is None:
            raise FilterRefused(Reason.filter_untyped, wanted.rule or "")
        if wanted.dn_attributes:
            raise FilterRefused(Reason.filter_dn_attributes, wanted.attribute)
        if wanted.rule is not None and wanted.rule.lower() not in self._rules:
            if not self._reports or split_description(wanted.rule) is None:
                raise FilterRefused(Reason.matching_rule_not_allowed, wanted.rule)
            reported.append(Reason.matching_rule_not_allowed)
        return ExtensibleMatch(wanted.rule, self._attribute(wanted.attribute, reported), wanted.value)

    def _attribute(self, description: str, reported: list[Reason]) -> str:
        parts = split_description(description)
        if parts is None or any("=" in option for option in parts[1]):
            # Never sent, in no mode: a name that is none, or a range, which no assertion has.
            raise FilterRefused(Reason.filter_attribute_not_allowed, description)
        spelling = self._types.find(parts[0])
        if spelling is None:
            if not self._reports:
                raise FilterRefused(Reason.filter_attribute_not_allowed, description)
            reported.append(Reason.filter_attribute_not_allowed)
            spelling = parts[0]
        return ";".join((spelling, *parts[1]))
