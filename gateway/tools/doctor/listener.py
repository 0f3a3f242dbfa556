"""A listener as this host sees it: whether it serves, and with which certificate."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.ask.findings import Section
from gateway.ask.handshake import Handshake, NoConnection, NoHandshake, look
from gateway.host.system_errors import system_error
from gateway.net.listeners.port_holder import port_in_use
from gateway.net.sessions.settings import ClientSettings, ListenerSettings, StartTls
from gateway.net.sessions.sources import SourceTable, parse_source
from gateway.net.transport.reactor import Reactor
from gateway.policy.reasons import Reason

# Seconds; on the host itself.
_PATIENCE: Final = 5.0


async def check_listener(
    section: Section,
    listener: ListenerSettings,
    chain: Sequence[x509.Certificate],
    clients: Sequence[ClientSettings],
    reactor: Reactor,
) -> None:
    """chain: of its certificate file. clients: those that it serves."""
    if listener.port == 0:
        section.warning("listens", "port 0 is any free port: nobody can be told where", "give it a port, such as 636")
        section.skipped("its port is not known", "serves")
        return
    host = _loopback(listener.host)
    starttls = listener.starttls is StartTls.required
    name = "localhost"
    try:
        shake = await look(host, listener.port, name, _PATIENCE, reactor, starttls=starttls, unbinds=True)
    except NoConnection as none:
        if none.refused:
            check_bindable(section, listener.host, listener.port)
        else:
            section.failed("listens", str(none), "a firewall on this host drops what comes to this port")
        section.skipped("nothing listens", "serves")
    except NoHandshake as none:
        section.ok("listens", f"port {listener.port} is open")
        if none.closed and not _is_source(host, clients):
            section.ok(
                "serves",
                f"{host} is in no client's sources, and it closed the connection at once",
                "add 127.0.0.1 to `sources` of a client if doctor should look at the certificate that it shows",
            )
        else:
            section.failed("serves", str(none), "is it the gateway that has this port? see its log")
    else:
        section.ok("listens", f"port {listener.port} is open")
        _compare(section, shake, chain, _logged_as(host, clients))


def _logged_as(host: str, clients: Sequence[ClientSettings]) -> str:
    """What the gateway's log has of this look, "" for nothing: a client that must show a certificate shows one."""
    sources = SourceTable((network, client) for client in clients for network in client.sources)
    client = sources.find(host)
    if client is None or client.certificate is None:
        return ""
    return f"its log has a {Reason.tls_failed.value} of {host} now: doctor has no certificate to show it"


def _compare(section: Section, shake: Handshake, chain: Sequence[x509.Certificate], logged_as: str) -> None:
    if shake.chain[0].fingerprint(SHA256()) != chain[0].fingerprint(SHA256()):
        until = shake.chain[0].not_valid_after_utc
        section.warning(
            "serves",
            f"it shows another certificate than the file has, valid until {until:%Y-%m-%d}",
            "kill -HUP the gateway, so that it takes the new one; or another program has this port",
        )
    elif len(shake.chain) < len(chain):
        section.warning("serves", "it shows fewer certificates than the file has", "kill -HUP the gateway")
    else:
        section.ok("serves", "it shows the certificate of the file", logged_as)


def check_bindable(section: Section, host: str, port: int) -> None:
    """Whether the gateway could listen there. SO_REUSEADDR is set as Twisted does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            said = f"it cannot listen: {_bind_trouble(error, host, port)}"
            section.failed("listens", said, _bind_advice(error, host, port))
            return
    section.warning("listens", "nothing listens yet; the port is free", "start the gateway: ldap-gateway run")


def _bind_trouble(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return port_in_use(host, port)
    return system_error(error)


def _bind_advice(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EACCES:
        return f"ports below 1024 need CAP_NET_BIND_SERVICE; or listen above and redirect {port} there"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this host: see `ip address`, or listen on 0.0.0.0"
    return "end that program, or take another port"


def _loopback(host: str) -> str:
    """Where this host reaches a listener on all addresses."""
    address = ip_address(host)
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _is_source(host: str, clients: Sequence[ClientSettings]) -> bool:
    address = parse_source(host)
    return any(address in network for client in clients for network in client.sources)
