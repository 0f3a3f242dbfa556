"""The ways in which the codec fails, kept apart as theirs and ours."""

from __future__ import annotations

from typing import Final

# Result codes of RFC 4511 4.1.9 (gateway.ldap.results has all of them).
PROTOCOL_ERROR: Final = 2
ADMIN_LIMIT_EXCEEDED: Final = 11
INVALID_DN_SYNTAX: Final = 34


class DecodeError(ValueError):
    """What arrived is not LDAP as RFC 4511 5.1 restricts it: the peer's fault.

    The text names what was expected and where (octet offset), never what was received.
    """


class ValueFault(DecodeError):
    """A value in a message that can be read otherwise is none that it may have, or is beyond a limit: in a request that
    is the matter of this one request (RFC 4511 4.1.1).

    code: the result code for it. The text names the field, and the setting where a limit is reached. setting: that one
    alone, such as limits.filter_elements; "" where no limit is.
    """

    def __init__(self, text: str, code: int = PROTOCOL_ERROR, setting: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.setting = setting


def beyond_limit(what: str, setting: str) -> ValueFault:
    """The fault of a value that is beyond the limit of this setting."""
    return ValueFault(f"{what} ({setting})", ADMIN_LIMIT_EXCEEDED, setting)


class RequestFault(DecodeError):
    """A request with a ValueFault in it. message_id: its message's. tag: of its protocolOp. code, setting: the
    fault's."""

    def __init__(self, message_id: int, tag: int, fault: ValueFault) -> None:
        super().__init__(str(fault))
        self.message_id = message_id
        self.tag = tag
        self.code = fault.code
        self.setting = fault.setting


class MessageTooLarge(DecodeError):
    """A message announces more octets than the limit.

    message_id: of that message; None where what has come of it does not tell yet, 0 where it has none.
    """

    def __init__(self, text: str, message_id: int | None) -> None:
        super().__init__(text)
        self.message_id = message_id


class EncodeError(ValueError):
    """A value cannot be written as LDAP: our own fault, or a configuration that was not checked."""
