"""Tools sign in for a mapped account as the gateway does: with its own account, whose password it has.

The secret that the service holds is not needed, and of no use at a server.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.net.settings import ClientSettings
from gateway.policy.credentials import MappedAccount
from gateway.policy.settings import ClientPolicy


def own_account(policy: ClientPolicy, name: str) -> MappedAccount | None:
    """name: of a sync account, as listed. None where it is not mapped."""
    return next((account for account in policy.mapped_accounts if account.name == name), None)


def signing_in_as(client: ClientSettings, account: MappedAccount) -> ClientSettings:
    """The same client, whose sync account is the gateway's own."""
    policy = replace(
        client.policy,
        sync_accounts=(account.bind_dn,),
        mapped_accounts=(),
        decoy_hashes=(),
        gateway_accounts=(),
    )
    return replace(client, policy=policy)
