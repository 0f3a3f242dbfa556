"""What of a server's answer may go on to the client."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from gateway.ldap.attribute_types import TypeSet
from gateway.ldap.dn import DN, MAX_RDNS, DNError, parse
from gateway.ldap.entries import EACH_BY_ITSELF, HIDDEN, LOOSE, SEEN
from gateway.ldap.errors import DecodeError
from gateway.policy.base_spelling import BaseSpellings, excluded_there
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
    """Judges the entries of one client's searches. spelled: allowed bases that the server spells otherwise, as far as
    the client may use them."""

    def __init__(self, policy: ClientPolicy, spelled: BaseSpellings = ()) -> None:
        self._policy = policy
        self._attributes = TypeSet(policy.attributes)
        self._bases = (*policy.base_dns, *[each.theirs for each in spelled])
        self._excluded = (*policy.excluded_base_dns, *excluded_there(spelled, policy))
        # Below these each entry is judged by itself: it may be a configured base.
        configured = (*self._bases, *self._excluded)
        self._above = tuple([base.parent() for base in configured if base.rdns])

    def judge_dn(self, text: str) -> int:
        """HIDDEN, SEEN or LOOSE, of an entry with this DN.

        Raises DecodeError for a DN that cannot be parsed: leaving the entry out would make a partial
        result look whole.
        """
        return self._judge(_parsed(text))

    def judge_below(self, text: str) -> int:
        """The verdict on all entries directly below this DN; EACH_BY_ITSELF where it depends on the entry.

        Raises DecodeError for what the DN of no entry can end with.
        """
        parent = _parsed(text)
        if not 0 < len(parent.rdns) < MAX_RDNS or any(parent.same_loosely(above) for above in self._above):
            return EACH_BY_ITSELF
        return self._judge(parent)

    def _judge(self, dn: DN) -> int:
        """SEEN: inside an allowed base by strict comparison, and not even loosely inside an excluded one. LOOSE: inside
        an allowed base by loose comparison alone, and not excluded either."""
        if any(dn.is_inside(base) for base in self._bases):
            found = SEEN
        elif any(dn.is_inside_loosely(base) for base in self._bases):
            found = LOOSE
        else:
            return HIDDEN
        return HIDDEN if self._is_excluded(dn) else found

    def attribute_number(self, description: str) -> int:
        """By the base type, options make no difference: which of attribute_names it is, -1 for none."""
        return self._attributes.number(description)

    def permits_attribute(self, description: str) -> bool:
        return self.attribute_number(description) >= 0

    def keep_references(self, uris: tuple[str, ...]) -> tuple[str, ...]:
        """RFC 4511 4.5.3: the alternatives of one reference that lead to a listed host, and not to an excluded name."""
        listed = self._policy.referral_hosts
        return tuple(uri for uri in uris if _host(uri) in listed and not self._leads_to_excluded(uri))

    def _leads_to_excluded(self, uri: str) -> bool:
        """Whether the name in an LDAP URL is one that may not be seen, or cannot be told where there are such."""
        if not self._policy.excluded_base_dns:
            return False
        try:
            name = parse(unquote(urlsplit(uri).path[1:], errors="strict"))
        except (DNError, ValueError):
            return True
        return self._is_excluded(name)

    def _is_excluded(self, name: DN) -> bool:
        return any(name.is_inside_loosely(base) for base in self._excluded)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        return self._attributes.spellings()
