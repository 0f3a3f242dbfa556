"""What sessions have found out about one server behind their connections to it, and whether it is doubtful for that.

A server may be connected to, and may even pass the checks, and still do nothing for a session: it does not answer
binds, or it closes behind an accepted one. Such an end makes it doubtful for a while, and sign-ins go elsewhere. What a
client could have brought about by itself needs a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Final

from gateway.net.observer import Trouble
from gateway.net.transport.reactor import Timer
from gateway.relay.questions import Conduct, Duty

# Seconds that a server stays doubtful: the first time, and at most. Each time without a success in between takes twice
# as long as the one before, since after each a sign-in has to find out whether the server works.
FIRST_DOUBT: Final = 60.0
LONGEST_DOUBT: Final = 900.0

# Seconds that an answer to a step of a bind may take. While one takes longer, sign-ins that come try other servers
# first; a client that then leaves has not left for a reason of its own. Some servers delay the answer to a wrong
# password by two seconds.
SLOW_ANSWER: Final = 3.0

# Seconds for which an end is remembered that a client could have brought about.
REMEMBERED: Final = 600.0


class Finding(Enum):
    """What follows from a server's conduct. bad: it should be checked. doubtful: as bad, and it is doubtful from now
    on. trusted: it was doubtful until now."""

    nothing = auto()
    bad = auto()
    doubtful = auto()
    trusted = auto()


@dataclass(slots=True)
class Doubt:
    """A time in which a server is doubtful.

    until: of the clock, in seconds. number: which one it is without a success in between. weighs: sign-ins go elsewhere
    for it. timer: of its end.
    """

    duty: Duty
    trouble: Trouble
    until: float
    seconds: float
    number: int
    weighs: bool = True
    timer: Timer | None = None


@dataclass(slots=True)
class _Past:
    """What is known of one duty. answered: when the server last did it. failed: when it last did not, None for not
    since then.
    doubts: how many there were since then."""

    answered: float = -inf
    failed: float | None = None
    doubts: int = 0


@dataclass(slots=True, eq=False)
class Doubts:
    """What sessions have found out about one server behind their connections.

    clock: in seconds, the sessions' own as well.
    """

    clock: Callable[[], float]
    doubt: Doubt | None = None
    _pasts: dict[Duty, _Past] = field(default_factory=lambda: {duty: _Past() for duty in Duty})
    _waiting: list[tuple[Duty, float]] = field(default_factory=list)

    @property
    def doubtful(self) -> bool:
        """Whether a sign-in had better go to another server."""
        return self.weighs or self._is_slow()

    @property
    def weighs(self) -> bool:
        return self.doubt is not None and self.doubt.weighs

    def take_no_account(self) -> None:
        """Sign-ins do not go elsewhere for it, until it breaks another session."""
        if self.doubt is not None:
            self.doubt.weighs = False

    def asked(self, duty: Duty, since: float) -> None:
        self._waiting.append((duty, since))

    def behaved(self, duty: Duty, since: float, conduct: Conduct) -> Finding:
        """since: of the clock, in seconds; when it was asked, or when its bind was accepted."""
        if (duty, since) in self._waiting:
            self._waiting.remove((duty, since))
        past = self._pasts[duty]
        now = self.clock()
        if conduct is Conduct.answered:
            self._pasts[duty] = _Past(answered=now)
            return self._end_of(duty)
        left_at_once = conduct is Conduct.given_up and now - since <= SLOW_ANSWER
        # Where others were served meanwhile, it was this one session's own trouble.
        if left_at_once or past.answered > since:
            return Finding.nothing
        before = past.failed
        if before is not None and now - before <= REMEMBERED and conduct not in (Conduct.silent, Conduct.closed):
            # What was under way when it failed the first time may have had the same cause.
            again = before <= since
        else:
            again = conduct in (Conduct.silent, Conduct.closed)
            past.failed = now
        if not again:
            return Finding.bad
        past.failed = now
        return self._doubt(duty, conduct, past, now)

    def check_passed(self, bound: bool) -> bool:
        """True where it was doubtful until now. bound: a bind was accepted in it, and a question behind that was
        answered. That is what sessions need; where they find the opposite once more, they know better."""
        if not bound or self.doubt is None or self.doubt.number > 1:
            return False
        self.end()
        return True

    def time_passed(self) -> float | None:
        """Seconds that it is doubtful for yet. None where it is not, or not any more."""
        if self.doubt is None:
            return None
        left = self.doubt.until - self.clock()
        if left > 0:
            return left
        self.end()
        return None

    def forget(self) -> None:
        """It was down, which explains everything. What waits goes on to wait."""
        self._pasts = {duty: _Past() for duty in Duty}
        self.end()

    def end(self) -> None:
        doubt, self.doubt = self.doubt, None
        if doubt is not None and doubt.timer is not None and doubt.timer.active():
            doubt.timer.cancel()

    def _end_of(self, duty: Duty) -> Finding:
        if self.doubt is None or self.doubt.duty is not duty:
            return Finding.nothing
        self.end()
        return Finding.trusted

    def _doubt(self, duty: Duty, conduct: Conduct, past: _Past, now: float) -> Finding:
        if self.doubt is not None:
            self.doubt.until = now + self.doubt.seconds
            self.doubt.weighs = True
            return Finding.bad
        past.doubts += 1
        seconds = min(FIRST_DOUBT * 2 ** min(past.doubts - 1, 10), LONGEST_DOUBT)
        self.doubt = Doubt(duty, trouble(duty, conduct), now + seconds, seconds, past.doubts)
        return Finding.doubtful

    def _is_slow(self) -> bool:
        if not self._waiting:
            return False
        now = self.clock()
        return any(now - since > SLOW_ANSWER and self._pasts[duty].answered <= since for duty, since in self._waiting)


def trouble(duty: Duty, conduct: Conduct) -> Trouble:
    """In the words of metrics and log; of a conduct that is none of answered."""
    silent = conduct in (Conduct.silent, Conduct.given_up)
    if duty is Duty.bind:
        return Trouble.bind_unanswered if silent else Trouble.bind_failed
    return Trouble.unanswered if silent else Trouble.failed
