"""The two ways in which the codec fails, kept apart as theirs and ours."""

from __future__ import annotations


class DecodeError(ValueError):
    """What arrived is not LDAP as RFC 4511 5.1 restricts it: the peer's fault.

    The text names what was expected and where (octet offset), never what was received.
    """


class EncodeError(ValueError):
    """A value cannot be written as LDAP: our own fault, or a configuration that was not checked."""
