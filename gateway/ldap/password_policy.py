"""The value of a server's answer to the password policy control (draft-behera-ldap-password-policy-10 6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ldap import ber
from gateway.ldap.controls import PASSWORD_POLICY, Control
from gateway.ldap.errors import DecodeError

_WARNING: Final = 0xA0
_ERROR: Final = 0x81
_BEFORE_EXPIRATION: Final = 0x80
_GRACE_BINDS: Final = 0x81


@dataclass(frozen=True, slots=True)
class PasswordPolicyAnswer:
    """What the answer of the password policy control says.

    before_expiration: seconds until the password expires. grace_binds: binds that are left with an expired one. error:
    a number of the draft, such as 2 for a password that must be changed first. None for what is not said.
    """

    before_expiration: int | None = None
    grace_binds: int | None = None
    error: int | None = None

    def to_control(self) -> Control:
        contents = b""
        if self.before_expiration is not None:
            contents += ber.element(_WARNING, ber.integer(self.before_expiration, _BEFORE_EXPIRATION))
        elif self.grace_binds is not None:
            contents += ber.element(_WARNING, ber.integer(self.grace_binds, _GRACE_BINDS))
        if self.error is not None:
            contents += ber.integer(self.error, _ERROR)
        return Control(PASSWORD_POLICY, False, ber.element(ber.SEQUENCE, contents))


def password_policy_answer(control: Control) -> PasswordPolicyAnswer:
    """Decodes the answer's value. Raises DecodeError."""
    if control.value is None:
        raise DecodeError("the answer to a password policy control without a value")
    outer = ber.Reader(control.value)
    inner = outer.enter(ber.SEQUENCE)
    outer.finish()
    before_expiration = grace_binds = error = None
    if not inner.at_end() and inner.peek_tag() == _WARNING:
        warning = inner.enter(_WARNING)
        if warning.peek_tag() == _BEFORE_EXPIRATION:
            before_expiration = warning.integer(_BEFORE_EXPIRATION)
        else:
            grace_binds = warning.integer(_GRACE_BINDS)
        warning.finish()
    if not inner.at_end():
        error = inner.integer(_ERROR)
    inner.finish()
    return PasswordPolicyAnswer(before_expiration, grace_binds, error)
