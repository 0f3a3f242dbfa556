"""Digests by which a password is known again that has proved wrong."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import Final

from gateway.policy.lockout import GuardedAccount

# Of this process, and of nobody else: without it no digest can be tried with guesses, and two runs have nothing in
# common.
_KEY: Final = secrets.token_bytes(32)


def password_digest(account: GuardedAccount, password: bytes) -> bytes:
    """A digest of 32 octets. It stays the same for one password of one account, for as long as the process runs."""
    name = f"{account.directory}\0{account.name}\0".encode("utf-8", "surrogatepass")
    return blake2b(name + password, digest_size=32, key=_KEY).digest()
