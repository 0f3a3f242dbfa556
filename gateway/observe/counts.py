"""What one client's operations add up to. One call for each finished operation, and nothing that grows with use."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gateway.ldap.results import ResultCode, result_name
from gateway.observe.histogram import Histogram
from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord

# Seconds. The gateway's own work on an operation, and what a server takes: its query limit is 120 s in AD.
OWN_BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
SERVER_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120)

# What is refused only after the policy has permitted the request as such.
REFUSED_LATE: Final = frozenset(
    {
        Reason.account_guarded.value,
        Reason.source_guarded.value,
        Reason.secret_wrong.value,
        Reason.login_outside_base.value,
        Reason.login_identity_unknown.value,
        Reason.filter_supertype.value,
        Reason.control_not_supported.value,
    }
)
# Why a permitted operation fails, and why a connection ends without one. All other reasons are of refused requests.
FAILURES: Final = frozenset(
    {
        Reason.gateway_account_refused,
        Reason.gateway_account_guarded,
        Reason.gateway_account_replaced,
        Reason.too_many_verifications,
        Reason.too_many_attempts,
        Reason.client_gone,
        Reason.client_removed,
        Reason.abandoned,
        Reason.superseded_by_bind,
        Reason.write_stalled,
        Reason.server_unreachable,
        Reason.server_lost,
        Reason.server_silent,
        Reason.server_wrong_response,
        Reason.server_undecodable,
        Reason.server_referral,
        Reason.narrowed_base_missing,
        Reason.size_limit_reached,
        Reason.octet_limit_reached,
        Reason.response_too_large,
        Reason.search_timeout,
        Reason.expanded_entry_too_large,
        Reason.entry_changed,
        Reason.result_shrank,
    }
)
# A connection that is displaced has a session, and no bind has succeeded on it.
OF_CONNECTIONS: Final = frozenset([reason for reason, kind in KINDS.items() if kind is Kind.connection]) | {
    Reason.displaced
}
REFUSALS: Final = frozenset(Reason) - FAILURES - OF_CONNECTIONS

# What every client does. The others are counted from the first on.
USUAL: Final = ("bind", "search")

_RESULT_SHRANK: Final = Reason.result_shrank.value

# A server may give any number as a result code.
_CODES: Final = frozenset(map(int, ResultCode))
_OTHER_CODE: Final = "unnamed"
_NO_CODE: Final = "none"


def is_refusal(record: AuditRecord) -> bool:
    """Whether it ended because the policy does not permit it."""
    return refused(record.decision, record.reason)


def refused(decision: str, reason: str) -> bool:
    """Whether the policy refused what a record with these fields tells of."""
    return decision == "refuse" or reason in REFUSED_LATE


def shrank(record: AuditRecord) -> bool:
    """Whether the shrink guard spoke, be it only to report."""
    return record.reason == _RESULT_SHRANK or _RESULT_SHRANK in record.reported


class ClientCounts:
    """The counts of one client's operations.

    operations: by operation and the result's name. refusals, failures: by reason. shrank: searches that the shrink
    guard refused, and shrank_passed those that it only reported. own, server: seconds of an operation, by its name.
    sessions: since the start, open_sessions: now. complete_runs, incomplete_runs: sync runs that are over.
    """

    def __init__(self) -> None:
        self.open_sessions = 0
        self.sessions = 0
        self.entries = 0
        self.entries_held_back = 0
        self.attributes_held_back = 0
        self.references_dropped = 0
        self.mended = 0
        self.pages = 0
        self.octets = 0
        self.shrank = 0
        self.shrank_passed = 0
        self.complete_runs = 0
        self.incomplete_runs = 0
        self.refusals: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.own: dict[str, Histogram] = {operation: Histogram(OWN_BOUNDS) for operation in USUAL}
        self.server: dict[str, Histogram] = {operation: Histogram(SERVER_BOUNDS) for operation in USUAL}
        self._operations: Counter[tuple[str, int | None]] = Counter()

    def add(self, record: AuditRecord) -> None:
        operation, code, reason = record.operation, record.code, record.reason
        self._operations[operation, code if code is None or code in _CODES else -1] += 1
        self.octets += record.octets
        if record.mended:
            self.mended += len(record.mended)
        if operation == "search":
            self.entries += record.sent
            self.entries_held_back += record.entries_held_back
            self.attributes_held_back += len(record.held_back)
            self.references_dropped += record.references_dropped
            self.pages += record.pages
            if reason == _RESULT_SHRANK:
                self.shrank += 1
            elif record.reported and _RESULT_SHRANK in record.reported:
                self.shrank_passed += 1
        if reason:
            (self.refusals if is_refusal(record) else self.failures)[reason] += 1
        (self.own.get(operation) or _new(self.own, operation, OWN_BOUNDS)).add(record.own_seconds)
        if record.server:
            (self.server.get(operation) or _new(self.server, operation, SERVER_BOUNDS)).add(record.server_seconds)

    def operations(self) -> dict[tuple[str, str], int]:
        return {(operation, _result(code)): count for (operation, code), count in self._operations.items()}


def _new(by_operation: dict[str, Histogram], operation: str, bounds: tuple[float, ...]) -> Histogram:
    made = by_operation[operation] = Histogram(bounds)
    return made


def _result(code: int | None) -> str:
    if code is None:
        return _NO_CODE
    return _OTHER_CODE if code < 0 else result_name(code)
