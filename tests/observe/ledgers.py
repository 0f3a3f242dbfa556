"""Ledgers with a clock that the test moves, and the configuration that they are told of."""

from ipaddress import ip_network
from pathlib import Path

from gateway.net.settings import ClientSettings, DirectorySettings, GatewaySettings, ServerSettings
from gateway.observe.ledger import Ledger, ListenerStatus
from gateway.relay.settings import SessionLimits
from tests.policy.policies import policy

NOW = 1_700_000_000.0
DC1 = ServerSettings("10.1.2.3", 636, "dc1.corp.example")
DC2 = ServerSettings("10.1.2.4", 636, "dc2.corp.example")
CORP = DirectorySettings("corp", (DC1, DC2), Path("ca.pem"))
LISTENER = ListenerStatus("192.0.2.1:636 (ldaps)", NOW + 40 * 86_400)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def settings(*clients, directory=CORP, sync_gap=60.0, **changes):
    """A configuration with these clients. changes: of their policies."""
    served = tuple(
        ClientSettings(policy(name=name, **changes), (ip_network("198.51.100.0/24"),), directory, sync_gap=sync_gap)
        for name in clients
    )
    return GatewaySettings((), served, SessionLimits())


def ledger(*clients, **keywords):
    """One that serves these clients, or mimecast; its clock can be moved."""
    made = Ledger(Clock(), **keywords)
    made.serve(settings(*(clients or ("mimecast",))), (LISTENER,))
    return made
