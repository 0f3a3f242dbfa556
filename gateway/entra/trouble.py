"""What can stand in the way of a round, and what follows from it: wait and ask again, begin anew, or stop.

Each text is one sentence for an administrator: what happened, and what to do where something is to be done. None has a
value of an attribute, a token, a secret, or a link in it.
"""

from __future__ import annotations


class Trouble(Exception):
    """Something that stands in the way. The text says what, and what to do."""


class Passing(Trouble):
    """Trouble that passes: the same question is asked again after a while. after: seconds that the other side wants to
    be left alone; None where it does not say."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Refused(Passing):
    """An answer that is not as Graph may answer. It is asked for again, and where it stays so, the round begins
    anew."""


class BeginAnew(Trouble):
    """Graph cannot go on from where the copy is: everything has to be read anew."""


class Stopped(Trouble):
    """Nothing helps until somebody has done what the text says."""


class Unauthorized(Trouble):
    """Graph does not take the token. With a new one it may."""


class StopRequested(Exception):
    """The process ends, and the round with it: it goes on from there at the next start."""
