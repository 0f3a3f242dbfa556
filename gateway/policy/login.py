"""Whom the server bound: what is asked after a login, and how the answers are read.

A bind name need not be a userPrincipalName (AD accepts name@dns-domain for any sAMAccountName), so the person
is found as the identity of the connection and not by the name that came.
"""

from __future__ import annotations

from gateway.ldap.attribute_types import base_type
from gateway.ldap.dn import DN
from gateway.ldap.filters import EqualityMatch, Or, Present
from gateway.ldap.messages import BASE_OBJECT, NO_ATTRIBUTES, WHOLE_SUBTREE, SearchRequest, SearchResultEntry
from gateway.policy.decision import LoginName

# MS-DTYP 2.4.2.2: revision 1, a count of sub-authorities (15 at most), six octets of authority.
_SID_HEADER = 8
_SID_MOST_PARTS = 15

_ANYTHING = Present("objectClass")


def token_groups_search() -> SearchRequest:
    """MS-ADTS 3.1.1.3.2.25: the SIDs of the connection's security context."""
    return SearchRequest("", BASE_OBJECT, _ANYTHING, ("tokenGroups",))


def first_sid(root_dse: SearchResultEntry) -> str | None:
    """The first SID in hexadecimal digits; None where there is none or it is not one."""
    for attribute in root_dse.attributes:
        if base_type(attribute.type) == "tokengroups" and attribute.values:
            sid = attribute.values[0]
            well_formed = (
                len(sid) >= _SID_HEADER
                and sid[0] == 1
                and 1 <= sid[1] <= _SID_MOST_PARTS
                and len(sid) == _SID_HEADER + 4 * sid[1]
            )
            return sid.hex() if well_formed else None
    return None


def sid_search(sid: str) -> SearchRequest:
    """MS-ADTS 3.1.1.3.1.2.4: the entry that a SID names."""
    return SearchRequest(f"<SID={sid}>", BASE_OBJECT, _ANYTHING, ("sAMAccountName", "userPrincipalName"))


def entry_is_login(entry: SearchResultEntry, login: LoginName) -> bool:
    """Whether an entry carries the name that was bound; that tells a person from a group, should a server's
    order of SIDs be another."""
    for attribute in entry.attributes:
        kind = base_type(attribute.type)
        wanted = {"samaccountname": login.name, "userprincipalname": login.text}.get(kind or "")
        if wanted is not None and any(_equal(value, wanted) for value in attribute.values):
            return True
    return False


def _equal(value: bytes, text: str) -> bool:
    return value.decode("utf-8", "replace").lower() == text.lower()


def name_search(context: DN, login: LoginName) -> SearchRequest:
    """Everybody in a naming context who goes by this name; two are enough to know that it is not unique."""
    wanted = Or(
        (
            EqualityMatch("userPrincipalName", login.text.encode()),
            EqualityMatch("sAMAccountName", login.name.encode()),
        )
    )
    return SearchRequest(str(context), WHOLE_SUBTREE, wanted, (NO_ATTRIBUTES,), size_limit=2)
