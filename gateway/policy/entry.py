"""What of a server's answer may go on to the client."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from gateway.ldap.attribute_types import TypeSet
from gateway.ldap.dn import DN, MAX_RDNS, DNError, parse
from gateway.ldap.errors import DecodeError
from gateway.policy.settings import ClientPolicy


def _host(uri: str) -> str | None:
    """The host of an LDAP URL (RFC 4516), in lower case; None where there is none to be relied on."""
    try:
        url = urlsplit(uri)
        return url.hostname if url.scheme in ("ldap", "ldaps") and "@" not in url.netloc else None
    except ValueError:
        return None


def _parsed(text: str) -> DN:
    try:
        return parse(text)
    except DNError as error:
        detail = str(error)
    raise DecodeError(f"the DN of an entry: {detail}")


class EntryJudge:
    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        self._attributes = TypeSet(policy.attributes)

    def permits_dn(self, text: str) -> bool:
        """Whether an entry with this DN may be seen.

        Raises DecodeError for a DN that cannot be parsed: leaving the entry out would make a partial
        result look whole.
        """
        return self.permits(_parsed(text))

    def permits_below(self, text: str) -> bool | None:
        """Whether entries directly below this DN may be seen; None where it depends on the entry.

        Raises DecodeError for what the DN of no entry can end with.
        """
        parent = _parsed(text)
        settings = self._policy
        if not 0 < len(parent.rdns) < MAX_RDNS:
            return None
        if any(parent.same(base.parent()) for base in settings.base_dns if base.rdns):
            return None
        for base in settings.excluded_base_dns:
            if len(base.rdns) == len(parent.rdns) + 1 and parent.is_inside_loosely(base.parent()):
                return None
        return self.permits(parent)

    def permits(self, dn: DN) -> bool:
        """Inside an allowed base by strict comparison, and not even loosely inside an excluded one."""
        if not any(dn.is_inside(base) for base in self._policy.base_dns):
            return False
        return not any(dn.is_inside_loosely(base) for base in self._policy.excluded_base_dns)

    def attribute_number(self, description: str) -> int:
        """By the base type, options make no difference: which of attribute_names it is, -1 for none."""
        return self._attributes.number(description)

    def permits_attribute(self, description: str) -> bool:
        return self.attribute_number(description) >= 0

    def keep_references(self, uris: tuple[str, ...]) -> tuple[str, ...]:
        """RFC 4511 4.5.3: the alternatives of one reference that lead to a listed host, and not to an excluded name."""
        return tuple(uri for uri in uris if _host(uri) in self._policy.referral_hosts and not self._is_excluded(uri))

    def _is_excluded(self, uri: str) -> bool:
        """Whether the name in an LDAP URL is one that may not be seen, or cannot be told where there are such."""
        if not self._policy.excluded_base_dns:
            return False
        try:
            name = parse(unquote(urlsplit(uri).path[1:], errors="strict"))
        except (DNError, ValueError):
            return True
        return any(name.is_inside_loosely(base) for base in self._policy.excluded_base_dns)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        return self._attributes.spellings()
