"""Passwords of the gateway's own accounts, each in a file of its own."""

from __future__ import annotations

from pathlib import Path


class SecretProblem(ValueError):
    """The text names the file and what is wrong with it, and nothing of what is in it."""


def read_secret(path: Path) -> bytes:
    """What is in the file, without the end of its line. Raises SecretProblem."""
    try:
        secret = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise SecretProblem(f"{path}: cannot be read: {error.strerror}") from None
    if not secret:
        raise SecretProblem(f"{path}: it is empty")
    return secret
