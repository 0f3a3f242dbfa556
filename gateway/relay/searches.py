"""The searches of a session: what they share, and the steps of each."""

from __future__ import annotations

from gateway.policy.base_spelling import BaseSpellings
from gateway.policy.decision import AncestorPlan, SearchPlan
from gateway.policy.policy import Policy
from gateway.relay.aside import Room
from gateway.relay.load import weight_of_plan
from gateway.relay.operation import Operation
from gateway.relay.paging import ServerFacts
from gateway.relay.searching import SearchContext, ancestor_steps, search_steps
from gateway.relay.settings import SessionLimits
from gateway.relay.standing import Standing
from gateway.relay.steps import Steps
from gateway.relay.to_server import ToServer


class Searches:
    """What becomes of the searches that the policy permits. patience: seconds for each."""

    def __init__(
        self,
        policy: Policy,
        limits: SessionLimits,
        facts: ServerFacts,
        server: ToServer,
        standing: Standing,
        patience: float,
    ) -> None:
        self._policy = policy
        self._facts = facts
        self._server = server
        self._standing = standing
        self._patience = patience
        self._room = Room(limits.expanded_entry)

    def spellings(self, account: str) -> BaseSpellings:
        """How the server of the session spells the configured bases for this account."""
        return self._facts.bases.spellings((self._server.url, account))

    def steps(self, operation: Operation, plan: SearchPlan) -> Steps:
        """The steps of a search. Its record says what becomes of it."""
        record = operation.record
        record.forwarded = plan.parts[0].attributes
        record.reported = tuple(plan.reported)
        record.mended = plan.mended
        record.suspicious = plan.suspicious
        if plan.narrowed:
            record.narrowed_to = tuple(part.base for part in plan.parts)
        operation.weight += weight_of_plan(plan)
        operation.ends_by = self._standing.now + self._patience
        return search_steps(self._policy, plan, self._context(operation))

    def ancestor_steps(self, operation: Operation, plan: AncestorPlan) -> Steps:
        """The steps of a read of an entry above the allowed bases. Its record says what becomes of it."""
        operation.record.forwarded = plan.request.attributes
        operation.record.mended = plan.mended
        return ancestor_steps(self._policy, plan, self._context(operation))

    def _context(self, operation: Operation) -> SearchContext:
        server = self._server
        return SearchContext(
            server.paged, self._room, self._facts, server.url, operation.record.account, operation.weight
        )
