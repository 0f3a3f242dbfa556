"""The argon2id hash of a mapped account's secret, as `credentials.accounts.NAME.hashes` holds it."""

from __future__ import annotations

from typing import Final

# OWASP's first choice for argon2id: KiB, passes, lanes. Strong enough for a secret that is as long as it should be, and
# it leaves strangers who guess the least to waste.
_MEMORY: Final = 19_456
_PASSES: Final = 2
_LANES: Final = 1


def hash_secret(secret: bytes) -> str:
    """A new hash, in PHC form, of the secret; another one each time."""
    from argon2 import PasswordHasher

    return PasswordHasher(_PASSES, _MEMORY, _LANES).hash(secret)
