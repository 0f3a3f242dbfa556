"""Ledgers with a clock that the test moves, and the configuration that they are told of."""

from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from gateway.config.settings import GatewaySettings
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.sessions.settings import ClientSettings
from gateway.observe.ledger import Ledger, ListenerStatus
from gateway.observe.sync_runs import SyncRun
from gateway.policy.lockout import CountedKind, GuardedAccount
from gateway.relay.settings import SessionLimits
from tests.policy.policies import policy

NOW = 1_700_000_000.0
DC1 = ServerSettings("10.1.2.3", 636, "dc1.corp.example")
DC2 = ServerSettings("10.1.2.4", 636, "dc2.corp.example")
CORP = DirectorySettings("corp", (DC1, DC2), Path("ca.pem"))
LISTENER = ListenerStatus("192.0.2.1:636 (ldaps)", NOW + 40 * 86_400)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class GuardsOf:
    """The guards of these accounts, each with the seconds that it has left."""

    def __init__(self, left: Mapping[GuardedAccount, float]) -> None:
        self._left = left

    def guard_left(self, account: GuardedAccount) -> float:
        return self._left.get(account, 0.0)

    def guarded(self) -> Mapping[CountedKind, int]:
        return Counter(account.kind for account in self._left)

    def longest_guard(self) -> float:
        return max(self._left.values(), default=0.0)


def clock_of(ledger: Ledger) -> Clock:
    """The clock of one that ledger() made."""
    assert isinstance(ledger.clock, Clock)
    return ledger.clock


def settings(
    *clients: str, directory: DirectorySettings = CORP, sync_gap: float = 60.0, **changes: Any
) -> GatewaySettings:
    """A configuration with these clients. changes: of their policies."""
    network = ip_network("198.51.100.0/24")
    policies = [policy(**{"name": name, "directory": directory.name} | changes) for name in clients]
    served = tuple(ClientSettings(each, (network,), directory, sync_gap=sync_gap) for each in policies)
    return GatewaySettings((), served, SessionLimits())


def ledger(*clients: str, run_ended: Callable[[SyncRun], None] = lambda run: None) -> Ledger:
    """One that serves these clients, or mimecast; its clock can be moved."""
    made = Ledger(Clock(), run_ended)
    made.serve(settings(*(clients or ("mimecast",))), (LISTENER,))
    return made
