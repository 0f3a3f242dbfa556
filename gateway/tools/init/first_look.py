"""What a new configuration needs to know of a directory, read as the account that the sync will use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ask.account import refusal
from gateway.ask.connection import Connection
from gateway.ask.root_dse import RootDse, read_root_dse
from gateway.ask.schema import Schema, read_schema
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.filters import EqualityMatch, Or
from gateway.ldap.messages import NO_ATTRIBUTES, WHOLE_SUBTREE, SearchRequest, SearchResultEntry
from gateway.ldap.results import ResultCode
from gateway.net.servers.settings import DirectorySettings
from gateway.net.transport.reactor import Reactor
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import LoginName
from gateway.policy.narrowing import outermost
from gateway.policy.settings import DEFAULT_PAGE_SIZE
from gateway.tools.init.containers import Container, read_containers

# More than one entry already tells that a name is no help.
_TWO: Final = 2


class Refused(Exception):
    """The server does not let the account in; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What `init` finds out of a directory.

    kind: of the server, in words. trees: of each naming context that people can be in. account_dn: of the account that
    signed in, "" where it cannot be found. schema: None where the account may not read it.
    """

    kind: str
    trees: tuple[Container, ...]
    account_dn: str
    schema: Schema | None
    can_page: bool
    is_active_directory: bool
    is_domino: bool


async def read_directory(directory: DirectorySettings, account: str, password: bytes, reactor: Reactor) -> FirstLook:
    """What is read of the first server that can be reached. Raises ConnectionFailed, Refused, containers.Unreadable;
    OSError or ValueError for an unusable CA file."""
    async with await Connection.open(directory, directory.servers[0], reactor) as connection:
        result = await connection.bind(account, password)
        if result.code != ResultCode.success:
            said, advice = refusal(result)
            raise Refused(f"{account} cannot sign in: {said}: {advice}")
        dse = await read_root_dse(connection) or RootDse()
        contexts = _contexts(dse)
        if not contexts:
            raise Refused("the server does not name its naming contexts to this account")
        page_size = DEFAULT_PAGE_SIZE if dse.can_page else 0
        trees = tuple([await read_containers(connection, context, page_size) for context in contexts])
        return FirstLook(
            dse.kind,
            trees,
            await _account_dn(connection, account, contexts),
            await read_schema(connection, dse.subschema) if dse.subschema else None,
            dse.can_page,
            dse.is_active_directory,
            dse.is_domino,
        )


def _contexts(dse: RootDse) -> tuple[DN, ...]:
    """Active Directory's others hold its configuration, its schema and DNS: nobody that a service asks for."""
    written = (dse.default_context,) if dse.default_context else dse.naming_contexts
    found = []
    for each in written:
        try:
            name = parse(each)
        except DNError:
            continue
        found.append(name)
    # The root alone where it is one: everything else lies in it.
    return outermost(tuple(found))


async def _account_dn(connection: Connection, account: str, contexts: tuple[DN, ...]) -> str:
    name = read_bind_name(account)
    if isinstance(name, DN):
        return str(name)
    if not isinstance(name, LoginName):
        return ""
    wanted = Or(
        (
            EqualityMatch("userPrincipalName", account.encode()),
            EqualityMatch("sAMAccountName", name.name.encode()),
        )
    )
    found: list[SearchResultEntry] = []
    for context in contexts:
        request = SearchRequest(str(context), WHOLE_SUBTREE, wanted, (NO_ATTRIBUTES,), size_limit=_TWO)
        found.extend((await connection.search(request)).entries)
    try:
        return str(parse(found[0].dn)) if len(found) == 1 else ""
    except DNError:
        return ""
