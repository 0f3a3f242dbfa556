"""What of a server's answer may go on to the client."""

from __future__ import annotations

from gateway.ldap.attribute_types import TypeSet
from gateway.ldap.controls import Control
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.errors import DecodeError
from gateway.policy.settings import ClientPolicy


class EntryJudge:
    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        self._attributes = TypeSet(policy.attributes)

    def permits_dn(self, text: str) -> bool:
        """Whether an entry with this DN may be seen.

        Raises DecodeError for a DN that cannot be parsed: leaving the entry out would make a partial
        result look whole.
        """
        try:
            dn = parse(text)
        except DNError as error:
            detail = str(error)
        else:
            return self.permits(dn)
        raise DecodeError(f"the DN of an entry: {detail}")

    def permits(self, dn: DN) -> bool:
        """Inside an allowed base by strict comparison, and not even loosely inside an excluded one."""
        if not any(dn.is_inside(base) for base in self._policy.base_dns):
            return False
        return not any(dn.is_inside_loosely(base) for base in self._policy.excluded_base_dns)

    def permits_attribute(self, description: str) -> bool:
        """By the base type; options make no difference."""
        return self._attributes.find(description) is not None

    def filter_response_controls(self, controls: tuple[Control, ...]) -> tuple[Control, ...]:
        return tuple(control for control in controls if control.oid in self._policy.controls)
