"""DNs as values in filters: put right where they lack their escapes. Every other value is forwarded as it came."""

from __future__ import annotations

from gateway.ldap.attribute_types import has_dn_syntax
from gateway.ldap.dn import DN, DNError, parse
from gateway.policy.decision import Mended
from gateway.policy.filter_findings import FilterRefused, Noted, notice_escapes
from gateway.policy.mending import BudgetSpent, KnownNames, shown
from gateway.policy.reasons import Reason
from gateway.policy.search_base import BaseJudge
from gateway.policy.settings import ClientPolicy

# In the values of one filter, in characters, so that a filter of nothing but names made to be hard holds nobody up.
# What comes after that is forwarded as it came.
_MOST_READ = 8192


class DNValues:
    """What puts names right that stand in filters as values."""

    def __init__(self, policy: ClientPolicy, known: KnownNames, bases: BaseJudge) -> None:
        self._mending = policy.mending
        self._contexts = policy.naming_contexts
        self._known = known
        self._bases = bases

    def mend(self, attribute: str, value: bytes, noted: Noted) -> bytes:
        """The value, put right where it is a DN without its escapes. Raises FilterRefused where it has more than
        one reading."""
        # Without `=` nothing can be read as a name.
        text = _text(value) if self._mending and b"=" in value and has_dn_syntax(attribute) else None
        if text is not None:
            meant = self._meant(attribute, text, noted)
            if meant is not None:
                noted.mended.append(Mended(attribute, text, meant))
                return meant.encode()
        notice_escapes(attribute, (value,), noted)
        return value

    def _meant(self, attribute: str, text: str, noted: Noted) -> str | None:
        """The right spelling of a value that lacks its escapes; None for a value that is right, or no DN at all
        (AD takes `person` for an objectCategory)."""
        noted.read += len(text)
        if noted.read > _MOST_READ:
            return None
        try:
            strict = parse(text)
        except DNError:
            strict = None
        if strict is not None and self._bases.allows(strict):
            return None
        try:
            readings = self._known.readings(text, noted.budget)
        except BudgetSpent as spent:
            # Forwarded as it is it would find nothing, and whoever asked would take that for an answer.
            raise FilterRefused(Reason.too_much_mending, attribute, setting=spent.setting) from None
        if strict is not None:
            # A name that is right is changed only where the configuration itself has it otherwise.
            if len(readings) != 1 or readings[0].same(strict) or not self._bases.allows(readings[0]):
                return None
        elif not any(self._is_in_directory(reading) for reading in readings):
            return None
        if len(readings) > 1:
            said = f"{Reason.ambiguous_dn}: the value of {attribute} can be read in more than one way"
            right = shown(readings)
            raise FilterRefused(Reason.ambiguous_dn, attribute, f"{said}; write {right}" if right else said)
        return str(readings[0])

    def _is_in_directory(self, name: DN) -> bool:
        return any(name.is_inside(context) for context in self._contexts)


def _text(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None
