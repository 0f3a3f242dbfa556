"""What the place of a connection is told of its session's binds."""

from __future__ import annotations

from time import monotonic

from gateway.net.sessions.admission import Place
from gateway.relay.standing import Standing


class PlaceTold:
    """A place and what it has been told so far. for_good: nobody may take it any more."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.for_good = False
        self._binding = False

    def tell(self, standing: Standing) -> None:
        """Whether a bind is under way, and whether one has succeeded."""
        binding, has_bound = standing.binding is not None, standing.has_bound
        if has_bound or not binding:
            if self._binding or has_bound:
                self.place.bind_ended(has_bound, monotonic())
        else:
            self.place.bind_begun(standing.binds, monotonic())
        self._binding, self.for_good = binding, has_bound
