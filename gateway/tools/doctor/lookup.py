"""Which of the readings of a name a directory has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.ask.account import refusal
from gateway.ask.connection import Connection, ConnectionFailed
from gateway.ldap.dn import DN
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, NO_ATTRIBUTES, SearchRequest
from gateway.ldap.results import ResultCode
from gateway.net.servers.discovery import known_servers
from gateway.net.servers.found_servers import NotFound
from gateway.net.servers.settings import DirectorySettings
from gateway.net.transport.reactor import Reactor
from gateway.tools.doctor.bases import nearest

# Some servers refuse a name that their schema permits to nobody, such as a type twice in one RDN.
_NO_SUCH_NAME: Final = (ResultCode.noSuchObject, ResultCode.invalidDNSyntax)


class CannotLookUp(Exception):
    """The text says why."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a look-up of a name found. advice: where it does not exist, what there is instead."""

    name: DN
    exists: bool
    advice: str = ""


async def look_up(
    directory: DirectorySettings, account: str, password: bytes, names: Sequence[DN], reactor: Reactor
) -> tuple[LookedUp, ...]:
    """In the order of names, as the account may see it; an entry that it may not see does not exist. Of the first
    server that answers. Raises CannotLookUp; OSError or ValueError for an unusable CA file."""
    unreachable = []
    try:
        servers = await known_servers(directory, reactor)
    except NotFound as error:
        raise CannotLookUp(str(error)) from None
    for server in servers:
        try:
            connection = await Connection.open(directory, server, reactor)
        except ConnectionFailed as error:
            unreachable.append(str(error))
            continue
        async with connection:
            try:
                return await _look_up(connection, account, password, names)
            except ConnectionFailed as error:
                raise CannotLookUp(f"{server.url}: {error}") from None
    raise CannotLookUp("; ".join(unreachable))


async def _look_up(connection: Connection, account: str, password: bytes, names: Sequence[DN]) -> tuple[LookedUp, ...]:
    result = await connection.bind(account, password)
    if result.code != ResultCode.success:
        said, advice = refusal(result)
        raise CannotLookUp(f"{account} cannot sign in: {said}: {advice}")
    found = []
    for name in names:
        request = SearchRequest(str(name), BASE_OBJECT, Present("objectClass"), (NO_ATTRIBUTES,))
        answer = await connection.search(request)
        if answer.complete and answer.count:
            found.append(LookedUp(name, True))
        elif answer.complete or answer.result.code in _NO_SUCH_NAME:
            found.append(LookedUp(name, False, await nearest(connection, name)))
        else:
            said, advice = refusal(answer.result)
            raise CannotLookUp(f"{name} cannot be looked up: {said}: {advice}")
    return tuple(found)
