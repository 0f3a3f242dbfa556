"""One server of a directory, from its name to its first answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509

from gateway.ask.chain import ChainProblem, Flaw, carries_name, chain_problem, names, read_authorities, shown
from gateway.ask.connection import Connection, ConnectionFailed
from gateway.ask.findings import Section
from gateway.ask.handshake import NoConnection, NoHandshake, look
from gateway.ask.root_dse import RootDse, read_root_dse
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.transport.reactor import Reactor
from gateway.tools.doctor.certificate import check_expiry
from gateway.tools.doctor.resolving import Unresolved, resolve

STEPS: Final = ("resolves", "connects", "TLS", "expiry", "chain", "name", "answers")

# Seconds for one small answer; a server that needs more makes every sign-in wait.
SLOW: Final = 1.0


async def check_server(
    section: Section, directory: DirectorySettings, server: ServerSettings, now: datetime, reactor: Reactor
) -> RootDse | None:
    """What the server says of itself; None where the gateway could not use it."""
    try:
        addresses = server.addresses or await resolve(server.host, directory.connect_timeout, reactor)
    except Unresolved as error:
        section.failed(
            "resolves",
            str(error),
            "correct the name or this host's DNS; or give the server's address, with server_name for its certificate",
        )
        section.skipped("its address is not known", *STEPS[1:])
        return None
    section.ok("resolves", ", ".join(addresses) if server.host not in addresses else "is an address")
    patience = directory.connect_timeout
    try:
        host = server.addresses[0] if server.addresses else server.host
        shake = await look(host, server.port, server.server_name, patience, reactor)
    except NoConnection as none:
        section.failed("connects", str(none), none.advice)
        section.skipped("it does not connect", *STEPS[2:])
        return None
    except NoHandshake as none:
        section.ok("connects", f"port {server.port} is open")
        section.failed("TLS", str(none), none.advice)
        section.skipped("there is no TLS", *STEPS[3:])
        return None
    section.ok("connects", f"in {shake.connecting * 1000:.0f} ms")
    section.ok("TLS", f"in {shake.securing * 1000:.0f} ms")
    accepted = _check_chain(section, shake.chain, directory, now)
    leaf = shake.chain[0]
    if carries_name(leaf, server.server_name):
        section.ok("name", f"carries {server.server_name}")
    else:
        accepted = False
        listed = ", ".join(names(leaf)) or "no name"
        section.failed(
            "name",
            f"does not carry {server.server_name}; it is for {listed}",
            "set server_name to the name of this server that it carries, or have it issued anew",
        )
    if not accepted:
        section.skipped("the gateway does not trust its certificate", "answers")
        return None
    return await _answers(section, directory, server, reactor)


async def _answers(
    section: Section, directory: DirectorySettings, server: ServerSettings, reactor: Reactor
) -> RootDse | None:
    """By the gateway's own way, so what holds here holds for a session."""
    try:
        async with await Connection.open(directory, server, reactor) as connection:
            started = reactor.seconds()
            found = await read_root_dse(connection)
            took = reactor.seconds() - started
    except (ConnectionFailed, OSError, ValueError) as error:
        section.failed("answers", str(error), "the gateway cannot use this server")
        return None
    if found is None:
        section.warning("answers", "it shows no root DSE before a bind", "what it can do is looked at after the bind")
        return RootDse()
    if took > SLOW:
        section.warning("answers", f"{found.kind}, after {took:.1f} s", "look at its load, and at the way to it")
    else:
        section.ok("answers", f"{found.kind}, in {took * 1000:.0f} ms")
    return found


def _check_chain(
    section: Section,
    chain: Sequence[x509.Certificate],
    directory: DirectorySettings,
    now: datetime,
) -> bool:
    problem = chain_problem(chain, read_authorities(directory.ca_file), now)
    if problem is not None and problem.flaw is Flaw.expired:
        subject = shown(problem.certificate.subject)
        section.failed(
            "expiry",
            f"{subject} expired on {problem.certificate.not_valid_after_utc:%Y-%m-%d}",
            "renew it on the server; AD takes a renewed one without a restart",
        )
        section.skipped("it has expired", "chain")
        return False
    check_expiry(section, chain, now)
    if problem is None:
        section.ok("chain", f"issued by {shown(chain[0].issuer)}, as ca_file has it")
        return True
    section.failed("chain", *_chain_words(problem, f"directories.{directory.name}.ca_file"))
    return False


def _chain_words(problem: ChainProblem, ca_file: str) -> tuple[str, str]:
    subject, issuer = shown(problem.certificate.subject), shown(problem.certificate.issuer)
    if problem.flaw is Flaw.not_yet_valid:
        text = f"{subject} is not valid before {problem.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return text, "set the clocks of this host and of the authority right"
    if problem.flaw is Flaw.self_signed:
        text = f"{subject} is self-signed"
        return text, f"have one issued by your authority; or put this very certificate into {ca_file}"
    if problem.flaw is Flaw.unknown_root:
        return f"issued by {subject}, which is not in {ca_file}", f"if that is your authority, put it into {ca_file}"
    if problem.flaw is Flaw.no_issuer:
        text = f"{issuer}, the issuer of {subject}, is neither sent by the server nor in {ca_file}"
        advice = f"install the intermediate certificate on the server, or put {issuer} into {ca_file}"
        return text, advice
    return problem.text, f"compare the server's certificate with {ca_file}"
