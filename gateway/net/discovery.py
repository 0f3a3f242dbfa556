"""The servers of a directory, as DNS names them (RFC 2782; MS-ADTS 6.3.2.3 has the names that AD registers).

What DNS says is not trusted: a server counts only if its name lies in the configured domains, and its certificate must
carry that name, so that whoever can forge answers can do no more than name servers that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import uniform
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from gateway.net.reactor import Reactor, Timer
from gateway.net.settings import Candidate, DirectorySettings, DiscoverySettings, ServerSettings

log = Logger()

# Seconds for each try of one question.
TRIES: Final = (1, 2)

# Seconds between two lookups, whatever the TTL says, and after a failed one.
SHORTEST: Final = 5.0
LONGEST: Final = 3600.0
FIRST_RETRY: Final = 2.0
LONGEST_RETRY: Final = 60.0

RESOLV_CONF: Final = Path("/etc/resolv.conf")


class NotFound(Exception):
    """DNS names no server that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """ttl: seconds for which DNS says that this holds. outside: names that were left out because they lie in none of
    the configured domains."""

    candidates: tuple[Candidate, ...]
    ttl: float
    outside: tuple[str, ...] = ()


async def find_servers(settings: DiscoverySettings, reactor: Reactor) -> Found:
    """Asks once. Raises NotFound; may be cancelled."""
    # Imported for those who discover: nobody else need wait for it.
    from twisted.names import client, dns, error

    servers = [settings.resolver] if settings.resolver is not None else _system_resolvers()
    untyped: Any = reactor
    resolver: Any = client.Resolver(servers=servers, timeout=TRIES, reactor=untyped)
    try:
        answers, _, additional = await resolver.lookupService(settings.service)
    except CancelledError:
        raise
    except error.DNSNameError:
        raise NotFound(f"{settings.service}: no such name in DNS") from None
    except Exception as failure:  # noqa: BLE001 - whatever it was, DNS has not answered
        raise NotFound(f"{settings.service}: {_words(failure)} from {_shown(servers)}") from None
    records = [answer for answer in answers if answer.type == dns.SRV]
    candidates, outside, ttls = [], [], []
    for record in records:
        name = str(record.payload.target).rstrip(".").lower()
        if not _is_inside(name, settings.domains):
            # RFC 2782: a target of "." says that there is no such service.
            outside += [name] if name else []
            continue
        addresses: tuple[str, ...] = ()
        if settings.resolver is not None:
            addresses = await _addresses(resolver, name, additional)
        server = ServerSettings(name, settings.port, name, addresses)
        candidates.append(Candidate(server, record.payload.priority, record.payload.weight))
        ttls.append(record.ttl)
    if not candidates:
        said = f"only servers outside of {', '.join(settings.domains)}: {', '.join(outside)}"
        raise NotFound(f"{settings.service}: DNS names {said if outside else 'no server'}")
    candidates.sort(key=lambda candidate: (candidate.priority, candidate.server.host))
    return Found(tuple(candidates), float(min(ttls)), tuple(outside))


async def known_servers(directory: DirectorySettings, reactor: Reactor) -> tuple[ServerSettings, ...]:
    """Those of the configuration, or those that DNS names now, best first. Raises NotFound."""
    if directory.discover is None:
        return directory.servers
    found = await find_servers(directory.discover, reactor)
    return tuple(candidate.server for candidate in found.candidates)


class Discovery:
    """Looks again whenever the TTL has passed. found, failed: take what came of each lookup."""

    def __init__(
        self,
        settings: DiscoverySettings,
        found: Callable[[Found], None],
        failed: Callable[[str], None],
        reactor: Reactor,
    ) -> None:
        self._settings = settings
        self._found = found
        self._failed = failed
        self._reactor = reactor
        self._retry = FIRST_RETRY
        self._timer: Timer | None = None
        self._looking: Deferred[None] | None = None
        self._stopped = False

    def begin(self) -> None:
        looking = Deferred.fromCoroutine(self._look())
        self._looking = looking
        looking.addErrback(lambda failure: log.failure("the servers that DNS names cannot be used", failure))
        looking.addBoth(self._ended)

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        wait, self._retry = self._retry, min(2 * self._retry, LONGEST_RETRY)
        try:
            found = await find_servers(self._settings, self._reactor)
            self._found(found)
            self._retry = FIRST_RETRY
            wait = min(max(found.ttl, SHORTEST), LONGEST)
        except CancelledError:
            return
        except NotFound as error:
            self._failed(str(error))
        finally:
            if not self._stopped:
                # Several gateways of one site need not ask at the same time.
                self._timer = self._reactor.callLater(wait * uniform(1, 1.1), self.begin)

    def _ended(self, _: object) -> None:
        self._looking = None


async def _addresses(resolver: Any, name: str, additional: list[Any]) -> tuple[str, ...]:
    """All that DNS has, sorted; none where it has none."""
    from twisted.names import dns

    found = {
        record.payload.dottedQuad()
        for record in additional
        if record.type == dns.A and str(record.name).rstrip(".").lower() == name
    }
    for lookup in () if found else (resolver.lookupAddress, resolver.lookupIPV6Address):
        try:
            answers, _, _ = await lookup(name)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001, S112 - no address of this kind; connecting says so where there is none at all
            continue
        for record in answers:
            if record.type == dns.A:
                found.add(record.payload.dottedQuad())
            elif record.type == dns.AAAA:
                found.add(_ipv6(record.payload.address))
    return tuple(sorted(found))


def _ipv6(octets: bytes) -> str:
    from ipaddress import IPv6Address

    return str(IPv6Address(octets))


def _system_resolvers() -> list[tuple[str, int]]:
    """Of resolv.conf(5); IPv4 only, for Twisted asks no others."""
    try:
        lines = [line.split() for line in RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise NotFound(f"{RESOLV_CONF}: {error.strerror}; set discover.resolver") from None
    found = [(line[1], 53) for line in lines if len(line) > 1 and line[0] == "nameserver" and ":" not in line[1]]
    if not found:
        raise NotFound(f"{RESOLV_CONF} has no nameserver with an IPv4 address; set discover.resolver")
    return found


def _is_inside(name: str, domains: tuple[str, ...]) -> bool:
    return any(name.endswith(f".{domain}") for domain in domains)


def _shown(servers: list[tuple[str, int]]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in servers)


def _words(failure: Exception) -> str:
    return {"DNSQueryTimeoutError": "no answer in time", "TimeoutError": "no answer in time"}.get(
        type(failure).__name__, f"error ({type(failure).__name__})"
    )
