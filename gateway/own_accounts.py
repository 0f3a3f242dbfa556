"""The gateway's own accounts over a reload: a new password makes a fresh start."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.ldap.dn import parse
from gateway.net.settings import GatewaySettings
from gateway.policy.credentials import OwnPassword
from gateway.policy.lockout import gateway_account
from gateway.state.attempts import Attempts


def take_new_passwords(old: GatewaySettings, new: GatewaySettings, attempts: Attempts) -> None:
    """What was wrong with an old one is forgotten, and nobody tries it any more."""
    current = {(directory, dn): password for directory, dn, password in _own_passwords(new)}
    for directory, dn, password in _own_passwords(old):
        if (directory, dn) in current and current[directory, dn] != password:
            password.replaced = True
            attempts.forget(gateway_account(directory, parse(dn)))


def _own_passwords(settings: GatewaySettings) -> Iterator[tuple[str, str, OwnPassword]]:
    """The directory, the DN and the password of each."""
    for client in settings.clients:
        for account in client.policy.mapped_accounts:
            yield client.policy.directory, account.bind_dn, account.password
