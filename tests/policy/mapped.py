"""Mapped accounts as the tests of policy and relay use them: nothing of theirs is verified there."""

from typing import Any

from gateway.ldap.dn import parse
from gateway.policy.credentials import MappedAccount, OwnAccount, OwnPassword
from gateway.policy.settings import ClientPolicy
from tests.policy.policies import policy

OWN_DN = "CN=svc-gateway,OU=Staff,DC=corp,DC=example"
OWN_PASSWORD = b"Inner-Passw0rd"
OUTER_DN = "CN=service,O=Outside"


def mapped_account(name: str, *hashes: str, bind_dn: str = OWN_DN, password: bytes = OWN_PASSWORD) -> MappedAccount:
    return MappedAccount(name, hashes or ("hash",), OwnAccount(bind_dn, OwnPassword(password)))


def forwarded_account(name: str, *hashes: str) -> MappedAccount:
    """One for which the gateway has no account of its own."""
    return MappedAccount(name, hashes or ("hash",))


def mapped_changes(*accounts: MappedAccount, **changes: Any) -> dict[str, Any]:
    """Of policy(): these are its only sync accounts."""
    return {
        "sync_accounts": tuple(account.name for account in accounts),
        "mapped_accounts": accounts,
        "decoy_hashes": ("decoy 1", "decoy 2"),
        "gateway_accounts": (parse(OWN_DN),),
        **changes,
    }


def mapped_policy(*accounts: MappedAccount, **changes: Any) -> ClientPolicy:
    return policy(**mapped_changes(*accounts, **changes))
