"""A client block as the tests of policy and relay use it."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from gateway.ldap.dn import parse
from gateway.policy.policy import Policy
from gateway.policy.settings import ClientPolicy

POLICY = ClientPolicy(
    name="mimecast",
    naming_contexts=(parse("DC=corp,DC=example"),),
    sync_accounts=("CN=svc-sync,OU=Service,DC=corp,DC=example", "svc-sync@corp.example"),
    base_dns=(parse("OU=Staff,DC=corp,DC=example"), parse(r"OU=Sales\, EMEA,DC=corp,DC=example")),
    attributes=("mail", "displayName", "member", "objectClass"),
    excluded_base_dns=(parse("OU=Secret,OU=Staff,DC=corp,DC=example"),),
    login_base_dns=(parse("OU=Staff,DC=corp,DC=example"),),
    login_domains=("corp.example", "CORP"),
)


def policy(**changes: Any) -> ClientPolicy:
    """POLICY, with other values in these of its fields."""
    return replace(POLICY, **changes)


@lru_cache(256)
def compiled(**changes: Any) -> Policy:
    """The one policy for all sessions with these changes, as a running gateway has it: it is dear to compile."""
    return Policy(policy(**changes))
