"""Connections that came to nothing, closed by the gateway or left by the client: counted, and logged so that a flood
fills no disk.

The way of a refused connection ends here.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from gateway.net.observer import Observer
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.source_network import source_network

log = Logger(__name__)

# One address of each source (policy.source_network) is named in so many seconds for each reason, and no more addresses
# than that: a day's flood from ever new ones writes some 70 MB.
QUIET_SECONDS: Final = 60.0
NAMED: Final = 250


class Refusals:
    """The connections that were refused, as log and metrics tell of them. observer: counts them."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lines: dict[Reason, _Lines] = {}

    def note(self, reason: Reason, address: str, what: str, now: float, client: str = "") -> None:
        """A connection from this address was closed. what: which one it was, and more of why. client: whose it was, ""
        where that is not known."""
        self._observer.connection_refused(reason, client)
        lines = self._lines.get(reason)
        if lines is None or now - lines.since >= QUIET_SECONDS:
            lines = self._lines[reason] = _Lines(now)
        source = source_network(address)
        if source in lines.sources or len(lines.sources) > NAMED:
            return
        lines.sources.add(source)
        if len(lines.sources) > NAMED:
            log.warn(
                "{reason}: closed connections from more than {named} addresses within {seconds:.0f} seconds; further "
                "ones are counted and not named until {quiet:g} have passed",
                reason=reason.value,
                named=NAMED,
                seconds=now - lines.since,
                quiet=QUIET_SECONDS,
            )
            return
        setting = REASONS[reason].setting
        log.warn(
            "{reason}: {ended} {what}{advice}",
            reason=reason.value,
            ended="lost" if reason is Reason.left_without_request else "closed",
            what=what,
            advice=f"; see {setting}" if setting else "",
        )


class _Lines:
    """The lines about refused connections that one minute may have.

    since: seconds. sources: those of which one address was named since, and one more once it was told that there are
    more.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.sources: set[str] = set()
