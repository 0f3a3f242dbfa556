"""Actions that signals ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Wanted:
    """An action that is done once, however often it was asked for by the time that it begins. What asks while it is
    under way has it done once more, for that may have come too late for what it has read already.

    later: has a function called in the reactor's next turn; it may be called between any two bytecodes.
    """

    def __init__(self, action: Callable[[], object], later: Callable[[Callable[[], object]], object]) -> None:
        self._action = action
        self._later = later
        self._waits = False

    def ask(self, *_: Any) -> None:
        """Asks for it. It is a signal's handler as well."""
        if not self._waits:
            self._waits = True
            self._later(self._do)

    def _do(self) -> None:
        self._waits = False
        self._action()
