"""Which filters may pass: a filter on a hidden attribute reveals it as surely as returning it."""

from __future__ import annotations

from typing import Final

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
from gateway.ldap.supertypes import OpenSupertypes
from gateway.policy.dn_values import DNValues
from gateway.policy.filter_findings import FilterRefused, Noted, notice_escapes
from gateway.policy.reasons import Reason
from gateway.policy.settings import ClientPolicy, Mode

# Spellings of permitted attribute descriptions that are remembered; a service has a few. Characters of one.
_REMEMBERED_ATTRIBUTES: Final = 100
_LONGEST_ATTRIBUTE: Final = 256


class FilterJudge:
    """What judges the filters of searches."""

    def __init__(self, policy: ClientPolicy, values: DNValues) -> None:
        self._values = values
        listed = (*policy.attributes, *policy.filter_attributes)
        self._types = TypeSet(listed)
        self._supertypes = OpenSupertypes(listed)
        self._rules = {rule.lower() for rule in policy.matching_rules}
        self._reports = policy.mode is Mode.report
        self._permitted: dict[str, str] = {}
        # Those of them that stand for unlisted types as well, and the supertype of each.
        self._open: dict[str, str] = {}

    def rewrite(self, wanted: Filter, noted: Noted) -> Filter:
        """The filter with attribute names in the configured spelling, and values that are DNs put right.

        noted: takes what there is to be said of it besides. Raises FilterRefused.
        """
        if isinstance(wanted, And):
            return And(tuple([self.rewrite(part, noted) for part in wanted.filters]))
        if isinstance(wanted, Or):
            return Or(tuple([self.rewrite(part, noted) for part in wanted.filters]))
        if isinstance(wanted, Not):
            return Not(self.rewrite(wanted.filter, noted))
        if isinstance(wanted, Present):
            if canonical_type(wanted.attribute) == "objectclass":
                return Present("objectClass")
            return Present(self._attribute(wanted.attribute, noted))
        if isinstance(wanted, EqualityMatch):
            attribute = self._attribute(wanted.attribute, noted)
            return EqualityMatch(attribute, self._values.mend(attribute, wanted.value, noted))
        if isinstance(wanted, GreaterOrEqual):
            attribute = self._attribute(wanted.attribute, noted)
            notice_escapes(attribute, (wanted.value,), noted)
            return GreaterOrEqual(attribute, wanted.value)
        if isinstance(wanted, LessOrEqual):
            attribute = self._attribute(wanted.attribute, noted)
            notice_escapes(attribute, (wanted.value,), noted)
            return LessOrEqual(attribute, wanted.value)
        if isinstance(wanted, ApproxMatch):
            attribute = self._attribute(wanted.attribute, noted)
            notice_escapes(attribute, (wanted.value,), noted)
            return ApproxMatch(attribute, wanted.value)
        if isinstance(wanted, Substrings):
            attribute = self._attribute(wanted.attribute, noted)
            notice_escapes(attribute, (wanted.initial or b"", *wanted.any, wanted.final or b""), noted)
            return Substrings(attribute, wanted.initial, wanted.any, wanted.final)
        return self._extensible(wanted, noted)

    def _extensible(self, wanted: ExtensibleMatch, noted: Noted) -> ExtensibleMatch:
        if wanted.attribute is None:
            raise FilterRefused(Reason.filter_untyped, wanted.rule or "")
        if wanted.dn_attributes:
            raise FilterRefused(Reason.filter_dn_attributes, wanted.attribute)
        if wanted.rule is not None and wanted.rule.lower() not in self._rules:
            if not self._reports or split_description(wanted.rule) is None:
                raise FilterRefused(Reason.matching_rule_not_allowed, wanted.rule)
            noted.reported.append(Reason.matching_rule_not_allowed)
        attribute = self._attribute(wanted.attribute, noted)
        return ExtensibleMatch(wanted.rule, attribute, self._values.mend(attribute, wanted.value, noted))

    def _attribute(self, description: str, noted: Noted) -> str:
        known = self._permitted.get(description)
        if known is not None:
            if description in self._open:
                noted.supertypes.append(self._open[description])
            return known
        parts = split_description(description)
        if parts is None or any("=" in option for option in parts[1]):
            # Never sent, in no mode: a name that is none, or a range, which no assertion has.
            raise FilterRefused(Reason.filter_attribute_not_allowed, description, setting="")
        spelling = self._types.find(parts[0])
        if spelling is None:
            if not self._reports:
                raise FilterRefused(Reason.filter_attribute_not_allowed, description)
            noted.reported.append(Reason.filter_attribute_not_allowed)
            return description
        written = ";".join((spelling, *parts[1]))
        supertype = self._supertypes.find(parts[0])
        if supertype is not None:
            noted.supertypes.append(supertype)
        if len(description) <= _LONGEST_ATTRIBUTE:
            if len(self._permitted) >= _REMEMBERED_ATTRIBUTES:
                self._permitted.clear()
                self._open.clear()
            self._permitted[description] = written
            if supertype is not None:
                self._open[description] = supertype
        return written
