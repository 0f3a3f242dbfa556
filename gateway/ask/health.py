"""What a health check asks a server: its root DSE, and on demand whether it binds."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from gateway.ask.account import refusal
from gateway.ask.connection import Connection, ConnectionFailed
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest
from gateway.ldap.results import ResultCode, result_name
from gateway.net.servers.health import NoAnswer, Question
from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import HealthSettings
from gateway.net.transport.reactor import Reactor

log = Logger(__name__)

_ROOT_DSE: Final = SearchRequest("", BASE_OBJECT, Present("objectClass"), ("objectClass",))

# Results by which a server says that it cannot work now, whatever it was asked.
_UNABLE: Final = frozenset({ResultCode.busy, ResultCode.unavailable, ResultCode.timeLimitExceeded})


def health_question(health: HealthSettings, reactor: Reactor) -> Question:
    return _Examination(health, reactor).ask


class _Examination:
    def __init__(self, health: HealthSettings, reactor: Reactor) -> None:
        self._health = health
        self._reactor = reactor
        self._binds = bool(health.bind_dn)

    async def ask(self, link: ServerLink) -> bool:
        """Asks whether a server works, as `Question` in gateway/net/servers/health.py has it."""
        connection = Connection(link, self._reactor, self._health.timeout)
        try:
            await self._search(connection)
            if not self._binds or not await self._bind(connection, link):
                return False
            # A server may accept binds and do nothing behind them.
            await self._search(connection)
            return True
        except ConnectionFailed as error:
            raise NoAnswer(f"it connects, but {error}") from None
        finally:
            connection.close()

    async def _search(self, connection: Connection) -> None:
        answer = await connection.search(_ROOT_DSE)
        # One that shows its root DSE to nobody before a bind has answered all the same.
        self._check(answer.result.code, "its root DSE")

    async def _bind(self, connection: Connection, link: ServerLink) -> bool:
        """Whether it was accepted."""
        result = await connection.bind(self._health.bind_dn, self._health.password)
        self._check(result.code, "the probe account's bind")
        if result.code != ResultCode.success and self._binds:
            # That is the account's fault, not the server's; and asking again would lock it.
            self._binds = False
            said, advice = refusal(result)
            log.error(
                "health.bind_dn {account} cannot sign in at {url}: {said}; {advice}. Health checks go on without it "
                "until the next reload",
                account=self._health.bind_dn,
                url=link.server.url,
                said=said,
                advice=advice,
            )
        return result.code == ResultCode.success

    def _check(self, code: int, asked: str) -> None:
        if code in _UNABLE:
            raise NoAnswer(f"it answers {result_name(code)} when asked for {asked}")
