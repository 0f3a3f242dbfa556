"""Tools sign in for a mapped account as the gateway does: with its own account, whose password it has.

The secret that the service holds is not needed, and of no use at a server.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.ask.findings import Section
from gateway.net.sessions.secret_verifier import fitting_hash
from gateway.net.sessions.settings import ClientSettings
from gateway.policy.credentials import MappedAccount, OwnAccount, SecretCheck
from gateway.policy.settings import ClientPolicy


def own_account(policy: ClientPolicy, name: str) -> OwnAccount | None:
    """name: of a sync account, as listed. None where it is not mapped, or its own bind is forwarded."""
    return next((account.own for account in policy.mapped_accounts if account.name == name), None)


def check_secret(section: Section, account: MappedAccount) -> None:
    """What the service holds must not be what it is mapped to; takes up to a second for each hash. Nothing where the
    gateway has no account of its own for it."""
    if account.own is None:
        return
    check = SecretCheck(account.hashes, account.own.password)
    if fitting_hash(check) is None:
        section.ok("secret", f"{account.name} has another one than the gateway's own account")
    else:
        section.warning(
            "secret",
            f"{account.name} has the very password of the gateway's own account",
            "so it is worth something inside: give the service another one, `ldap-gateway hash-password`",
        )


def signing_in_as(client: ClientSettings, name: str) -> ClientSettings:
    """The client with one change: this is its one sync account, before which no secret stands."""
    policy = replace(
        client.policy,
        sync_accounts=(name,),
        mapped_accounts=(),
        decoy_hashes=(),
        gateway_accounts=(),
    )
    return replace(client, policy=policy)
