"""Result codes and the LDAPResult value (RFC 4511 4.1.9, appendix A)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final


class ResultCode(IntEnum):
    """The result codes of RFC 4511 4.1.9 that the gateway gives or reacts to, by their standard names.

    A server may answer with any other number; LDAPResult.code is therefore a plain int.
    """

    success = 0
    operationsError = 1
    protocolError = 2
    timeLimitExceeded = 3
    sizeLimitExceeded = 4
    compareFalse = 5
    compareTrue = 6
    authMethodNotSupported = 7
    strongerAuthRequired = 8
    referral = 10
    adminLimitExceeded = 11
    unavailableCriticalExtension = 12
    confidentialityRequired = 13
    saslBindInProgress = 14
    noSuchAttribute = 16
    undefinedAttributeType = 17
    inappropriateMatching = 18
    noSuchObject = 32
    invalidDNSyntax = 34
    inappropriateAuthentication = 48
    invalidCredentials = 49
    insufficientAccessRights = 50
    busy = 51
    unavailable = 52
    unwillingToPerform = 53
    other = 80


def result_name(code: int) -> str:
    """The RFC's name of a result code, or its number where it has none here."""
    try:
        return ResultCode(code).name
    except ValueError:
        return str(code)


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class LDAPResult:
    """The fields that all final responses share (RFC 4511 4.1.9)."""

    code: Final[int]
    matched_dn: Final[str]
    diagnostic: Final[str]
    referral: Final[tuple[str, ...]]

    def __init__(self, code: int, matched_dn: str = "", diagnostic: str = "", referral: tuple[str, ...] = ()) -> None:
        self.code = code
        self.matched_dn = matched_dn
        self.diagnostic = diagnostic
        self.referral = referral
