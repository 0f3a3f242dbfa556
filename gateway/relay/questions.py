"""What an operation asks of whoever holds its session, and what it tells that holder.

A question goes out as a command with a key, and Session.answered brings the reply with the same key, at once or later.
A notice has no reply. Both are steps of an operation as well: what the operation yields is what the holder gets. So a
new kind of question is one class here and one row in the holder's table (gateway/net/sessions/answering.py). These
classes are not compiled, so that another room, or a test, can add one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from gateway.policy.credentials import SecretCheck, SecretVerdict
from gateway.policy.lockout import AttemptRefused, GuardedAccount, LockoutSettings, Verdict
from gateway.policy.reasons import Reason
from gateway.policy.shrink import Remembered, Shape, Sizes


class Notice:
    """Something that the holder is told, and that has no reply.

    quiet: nothing follows from it at once, for nobody. What a peer is to be sent needs not go before it.
    """

    quiet: ClassVar[bool] = False


class Reply:
    """The answer to a question."""


class Question:
    """Something that the holder is asked. It has one reply, or none where the session has ended.

    late: the reason for which the operation ends where no reply comes within limits.bind; None where the operation
    waits for it as long as for anything else. quiet: as of a Notice; the reply comes at once.
    """

    late: ClassVar[Reason | None] = None
    quiet: ClassVar[bool] = False

    def unwanted(self, reply: Reply) -> Notice | None:
        """What the holder is told where the operation has ended before this reply came; None for nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Admitted(Reply):
    """The lockout guard's word on an attempt. refusal: why the password may not be tried; None where it may."""

    refusal: AttemptRefused | None


@dataclass(frozen=True, slots=True)
class AttemptEnded(Notice):
    """The end of an attempt that was admitted. entry: of the person who was found, "" for nobody."""

    account: GuardedAccount
    verdict: Verdict
    entry: str = ""


@dataclass(frozen=True, slots=True)
class AdmitAttempt(Question):
    """The question whether this account, or address, may try a password; Admitted replies, perhaps only after attempts
    that are under way. digest: of the password, b"" where it is not to be known again. identity: the name strictly, ""
    where that makes no difference (both: state.attempts.Attempts.begin)."""

    late: ClassVar[Reason | None] = Reason.too_many_attempts

    account: GuardedAccount
    settings: LockoutSettings
    digest: bytes = field(default=b"", repr=False)
    identity: str = ""

    def unwanted(self, reply: Reply) -> Notice | None:
        """The attempt ends at once, so that it keeps no place at the guard."""
        if isinstance(reply, Admitted) and reply.refusal is None:
            return AttemptEnded(self.account, Verdict.neither)
        return None


@dataclass(frozen=True, slots=True)
class Verified(Reply):
    """The verdict on a secret."""

    verdict: SecretVerdict


@dataclass(frozen=True, slots=True)
class VerifySecret(Question):
    """The question whether a secret fits one of its hashes; Verified replies."""

    check: SecretCheck


@dataclass(frozen=True, slots=True)
class Recalled(Reply):
    """What is remembered of a search."""

    remembered: Remembered


@dataclass(frozen=True, slots=True)
class RecallSizes(Question):
    """The question what the last complete search of this shape gave; Recalled replies."""

    quiet: ClassVar[bool] = True

    shape: Shape


@dataclass(frozen=True, slots=True)
class StoreSizes(Notice):
    """What a complete search gave, to be recalled at the next one of its shape."""

    shape: Shape
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class JoinAccounts(Notice):
    """Two names that were shown to be one person's."""

    alias: GuardedAccount
    account: GuardedAccount


class Duty(StrEnum):
    """What a session needs of a server behind a connection. service: whatever comes behind an accepted bind."""

    bind = "bind"
    service = "service"


class Conduct(StrEnum):
    """How a server did a duty. answered: with whatever it is for; of a bind not with busy or unavailable. given_up: the
    session did not wait for it. silent: nothing came in time. closed: the connection ended, without anything of the
    client's under way. failed: it ended in another way, or what came was of no use; the client may have had a part in
    it."""

    answered = "answered"
    given_up = "given-up"
    silent = "silent"
    closed = "closed"
    failed = "failed"


@dataclass(frozen=True, slots=True)
class ServerAsked(Notice):
    """The beginning of a step of a bind for which the session waits. server: the URL of its server. since: now, on the
    session's clock."""

    quiet: ClassVar[bool] = True

    server: str
    duty: Duty
    since: float


@dataclass(frozen=True, slots=True)
class ServerBehaved(Notice):
    """How a server did its duty. server: its URL. since: as ServerAsked had it; of a search when the bind before it was
    accepted."""

    quiet: ClassVar[bool] = True

    server: str
    duty: Duty
    since: float
    conduct: Conduct
