"""The searches that directory syncs usually make, tried against a client's policy; nothing is sent anywhere."""

from __future__ import annotations

from typing import Final

from gateway.ask.findings import Section
from gateway.ldap.controls import PagedResults
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import WHOLE_SUBTREE, SearchRequest
from gateway.policy.asked import Asked
from gateway.policy.decision import AccountKind, Refuse, SearchPlan
from gateway.policy.policy import Policy
from gateway.policy.settings import ClientPolicy

_USUAL: Final = (
    ("users", "(&(objectCategory=person)(objectClass=user))"),
    ("users", "(sAMAccountType=805306368)"),
    ("enabled users", "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"),
    ("users with an address", "(|(mail=*)(proxyAddresses=*))"),
    ("groups", "(objectClass=group)"),
    ("contacts", "(objectClass=contact)"),
    ("changes", "(&(objectClass=user)(uSNChanged>=1))"),
)

# Where a person's addresses are: the first in any directory, the second in Active Directory.
_ADDRESSES: Final = ("mail", "proxyAddresses")


def check_usual_searches(section: Section, settings: ClientPolicy) -> None:
    """Below the first base DN, paged if the policy permits that."""
    policy = Policy(settings)
    page = PagedResults(settings.page_size).to_control(critical=False)
    base = str(settings.base_dns[0])
    passed = 0
    held_back: set[str] = set()
    for what, text in _USUAL:
        request = SearchRequest(base, WHOLE_SUBTREE, parse_filter(text), _ADDRESSES)
        decision = policy.decide(Asked(request, (page,), AccountKind.sync))
        if isinstance(decision, Refuse):
            setting = decision.setting_of(settings.name, settings.directory)
            detail = f" ({decision.detail})" if decision.detail else ""
            section.warning(
                f"filter for {what}",
                f"{text} is refused: {decision.reason}{detail}",
                f"where the service uses this filter, allow it by {setting}",
            )
        elif isinstance(decision, SearchPlan):
            passed += 1
            held_back |= set(decision.held_back)
    if passed == len(_USUAL):
        section.ok("usual filters", f"the {len(_USUAL)} usual filters for users, groups and contacts pass")
    if "mail" in held_back:
        section.warning(
            "addresses",
            f"not listed: {', '.join(name for name in _ADDRESSES if name in held_back)}",
            f"a mail service knows people by them: add them to clients.{settings.name}.attributes",
        )
    elif passed:
        section.ok("addresses", f"{' and '.join(name for name in _ADDRESSES if name not in held_back)} may be read")
