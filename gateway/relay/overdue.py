"""When the answers that a session awaits of its server are overdue."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.relay.operation import Operation
from gateway.relay.server_clock import ServerClock
from gateway.relay.settings import SessionLimits
from gateway.relay.steps import Stream
from gateway.relay.upstream import Upstream


def first_due(
    operations: Iterable[Operation], upstream: Upstream[Operation] | None, clock: ServerClock, limits: SessionLimits
) -> float | None:
    """When the first of them is, on the session's clock; None for never. While the session is still connecting nothing
    is overdue: that has a time limit of its own."""
    first: float | None = None
    for operation in operations:
        due = _due(operation, upstream, clock, limits)
        if due is not None and (first is None or due < first):
            first = due
    return first


def _due(
    operation: Operation, upstream: Upstream[Operation] | None, clock: ServerClock, limits: SessionLimits
) -> float | None:
    awaited = operation.awaited
    if awaited is None:
        return None
    if isinstance(operation.step, Stream):
        # None while reading from the server pauses.
        return clock.silent_at(limits.silence)
    patience = limits.bind
    if upstream is not None and upstream.patience is not None:
        patience = min(patience, upstream.patience)
    return awaited.since + patience
