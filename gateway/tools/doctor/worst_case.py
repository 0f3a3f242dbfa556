"""How often one account of a domain can be tried with wrong passwords before the lockout guard stops.

The guard counts by name and by directory block (gateway/policy/lockout.py). Before the first successful sign-in with a
name it does not know whose name that is, so one person has a count for each name, and each block has counts of its own.
A server counts all of them as one person's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.ask.root_dse import RootDse
from gateway.ldap.attribute_types import base_type
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.loose import loose_forms
from gateway.net.servers.settings import DirectorySettings
from gateway.net.sessions.settings import ClientSettings
from gateway.policy.bind_name import read_bind_name
from gateway.policy.settings import ClientPolicy

# What one person can be called in a bind. A name without its domain is counted once, whatever domain comes with it:
# Active Directory takes a sAMAccountName in DOMAIN\name and in name@domain (MS-ADTS 5.1.1.1.1).
USER_PRINCIPAL_NAME: Final = "userPrincipalName"
ACCOUNT_NAME: Final = "sAMAccountName"
BY_DN: Final = "DN"

# MS-ADTS 3.1.1.3.4: of a global catalog, without and with TLS.
_GLOBAL_CATALOG_PORTS: Final = (3268, 3269)


@dataclass(frozen=True, slots=True)
class Count:
    """One of the guard's counts. directory: the block's name. name: which of an account's names it is for. clients:
    those whose sessions may try this name."""

    directory: str
    name: str
    clients: tuple[ClientPolicy, ...]

    @property
    def failures(self) -> int | None:
        """Wrong passwords that reach the server; None for any number. Clients of one block share the count, so the
        most patient one decides; one whose guard is off neither counts nor stops."""
        each = [client.lockout.failures for client in self.clients]
        return max(each) if all(each) else None


@dataclass(frozen=True, slots=True)
class Exposure:
    """All the counts of one account. who: what kind of account it is, as in a sentence."""

    who: str
    counts: tuple[Count, ...]

    @property
    def tries(self) -> int | None:
        """Wrong passwords that reach the domain before the guard stops all of them; None for any number."""
        total = 0
        for count in self.counts:
            failures = count.failures
            if failures is None:
                return None
            total += failures
        return total


@dataclass(frozen=True, slots=True)
class Block:
    """A directory block with its clients. is_catalog: its servers are global catalogs, which know the accounts of the
    domains below as well. shown: the root DSEs that its servers showed; none where no server was asked."""

    name: str
    clients: tuple[ClientPolicy, ...]
    is_catalog: bool = False
    shown: tuple[RootDse, ...] = ()

    def serves(self, domain: DN) -> bool:
        """Whether the servers, or the configured naming contexts, show this domain."""
        for dse in self.shown:
            names = [parsed_name(each) for each in (dse.default_context, *dse.naming_contexts)]
            if any(name is not None and name.same_loosely(domain) for name in names):
                return True
        return any(
            context.same_loosely(domain) or (self.is_catalog and domain.is_inside_loosely(context))
            for context in self._contexts
        )

    def shares_names(self, other: Block) -> bool:
        """Whether both take names of one domain, and may be of one forest, where each domain controller passes on what
        is another domain's. A forest that no server has shown may be any."""
        if not self._contexts or self._login_domains.isdisjoint(other._login_domains):
            return False
        return not self._forests or not other._forests or not self._forests.isdisjoint(other._forests)

    @property
    def _contexts(self) -> list[DN]:
        """The domains that the configured naming contexts belong to; none where it is no Active Directory."""
        found = [domain_of(each) for client in self.clients for each in client.naming_contexts]
        return [each for each in found if each is not None]

    @property
    def _forests(self) -> set[str]:
        """Each forest has one configuration naming context."""
        return {dse.configuration_context.lower() for dse in self.shown if dse.configuration_context}

    @property
    def _login_domains(self) -> set[str]:
        return {domain.lower() for client in self.clients for domain in client.login_domains}


@dataclass(frozen=True, slots=True)
class WorstCase:
    """How many wrong passwords a domain may see before the gateway stops them.

    blocks: all those of the configuration that have clients. counts_alone: this gateway shares its counts with no other
    one.
    """

    blocks: tuple[Block, ...]
    counts_alone: bool = True

    def exposures(self, domain: DN, directory: str, dse: RootDse) -> tuple[Exposure, ...]:
        """How each kind of account of the domain is exposed. directory: the block through which a domain controller of
        it was asked. dse: what that shows after a bind."""
        (own,) = [replace(block, shown=(*block.shown, dse)) for block in self.blocks if block.name == directory]
        others = [block for block in self.blocks if block.name != directory]
        together = (own, *(block for block in others if block.serves(domain) or block.shares_names(own)))
        found = (_of_people(together, domain), *_of_sync_accounts(together))
        return tuple(exposure for exposure in found if exposure.counts)


def blocks(clients: Iterable[ClientSettings], shown: Mapping[str, Sequence[RootDse]]) -> tuple[Block, ...]:
    """shown: by the block's name, where its servers were asked."""
    directories: dict[str, DirectorySettings] = {}
    policies: dict[str, list[ClientPolicy]] = {}
    for client in clients:
        directories[client.directory.name] = client.directory
        policies.setdefault(client.directory.name, []).append(client.policy)
    return tuple(
        Block(name, tuple(policies[name]), _is_catalog(directory), tuple(shown.get(name, ())))
        for name, directory in directories.items()
    )


def domain_of(name: DN) -> DN | None:
    """The DC components that a name ends with; None where it has none."""
    at = len(name.rdns)
    while at and len(name.rdns[at - 1]) == 1 and base_type(name.rdns[at - 1][0].type) == "dc":
        at -= 1
    return DN(name.rdns[at:]) if at < len(name.rdns) else None


def _is_catalog(directory: DirectorySettings) -> bool:
    ports = [server.port for server in directory.servers]
    if directory.discover is not None:
        ports.append(directory.discover.port)
    return any(port in _GLOBAL_CATALOG_PORTS for port in ports)


def _of_people(together: Sequence[Block], domain: DN) -> Exposure:
    counts = []
    for block in together:
        for name in (USER_PRINCIPAL_NAME, ACCOUNT_NAME, BY_DN):
            clients = tuple(client for client in block.clients if name in _names_of_people(client, domain))
            if clients:
                counts.append(Count(block.name, name, clients))
    return Exposure("a person", tuple(counts))


def _names_of_people(client: ClientPolicy, domain: DN) -> set[str]:
    """By which of their names people of the domain may be tried (policy.bind)."""
    if not client.login_base_dns:
        return set()
    found = set()
    if client.login_domains:
        found.add(ACCOUNT_NAME)
    if any(_is_suffix(each, domain) for each in client.login_domains):
        found.add(USER_PRINCIPAL_NAME)
    if any(_may_hold(base, domain) for base in client.login_base_dns):
        found.add(BY_DN)
    return found


def _is_suffix(login_domain: str, domain: DN) -> bool:
    """Whether userPrincipalNames may end with it: they end with names of DNS, and a name without a dot is taken for a
    NetBIOS name, unless the domain itself has no more than one label."""
    return "." in login_domain or (
        len(domain.rdns) == 1 and str(domain.rdns[0][0].value).lower() == login_domain.lower()
    )


def _may_hold(base: DN, domain: DN) -> bool:
    """Whether people of the domain can be below this base: it lies in the domain, or the domain lies below it."""
    own = domain_of(base)
    return own is None or own.same_loosely(domain) or domain.is_inside_loosely(base)


def _of_sync_accounts(together: Sequence[Block]) -> list[Exposure]:
    """The spellings that a client lists are taken for one account's, at most one of each form."""
    found = []
    for client in [client for block in together for client in block.clients]:
        if _own_names(client):
            # Guesses at the outer secret reach no server; the gateway itself tries the password that it has.
            found.append(Exposure(f"the gateway's own account of client {client.name}", _own_counts(client, together)))
        listed = _listed_names(client)
        if client.mapped_accounts and not listed:
            continue
        counts = []
        for block in together:
            for form, name in listed.items():
                clients = tuple(each for each in block.clients if name in _listed_names(each).values())
                if clients:
                    counts.append(Count(block.name, form, clients))
        found.append(Exposure(f"a sync account of client {client.name}", tuple(counts)))
    return found


def _own_names(client: ClientPolicy) -> set[str]:
    """The gateway's own accounts for the client's mapped ones, in lower case."""
    return {account.own.bind_dn.lower() for account in client.mapped_accounts if account.own is not None}


def _own_counts(client: ClientPolicy, together: Sequence[Block]) -> tuple[Count, ...]:
    wanted = _own_names(client)
    counts = []
    for block in together:
        clients = tuple(each for each in block.clients if wanted & _own_names(each))
        if clients:
            counts.append(Count(block.name, BY_DN, clients))
    return tuple(counts)


def _listed_names(client: ClientPolicy) -> dict[str, tuple[str, ...]]:
    """By its form, what each listed spelling that a server is sent is counted as (policy.lockout), and each of these
    once."""
    found: dict[str, tuple[str, ...]] = {}
    mapped = {account.name for account in client.mapped_accounts if account.own is not None}
    for spelling in client.sync_accounts:
        if spelling in mapped:
            continue
        name = read_bind_name(spelling)
        if name is None:
            continue
        if isinstance(name, DN):
            form, counted = BY_DN, loose_forms(str(name.rdns[0][0].value))
        else:
            form, counted = ("name@domain" if "@" in spelling else "DOMAIN\\name"), loose_forms(name.name)
        if counted not in found.values():
            found.setdefault(form, counted)
    return found


def parsed_name(name: str) -> DN | None:
    """None for what is no name, and for the root's."""
    try:
        found = parse(name)
    except DNError:
        return None
    return found if found.rdns else None
