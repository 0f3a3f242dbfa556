"""The ways in which the codec fails, kept apart as theirs and ours."""

from __future__ import annotations


class DecodeError(ValueError):
    """What arrived is not LDAP as RFC 4511 5.1 restricts it: the peer's fault.

    The text names what was expected and where (octet offset), never what was received.
    """


class MessageTooLarge(DecodeError):
    """A message announces more octets than the limit.

    message_id: of that message; None where what has come of it does not tell yet, 0 where it has none.
    """

    def __init__(self, text: str, message_id: int | None) -> None:
        super().__init__(text)
        self.message_id = message_id


class EncodeError(ValueError):
    """A value cannot be written as LDAP: our own fault, or a configuration that was not checked."""
