"""The servers of a directory, as DNS names them (RFC 2782; MS-ADTS 6.3.2.3 has the names that AD registers).

What DNS says is not trusted: a server counts only if its name lies in the configured domains, and its certificate must
carry that name, so that whoever can forge answers can do no more than name servers that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.net.servers.found_servers import Found, NotFound
from gateway.net.servers.settings import DirectorySettings, DiscoverySettings, ServerSettings
from gateway.net.transport.daemon_thread import in_daemon_thread
from gateway.net.transport.reactor import Reactor, Timer

log = Logger(__name__)

# Seconds between two lookups, whatever the TTL says, and after a failed one.
SHORTEST: Final = 5.0
LONGEST: Final = 3600.0
FIRST_RETRY: Final = 2.0
LONGEST_RETRY: Final = 60.0


async def find_servers(settings: DiscoverySettings, reactor: Reactor) -> Found:
    """Asks DNS once, for dns_lookup.LIFETIME seconds at most. Raises NotFound; may be cancelled."""
    # Imported for those who discover: nobody else need wait for it.
    from gateway.net.servers.dns_lookup import look_up

    try:
        return await in_daemon_thread(reactor, lambda: look_up(settings), "dns-lookup")
    except (NotFound, CancelledError):
        raise
    except Exception:  # noqa: BLE001 - an answer that nobody thought of is no answer
        log.failure("DNS gave an answer that the gateway cannot read", Failure())
        raise NotFound(f"{settings.service}: the answer of DNS cannot be read; the log has the details") from None


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
        except Exception:  # noqa: BLE001 - whatever is wrong with these servers, the lookup is no success
            log.failure("the servers that DNS names cannot be used", Failure())
            self._failed(f"{self._settings.service}: the servers that it names cannot be used")
        finally:
            if not self._stopped:
                # Several gateways of one site need not ask at the same time.
                self._timer = self._reactor.callLater(wait * uniform(1, 1.1), self.begin)

    def _ended(self, _: object) -> None:
        self._looking = None
