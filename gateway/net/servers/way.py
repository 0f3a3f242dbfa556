"""The way to the servers of a directory: how a connection to one of them comes about, and for whom.

What chooses a server, tries it and remembers how that went (net/servers/connector) does not know how it is reached: by
LDAPS from here (net/servers/ldaps), or by whatever else has this shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.net.servers.server_link import ServerLink
from gateway.net.servers.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Whom:
    """The session that a connection to a server is for. client: its name in the configuration. session: its ID in the
    logs. source: the address that the client has connected from."""

    client: str
    session: str
    source: str

    def __str__(self) -> str:
        return f"session {self.session} of client {self.client} from {self.source}"


class Way(Protocol):
    """A way to the servers of one directory.

    opens_ahead: whether it opens connections that no session waits for, as health checks and spares need them.
    fingerprint: of all that the servers are verified with and that is shown to them. Where it changes, what was known
    of the servers says nothing any more.
    """

    @property
    def opens_ahead(self) -> bool: ...
    @property
    def fingerprint(self) -> str: ...

    def open(self, server: ServerSettings, whom: Whom | None, patience: float) -> Deferred[ServerLink]:
        """A connection over which the server, verified, can be asked. Fails with what net/transport/failures explains;
        may be cancelled.

        whom: None where no session waits for it, and where opens_ahead is True. patience: seconds.
        """
        ...

    def renew(self) -> None:
        """Later connections use the files as they are now. Raises OSError or ValueError for files that cannot be used,
        and then nothing changes."""
        ...
