"""A gateway outside as the one inside calls it: whether it would have this agent, and whether both mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

from cryptography.x509 import Certificate

from gateway.ask.chain import shown
from gateway.ask.findings import Section
from gateway.ask.handshake import Handshake, NoConnection, NoHandshake, look
from gateway.ask.link_look import PATIENCE, Looked, NoWelcome, Reached, look_over_link
from gateway.link.keyring import Keyring
from gateway.link.keys import fingerprint
from gateway.link.parity import Clients, Digests
from gateway.link.settings import CalledHost
from gateway.net.transport.reactor import Reactor
from gateway.tools.doctor.directory import CLOCK_TOLERANCE
from gateway.tools.doctor.link_keys import check_key
from gateway.tools.doctor.resolving import Unresolved, resolve

STEPS: Final = (
    "pinned key",
    "resolves",
    "connects",
    "TLS",
    "key",
    "accepted",
    "version",
    "clock",
    "policies",
    "clients",
)

# Certificates begin that long before they are made (gateway/link/keys.py).
_MOST_APART: Final = timedelta(days=1)

_NEW_KEY_THERE: Final = "`ldap-gateway link key` at the outside, and its certificate (.pem) to here"
_EXPORT: Final = "`ldap-gateway link export` at the outside prints what agrees with it"


async def check_called(
    section: Section, host: CalledHost, keyring: Keyring, served: Clients, now: datetime, reactor: Reactor
) -> None:
    """keyring: pins this outside. served: the clients of the link."""
    pinned = check_key(section, STEPS[0], host.certificate, now, _NEW_KEY_THERE)
    try:
        addresses = await resolve(host.host, PATIENCE, reactor)
    except Unresolved as error:
        section.failed("resolves", str(error), "correct the name in `call` and `hosts`, or this host's DNS")
        section.skipped("its address is not known", *STEPS[2:])
        return
    section.ok("resolves", ", ".join(addresses) if host.host not in addresses else "is an address")
    try:
        looked = await look_over_link(host, keyring, reactor)
    except NoWelcome as error:
        if error.reached is Reached.secured:
            section.ok("connects", f"port {host.port} is open")
            section.ok("TLS", "TLS 1.3")
            section.ok("key", "the pinned one")
            _not_accepted(section, str(error))
        else:
            await _explain(
                section, host, [each for each in pinned if each.not_valid_after_utc > now], str(error), reactor
            )
        return
    section.ok("connects", f"in {looked.connecting * 1000:.0f} ms")
    section.ok("TLS", f"TLS 1.3, in {looked.securing * 1000:.0f} ms")
    section.ok("key", f"the pinned one, {looked.outside}")
    section.ok("accepted", f"as one of its agents, in {looked.welcoming * 1000:.0f} ms")
    _check_version(section, looked.welcome.version)
    _check_clock(section, timedelta(seconds=looked.welcome.now - now.timestamp()))
    _check_policies(section, looked, served)


def _not_accepted(section: Section, said: str) -> None:
    section.failed("accepted", said, "put this agent's certificate into `agents` of the link there; its log says more")
    section.skipped("it does not accept this agent", *STEPS[6:])


async def _explain(
    section: Section, host: CalledHost, pinned: Sequence[Certificate], said: str, reactor: Reactor
) -> None:
    """Why no TLS with the pinned key came about: by a handshake that trusts whatever is shown. pinned: those that have
    not expired. said: what the way of the gateway says."""
    at = host.address
    try:
        shake = await look(host.host, host.port, host.host, PATIENCE, reactor)
    except NoConnection as none:
        section.failed("connects", str(none), none.advice)
        section.skipped("it does not connect", *STEPS[3:])
        return
    except NoHandshake as none:
        section.ok("connects", f"port {host.port} is open")
        advice = f"is it the link's address? what else answers at {at} is none"
        if none.closed:
            advice = "is the way out of this network in `sources` of the link there? or a firewall between closes it"
        section.failed("TLS", str(none), advice)
        section.skipped("there is no TLS", *STEPS[4:])
        return
    section.ok("connects", f"in {shake.connecting * 1000:.0f} ms")
    if shake.version != "TLSv1.3":
        section.failed(
            "TLS", f"{shake.version} is the most that it has, and a link needs TLS 1.3", _on_the_way(shake, at)
        )
        section.skipped("there is no TLS 1.3", *STEPS[4:])
        return
    section.ok("TLS", f"TLS 1.3, in {shake.securing * 1000:.0f} ms")
    certificate = shake.chain[0]
    if not pinned:
        section.failed("key", "no certificate that is pinned here is good now", _NEW_KEY_THERE)
        section.skipped("it is not a pinned key", *STEPS[5:])
        return
    if certificate not in pinned:
        section.failed("key", _other_key(certificate), _on_the_way(shake, at))
        section.skipped("it is not the pinned key", *STEPS[5:])
        return
    section.ok("key", "the pinned one")
    _not_accepted(section, said)


def _other_key(certificate: Certificate) -> str:
    subject, issuer = shown(certificate.subject), shown(certificate.issuer)
    if certificate.subject == certificate.issuer:
        return f"another key than the pinned one: {subject}, {fingerprint(certificate)}"
    return f"another certificate than the pinned one: {subject}, issuer {issuer}"


def _on_the_way(shake: Handshake, address: str) -> str:
    """What to do where somebody else than the outside has answered."""
    certificate = shake.chain[0]
    if certificate.subject == certificate.issuer:
        return (
            "if the outside has a new key, compare this fingerprint there, and put its certificate (.pem) here; else "
            "somebody else answers in its place"
        )
    return f"something looks into TLS on the way: exempt {address} from that; or it is not the link's address"


def _check_version(section: Section, theirs: str) -> None:
    ours = version("ldap-gateway")
    if theirs == ours:
        section.ok("version", f"{theirs}, as here")
    else:
        section.warning("version", f"{theirs}, and {ours} here", "have the same at both ends; update the outside first")


def _check_clock(section: Section, ahead: timedelta) -> None:
    """ahead: by how much the outside's clock is before this host's."""
    apart = abs(ahead)
    said = f"{apart.total_seconds():.0f} seconds {'before' if ahead > timedelta() else 'behind'} this host's"
    advice = "set both clocks by NTP (`timedatectl`)"
    if apart > _MOST_APART:
        section.failed("clock", said, f"{advice}: new keys would not be valid yet")
    elif apart > CLOCK_TOLERANCE:
        section.warning("clock", said, f"{advice}: times in the logs of both ends do not fit each other")
    else:
        section.ok("clock", f"within {CLOCK_TOLERANCE.total_seconds():.0f} seconds of this host's")


def _check_policies(section: Section, looked: Looked, served: Clients) -> None:
    asked = {name for name, state in looked.states.items() if not state.is_gone}
    alone = {f"clients.{name}" for name in asked ^ served.keys()}
    keys = Digests(served, looked.outside, looked.inside).differing(looked.states)
    differing = [key for key in keys if key not in alone]
    if not asked & served.keys():
        section.skipped("no client is at both ends", "policies")
    elif differing:
        section.warning(
            "policies",
            f"other at the outside: {', '.join(differing)}",
            f"what is listed there and not here is refused here; {_EXPORT}",
        )
    else:
        section.ok("policies", "both ends have the same")
    _check_clients(section, asked, set(served))


def _check_clients(section: Section, asked: set[str], served: set[str]) -> None:
    unknown, unasked = sorted(asked - served), sorted(served - asked)
    if unknown:
        section.failed(
            "clients",
            f"it asks for {', '.join(unknown)}, and no client of that name has this link in `links` here",
            _EXPORT,
        )
    if unasked:
        section.warning(
            "clients",
            f"it does not ask for {', '.join(unasked)}",
            "no client of that name has a directory with this link there: add it there, or take it out here",
        )
    if not unknown and not unasked:
        section.ok("clients", f"it asks for {', '.join(sorted(asked))}")
