"""The operations of a session that have not ended: those that are open, and those that wait for a place among them.

A client may send as many requests at once as it likes (RFC 4511 3.1). No more than limits.operations of them are open,
so that no session takes a server for itself. The others begin in the order of their requests, as open ones end. To the
client both are alike: it may abandon either, a bind ends either, and no message ID of either may be used again.
"""

from __future__ import annotations

from typing import Final, final

from gateway.relay.load import SessionLoad
from gateway.relay.operation import Operation
from gateway.relay.questions import Question
from gateway.relay.steps import Steps

# What the audit says of an operation that ended in another way than by beginning.
NOT_BEGUN: Final = "it was waiting: as many operations were open as limits.operations permits"


@final
class _Waiting:
    """An operation that has not begun. ends_by: when it ends without having begun."""

    __slots__ = ("ends_by", "operation", "steps")

    def __init__(self, operation: Operation, steps: Steps, ends_by: float) -> None:
        self.operation = operation
        self.steps = steps
        self.ends_by = ends_by


class OpenOperations:
    """The operations of a session that have not ended.

    open: by the client's message ID. most: how many may be open. patience: seconds that an operation may wait; the time
    limit of an operation that has one is no other.
    """

    def __init__(self, most: int, patience: float, load: SessionLoad) -> None:
        self.open: dict[int, Operation] = {}
        self._most = most
        self._patience = patience
        self._load = load
        # By the client's message ID, in the order of their requests.
        self._waiting: dict[int, _Waiting] = {}
        # Questions of operations that have no reply so far, by their keys.
        self._posed: dict[int, tuple[Operation, Question]] = {}
        self._last_key = 0

    @property
    def busy(self) -> bool:
        """Whether there are any."""
        return bool(self.open) or bool(self._waiting)

    def find(self, message_id: int) -> Operation | None:
        """The operation that has this message ID now."""
        found = self.open.get(message_id)
        if found is None and self._waiting:
            waiting = self._waiting.get(message_id)
            found = None if waiting is None else waiting.operation
        return found

    def all(self) -> list[Operation]:
        """Those that are open, then those that wait."""
        return [*self.open.values(), *(waiting.operation for waiting in self._waiting.values())]

    def enter(self, operation: Operation, steps: Steps, now: float) -> bool:
        """Whether the operation is open now and may begin with these steps; otherwise it waits."""
        self._load.add(operation.weight)
        if len(self.open) < self._most and not self._waiting:
            self.open[operation.message_id] = operation
            return True
        self._waiting[operation.message_id] = _Waiting(operation, steps, now + self._patience)
        self._load.gateway.waiting += 1
        return False

    def stay(self, operation: Operation) -> None:
        """It is open for longer than its steps, if it has had any."""
        if operation.message_id not in self.open:
            self._load.add(operation.weight)
            self.open[operation.message_id] = operation

    def next(self) -> tuple[Operation, Steps] | None:
        """The next one that may begin, which is open from now on; None where none may."""
        if not self._waiting or len(self.open) >= self._most:
            return None
        message_id = next(iter(self._waiting))
        waiting = self._waiting.pop(message_id)
        self._load.gateway.waiting -= 1
        self.open[message_id] = waiting.operation
        return waiting.operation, waiting.steps

    def leave(self, operation: Operation) -> None:
        """It has ended, or was never one of these."""
        message_id = operation.message_id
        if self._waiting and self._waiting.pop(message_id, None) is not None:
            self._load.gateway.waiting -= 1
            operation.record.add_detail(NOT_BEGUN)
        elif self.open.pop(message_id, None) is None:
            return
        self._load.remove(operation.weight)

    def pose(self, operation: Operation, question: Question) -> int:
        """The key under which replied gives the operation and its question back."""
        self._last_key += 1
        self._posed[self._last_key] = operation, question
        return self._last_key

    def replied(self, key: int) -> tuple[Operation, Question]:
        """The question of this key, which has its reply now, and whose it was. The operation may have ended."""
        return self._posed.pop(key)

    def ends_by(self) -> float | None:
        """When the first of them must have ended, or what is withheld of it is answered; None for never."""
        first: float | None = None
        for operation in self.open.values():
            if operation.ends_by is not None and (first is None or operation.ends_by < first):
                first = operation.ends_by
        if self._waiting:
            # The one that came first.
            waits = next(iter(self._waiting.values())).ends_by
            first = waits if first is None else min(first, waits)
        return first

    def overdue(self, now: float) -> list[Operation]:
        """Those of which that time has come."""
        overdue = [one for one in self.open.values() if one.ends_by is not None and one.ends_by <= now]
        for waiting in self._waiting.values():
            if waiting.ends_by > now:
                break
            overdue.append(waiting.operation)
        return overdue
