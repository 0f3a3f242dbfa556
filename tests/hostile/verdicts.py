"""What a case expects, in the words that its table uses."""

from dataclasses import dataclass

from tests.hostile.answers import Result


@dataclass(frozen=True)
class Verdict:
    """results: the final answers as (message ID, code), in order. forwarded: requests that reached the server.
    end: "open" - the session goes on, "notice" - it ended with a notice of disconnection, "closed" - without one,
    "waits" - it is open and waits for the rest of a message. notice: the code of the notice."""

    results: tuple[Result, ...] = ()
    forwarded: int = 0
    end: str = "open"
    notice: int | None = None


def refused(code: int, id: int = 7) -> Verdict:
    """The operation gets this code, nothing reaches the server, and the session goes on."""
    return Verdict(((id, code),))


def answered(*results: Result, forwarded: int) -> Verdict:
    return Verdict(results, forwarded)


def ended(*results: Result, forwarded: int = 0, code: int = 2) -> Verdict:
    """These answers, then a notice of disconnection."""
    return Verdict(results, forwarded, "notice", code)


def closed(*results: Result, forwarded: int = 0) -> Verdict:
    return Verdict(results, forwarded, "closed")


PASSES = answered((7, 0), forwarded=1)
# The connection ends with a notice of disconnection, protocolError.
DROPPED = ended()
WAITS = Verdict(end="waits")
SILENCE = Verdict()
