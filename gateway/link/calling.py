"""How long an agent waits before it calls an address again, after a call or a line has ended."""

from __future__ import annotations

from typing import Final

from gateway.link.berth import Draw
from gateway.link.commands import Cause, End
from gateway.link.frames import NotWelcome

# Seconds. Each wait is drawn from nothing to its bound ("full jitter"): 500 agents that an outside's restart has cut
# off at once come back spread over the range, and not in step with each other.
_FIRST: Final = 1.0
_MOST: Final = 60.0
# Where the outside does not want this agent, and only a human can mend that.
_MOST_REJECTED: Final = 300.0
# A line that lived that long was a good one, and whatever ended it is a new trouble.
_LIVED: Final = 60.0
# More doublings change nothing.
_DOUBLINGS: Final = 16


class Calling:
    """The waits of one address, for its line; another one may stand for its berths. The first call needs none."""

    __slots__ = ("_draw", "_ends", "_up_since")

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._ends = 0
        self._up_since: float | None = None

    def rose(self, now: float) -> None:
        """The line is up. now: of a monotonic clock, in seconds."""
        self._up_since = now

    def worked(self) -> None:
        """The way is good for certain: what ends next is a new trouble."""
        self._ends = 0

    def ended(self, end: End, now: float) -> float:
        """How many seconds to wait before the next call. end: of a line, or of a call that came to nothing;
        Cause.unwelcome where it failed at TLS."""
        if self._up_since is not None and now - self._up_since >= _LIVED:
            self._ends = 0
        self._up_since = None
        # The first call again comes at once, but for a second's jitter; then 1, 2, 4 and so on are the bounds.
        bound = _FIRST * 2 ** max(self._ends - 1, 0)
        self._ends = min(self._ends + 1, _DOUBLINGS)
        return self._draw(0.0, min(bound, _MOST_REJECTED if _rejects(end) else _MOST))


def _rejects(end: End) -> bool:
    """Whether the outside does not want this agent as it is. One that is stopping is soon back."""
    if end.cause is Cause.refused:
        return end.why is not NotWelcome.stopping
    return end.cause in (Cause.unwelcome, Cause.protocol)
