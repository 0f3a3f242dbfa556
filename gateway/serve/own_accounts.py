"""Accounts whose passwords the configuration holds, over a reload: a new password makes a fresh start."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.settings import GatewaySettings
from gateway.ldap.dn import parse
from gateway.policy.credentials import OwnPassword
from gateway.policy.lockout import GuardedAccount, gateway_account, mapped_account, sync_accounts
from gateway.state.attempts import Attempts


def take_new_passwords(old: GatewaySettings, new: GatewaySettings, attempts: Attempts) -> None:
    """What was wrong before is forgotten, and nobody tries an old password of the gateway's own any more."""
    current = dict(_own_passwords(new))
    for account, password in _own_passwords(old):
        # Sessions may still have one that is several loads old; each knows the next.
        password.later = current.get(account)
        if password.replaced:
            attempts.forget(account)
    secrets = dict(_secrets(new))
    for account, hashes in _secrets(old):
        # What fitted none of the old ones may fit a new one.
        if secrets.get(account, hashes) != hashes:
            attempts.forget(account)


def _own_passwords(settings: GatewaySettings) -> Iterator[tuple[GuardedAccount, OwnPassword]]:
    for client in settings.clients:
        for account in client.policy.mapped_accounts:
            if account.own is not None:
                yield gateway_account(client.policy.directory, parse(account.own.bind_dn)), account.own.password


def _secrets(settings: GatewaySettings) -> Iterator[tuple[GuardedAccount, tuple[str, ...]]]:
    """Each mapped account, as it is counted, with the hashes of its secrets. One whose bind is forwarded is counted as
    the server knows it besides."""
    for client in settings.clients:
        for account in client.policy.mapped_accounts:
            counted = mapped_account(client.policy.directory, client.policy.name, account.name)
            yield counted, account.hashes
            if account.own is None:
                for at_server in sync_accounts(client.policy.directory, account.name):
                    yield at_server, account.hashes
