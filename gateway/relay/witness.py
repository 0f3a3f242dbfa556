"""What a session sees of how its servers do their work, told to whoever chooses among servers.

Only what happens behind a connection whose TLS came up is told here; that one cannot be connected to is learned where
it is tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.ldap.messages import BindRequest, BindResponse
from gateway.ldap.results import ResultCode
from gateway.policy.reasons import Reason
from gateway.relay.operation import Operation
from gateway.relay.output import Output
from gateway.relay.questions import Conduct, Duty, ServerAsked, ServerBehaved
from gateway.relay.steps import Answer, Ask
from gateway.relay.upstream import Upstream

# Seconds behind an accepted bind in which a server that closes without having been asked anything has failed. Servers
# that close a connection because nobody uses it take minutes for that.
CLOSES_AT_ONCE: Final = 5.0

# By these an operation ends with an error of its own, though the connection goes on.
_UNUSABLE: Final = (Reason.server_undecodable, Reason.server_wrong_response)


class Witness:
    """The witness of one session's servers. Every step of a bind is told when the server is asked and when that has
    ended, once each. Of searches, which are the client's own and may take as long as they like, no more is told than
    the first answer of a connection, and the end of one that never gave any."""

    def __init__(self, output: Output) -> None:
        self._output = output
        # The step of a bind that is awaited, and how it ends unless something else is seen.
        self._awaited: ServerAsked | None = None
        self._conduct = Conduct.given_up

    def asked(self, operation: Operation) -> None:
        """A step of it was sent to the server."""
        self._conduct = Conduct.given_up
        awaited = operation.awaited
        if awaited is not None and isinstance(operation.request, BindRequest):
            step = operation.step
            binds = isinstance(step, Ask) and isinstance(step.request, BindRequest)
            duty = Duty.bind if binds else Duty.service
            self._awaited = ServerAsked(operation.record.server, duty, awaited.since)
            self._output.command(self._awaited)

    def ended(self, operation: Operation) -> None:
        """Its step is awaited no longer, whatever the reason."""
        awaited = self._awaited
        if awaited is not None and isinstance(operation.request, BindRequest):
            self._awaited = None
            self._output.command(ServerBehaved(awaited.server, awaited.duty, awaited.since, self._conduct))

    def answered(self, operation: Operation, answer: Answer, upstream: Upstream[Operation], now: float) -> None:
        """The server has answered its step; before ended."""
        if isinstance(answer, BindResponse):
            unable = answer.result.code in (ResultCode.busy, ResultCode.unavailable)
            self._conduct = Conduct.failed if unable else Conduct.answered
            if answer.result.code == ResultCode.success:
                upstream.bound_at, upstream.served = now, False
        elif isinstance(operation.request, BindRequest):
            self._conduct = Conduct.answered
            upstream.served = True
        elif upstream.bound_at is not None and not upstream.served:
            upstream.served = True
            self._output.command(ServerBehaved(upstream.url, Duty.service, upstream.bound_at, Conduct.answered))

    def failed(self, reason: Reason) -> None:
        """An operation fails because of the server; before ended."""
        if reason in _UNUSABLE:
            self._conduct = Conduct.failed

    def sent_again(self, answer: BindResponse | None) -> None:
        """A bind goes to another connection. answer: that of this one, None where there was none; before ended."""
        if answer is None:
            self._conduct = Conduct.failed

    def gone(self, reason: Reason, operations: Iterable[Operation], upstream: Upstream[Operation], now: float) -> None:
        """The connection is given up, because of the server. operations: those that are open; before they end."""
        if self._awaited is not None:
            # While a bind runs nothing else is open.
            self._conduct = _conduct_at_bind(reason, self._awaited.duty, kept=upstream.patience is not None)
            return
        searches = [operation for operation in operations if operation.awaited is not None]
        if upstream.bound_at is None or upstream.served or any(_has_come(search) for search in searches):
            return
        at_once = reason is Reason.server_lost and now - upstream.bound_at <= CLOSES_AT_ONCE
        if searches or at_once:
            # With a search under way it may be that search which the server does not stand.
            conduct = Conduct.failed if searches else Conduct.closed
            self._output.command(ServerBehaved(upstream.url, Duty.service, upstream.bound_at, conduct))


def _conduct_at_bind(reason: Reason, duty: Duty, *, kept: bool) -> Conduct:
    """The conduct of a server that was given up at a bind, or at the look-up behind it. kept: the connection was opened
    before it was needed, and nothing has come over it since; it may have been dead all the time."""
    if reason is Reason.server_silent and not kept:
        return Conduct.silent
    if reason is Reason.server_lost and duty is Duty.service:
        return Conduct.closed
    # A bind has a name and a password of the client's in it.
    return Conduct.failed


def _has_come(operation: Operation) -> bool:
    """Whether the server has sent entries for it."""
    stream = None if operation.awaited is None else operation.awaited.stream
    return stream is not None and stream.received > 0
