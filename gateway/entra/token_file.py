"""The token that the gateway binds with at the responder: a file that both processes read."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

from gateway.host.system_errors import system_error

# Of a new file: the group is the one that both processes are in.
_MODE: Final = 0o640
_OCTETS: Final = 32
# Whoever writes a token by hand has to write one that nobody guesses.
SHORTEST: Final = 20


class TokenError(Exception):
    """The file holds no token, or cannot be read. The text names the file and what to do."""


def make_token(path: Path) -> bool:
    """Makes the file where there is none; whether it did. Raises OSError."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
        try:
            os.write(descriptor, token_urlsafe(_OCTETS).encode() + b"\n")
        finally:
            os.close(descriptor)
        return True
    return False


def is_token(path: Path, said: bytes) -> bool:
    """Whether this is the token. The file is read each time, so that a new token holds at once. The time that it takes
    says nothing of the token. Raises TokenError."""
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise TokenError(f"{path}: the token cannot be read: {system_error(error)}") from None
    if len(token) < SHORTEST:
        remedy = "remove the file, and the next start makes one"
        raise TokenError(f"{path}: a token has {SHORTEST} characters at least; {remedy}")
    return compare_digest(blake2b(token).digest(), blake2b(said).digest())
