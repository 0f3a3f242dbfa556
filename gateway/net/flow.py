"""Back-pressure: whoever cannot write pauses whoever reads for it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class WriteGauge:
    """Registered as the producer of one transport, it reports when that transport's buffer is full and when it
    has drained; what follows is the owner's affair."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.full = False
        self._changed = changed

    def pauseProducing(self) -> None:
        if not self.full:
            self.full = True
            self._changed()

    def resumeProducing(self) -> None:
        if self.full:
            self.full = False
            self._changed()

    def stopProducing(self) -> None:
        """The connection is gone; its protocol hears of that by connectionLost."""
