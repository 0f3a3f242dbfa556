"""One lookup of a directory's servers in DNS, by dnspython: blocking, within one time limit, for a thread of its own.

DNS answers are a stranger's words. The lookup asks one question by UDP, and by TCP once if the answer was cut off
(RFC 7766 5); everything that it takes over is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from gateway.host.system_errors import system_error
from gateway.net.servers.found_servers import Found, NotFound
from gateway.net.servers.settings import Candidate, DiscoverySettings, ServerSettings

# Seconds for a whole lookup, the servers' addresses included.
LIFETIME: Final = 6.0
# Seconds that each DNS server has for an answer by UDP, in the first round and in the second.
ROUNDS: Final = (1.0, 2.0)
# Servers of one directory. A domain has a few domain controllers at each of its sites, and tries are made one by one.
MOST_SERVERS: Final = 64
# Addresses of one server.
MOST_ADDRESSES: Final = 16

RESOLV_CONF: Final = Path("/etc/resolv.conf")

# RFC 1123 2.1 and the underscore, which Windows permits. Anything else is no host that a certificate could name.
_LABEL: Final = re.compile(rb"[A-Za-z0-9_-]{1,63}")
# Octets of a name in a message for people.
_SHOWN: Final = 255


def look_up(settings: DiscoverySettings) -> Found:
    """The servers that DNS names now. Raises NotFound."""
    resolver = _Resolver(settings)
    answer = resolver.ask(dns.name.from_text(settings.service), dns.rdatatype.SRV)
    if answer is None:
        raise NotFound(f"{settings.service}: no such name in DNS")
    records = [] if answer.records is None else list(answer.records)
    named: dict[str, tuple[int, int]] = {}
    outside, unusable = [], []
    for record in records:
        if record.target == dns.name.root:
            # RFC 2782: there is no such service.
            continue
        name = _host_name(record.target)
        if name is None:
            unusable.append(record.target.to_text(omit_final_dot=True)[:_SHOWN])
        elif not any(name.endswith(f".{domain}") for domain in settings.domains):
            outside.append(name)
        else:
            named.setdefault(name, (record.priority, record.weight))
    best = sorted(named, key=lambda name: (named[name][0], name))
    surplus = best[MOST_SERVERS:]
    candidates = []
    for name in best[:MOST_SERVERS]:
        addresses: tuple[str, ...] = ()
        if settings.resolver is not None:
            addresses = resolver.addresses(name, answer.additional)
        server = ServerSettings(name, settings.port, name, addresses)
        candidates.append(Candidate(server, *named[name]))
    ttl = 0.0 if answer.records is None else float(answer.records.ttl)
    found = Found(tuple(candidates), ttl, _few(outside), _few(unusable), len(surplus))
    if not candidates:
        said = f"only servers that cannot be used: {found.left_out}" if found.left_out else "no server"
        raise NotFound(f"{settings.service}: DNS names {said}")
    return found


class _Answer:
    """What a DNS server says of a name. records: of the asked type, None where there are none."""

    def __init__(self, records: dns.rrset.RRset | None, additional: list[dns.rrset.RRset]) -> None:
        self.records = records
        self.additional = additional


class _Resolver:
    """The DNS servers of one lookup, and the time that it has left."""

    def __init__(self, settings: DiscoverySettings) -> None:
        self._service = settings.service
        self._until = monotonic() + LIFETIME
        self._servers = [settings.resolver] if settings.resolver is not None else _system_resolvers()

    def ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> _Answer | None:
        """None where there is no such name. Raises NotFound where no DNS server gives an answer."""
        said = "no answer in time"
        question = dns.message.make_query(name, kind)
        by_tcp = False
        for seconds in ROUNDS:
            for host, port in self._servers:
                left = self._until - monotonic()
                if left <= 0:
                    break
                try:
                    try:
                        answer = dns.query.udp(
                            question,
                            host,
                            min(seconds, left),
                            port,
                            ignore_unexpected=True,
                            ignore_errors=True,
                            raise_on_truncation=True,
                        )
                    except dns.message.Truncated:
                        if by_tcp:
                            continue
                        by_tcp = True
                        answer = dns.query.tcp(question, host, max(0.1, self._until - monotonic()), port)
                except dns.exception.Timeout:
                    continue
                except (OSError, EOFError, dns.exception.DNSException, ValueError) as error:
                    # The text of some of these has words of the answer in it.
                    said = _trouble(error)
                    continue
                if answer.flags & dns.flags.TC:
                    said = "an answer that is cut off"
                elif answer.rcode() == dns.rcode.NXDOMAIN:
                    return None
                elif answer.rcode() != dns.rcode.NOERROR:
                    said = f"error ({dns.rcode.to_text(answer.rcode())})"
                else:
                    return self._answer(answer)
        shown = ", ".join(f"{host}:{port}" for host, port in self._servers)
        raise NotFound(f"{self._service}: {said} from {shown}")

    def addresses(self, name: str, additional: list[dns.rrset.RRset]) -> tuple[str, ...]:
        """All that DNS has, sorted; none where it has none: connecting says so."""
        asked = dns.name.from_text(name)
        found = {
            record.address
            for records in additional
            if records.rdtype == dns.rdatatype.A and records.name == asked
            for record in records
        }
        for kind in () if found else (dns.rdatatype.A, dns.rdatatype.AAAA):
            try:
                answer = self.ask(asked, kind)
            except NotFound:
                continue
            if answer is not None and answer.records is not None:
                found |= {record.address for record in answer.records}
        return tuple(sorted(found)[:MOST_ADDRESSES])

    def _answer(self, message: dns.message.Message) -> _Answer:
        try:
            chain = dns.message.QueryMessage.resolve_chaining(message)  # type: ignore[arg-type]
        except dns.exception.DNSException as error:
            raise NotFound(f"{self._service}: {_trouble(error)}") from None
        return _Answer(chain.answer, message.additional)


def _trouble(error: Exception) -> str:
    """Why there is no answer. The text of some errors has words of an answer in it, which anybody may have written."""
    if isinstance(error, OSError):
        return f"no answer ({system_error(error)})"
    if isinstance(error, EOFError):
        return "a connection that was closed without an answer"
    return "an answer that is not DNS as it should be"


def _host_name(target: dns.name.Name) -> str | None:
    """In lower case, without the dot at its end; None for what is no host name."""
    labels = target.labels[:-1] if target.is_absolute() else target.labels
    if not labels or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return b".".join(labels).decode("ascii").lower()


def _system_resolvers() -> list[tuple[str, int]]:
    """The DNS servers of resolv.conf(5)."""
    try:
        system = dns.resolver.Resolver(filename=str(RESOLV_CONF))
    except (dns.exception.DNSException, OSError, ValueError):
        system = None
    found = [] if system is None else [str(server) for server in system.nameservers]
    if not found:
        raise NotFound(f"{RESOLV_CONF} names no DNS server; set discover.resolver")
    return [(server, 53) for server in found]


def _few(names: Iterable[str]) -> tuple[str, ...]:
    """The first of them, each once: a message for people needs no more."""
    return tuple(dict.fromkeys(names))[:MOST_SERVERS]
