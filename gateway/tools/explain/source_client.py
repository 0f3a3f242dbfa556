"""Whose client an address is, by the configuration alone."""

from __future__ import annotations

from gateway.config.settings import GatewaySettings
from gateway.ldap.results import ResultCode
from gateway.net.sessions.settings import ClientSettings
from gateway.net.sessions.sources import SourceTable
from gateway.policy.decision import Refuse
from gateway.policy.reasons import Reason


def clients_of_source(settings: GatewaySettings, address: str) -> tuple[ClientSettings, ...]:
    """The clients that connections from this address belong to: one, unless listeners differ in it; none where every
    listener closes them. Raises ValueError for what is no address."""
    if SourceTable((network, True) for network in settings.trusted_proxies).find(address):
        # A proxy is never its own client: its address stands for whoever comes through it.
        return ()
    found: dict[str, ClientSettings] = {}
    for index in range(len(settings.listeners)):
        table = SourceTable(
            (network, client) for client in settings.clients if client.listens_at(index) for network in client.sources
        )
        client = table.find(address)
        if client is not None:
            found[client.policy.name] = client
    return tuple(found.values())


def refuse_source(found: tuple[ClientSettings, ...]) -> Refuse:
    """The end of a connection from an address that is not the client's who was thought of. found: whose it is."""
    names = ", ".join(client.policy.name for client in found)
    detail = f"it belongs to client {names}" if names else ""
    return Refuse(Reason.source_not_listed, ResultCode.unavailable, "", detail)
