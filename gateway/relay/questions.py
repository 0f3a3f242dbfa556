"""What an operation asks of whoever holds its session, and what it tells that holder.

A question goes out as a command with a key, and Session.answered brings the reply with the same key, at once or later.
A notice has no reply. Both are steps of an operation as well: what the operation yields is what the holder gets. So a
new kind of question is one class here and one row in the holder's table (gateway/net/sessions/answering.py). Compiled
as they are, the three bases can have classes that are not, so that another room, or a test, can add one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, final

from mypy_extensions import mypyc_attr

from gateway.policy.credentials import SecretCheck, SecretVerdict
from gateway.policy.lockout import AttemptRefused, GuardedAccount, LockoutSettings, Verdict
from gateway.policy.reasons import Reason
from gateway.policy.shrink import Remembered, Shape, Sizes


@mypyc_attr(allow_interpreted_subclasses=True)
class Notice:
    """Something that the holder is told, and that has no reply."""

    @property
    def quiet(self) -> bool:
        """Whether nothing follows from it at once, for nobody. What a peer is to be sent needs not go before it."""
        return False


@mypyc_attr(allow_interpreted_subclasses=True)
class Reply:
    """The answer to a question."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Question:
    """Something that the holder is asked. It has one reply, or none where the session has ended."""

    @property
    def late(self) -> Reason | None:
        """The reason for which the operation ends where no reply comes within limits.bind; None where the operation
        waits for it as long as for anything else."""
        return None

    @property
    def quiet(self) -> bool:
        """Whether nothing follows from it but its reply, which comes at once. What a peer is to be sent needs not go
        before it."""
        return False

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

    account: GuardedAccount
    settings: LockoutSettings
    digest: bytes = field(default=b"", repr=False)
    identity: str = ""

    @property
    def late(self) -> Reason | None:
        return Reason.too_many_attempts

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


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Recalled(Reply):
    """What is remembered of a search."""

    remembered: Final[Remembered]

    def __init__(self, remembered: Remembered) -> None:
        self.remembered = remembered


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class RecallSizes(Question):
    """The question what the last complete search of this shape gave; Recalled replies. Every search asks it."""

    shape: Final[Shape]

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    @property
    def quiet(self) -> bool:
        return True


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

    server: str
    duty: Duty
    since: float

    @property
    def quiet(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ServerBehaved(Notice):
    """How a server did its duty. server: its URL. since: as ServerAsked had it; of a search when the bind before it was
    accepted."""

    server: str
    duty: Duty
    since: float
    conduct: Conduct

    @property
    def quiet(self) -> bool:
        return True
