"""What the network side tells of itself to whoever counts it."""

from __future__ import annotations

from enum import StrEnum

from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.net.transport.failures import FailureCause
from gateway.policy.reasons import Reason


class Trouble(StrEnum):
    """What a server did to a session behind a connection that came up: one closed set of words, for metrics.
    unanswered, failed: behind an accepted bind."""

    bind_unanswered = "bind-unanswered"
    bind_failed = "bind-failed"
    unanswered = "unanswered"
    failed = "failed"


class Observer:
    """An observer that counts nothing, from which others inherit. It is called on the reactor's thread; no method may
    wait or raise. client: its name in the configuration."""

    def session_opened(self, client: str) -> None:
        """A source of the client has connected."""

    def session_ended(self, client: str) -> None:
        """The connection is gone."""

    def connection_refused(self, reason: Reason, client: str = "") -> None:
        """A connection was closed before there was a session, before its TLS was up, or before a bind had succeeded on
        it, because a new one needed its place; or its client left it without a request. client: whose it was, "" where
        that is not known."""

    def server_connected(
        self, directory: DirectorySettings, server: ServerSettings, certificate_expires: float | None
    ) -> None:
        """TLS is established. certificate_expires: seconds since the epoch, None where it cannot be told."""

    def server_failed(self, directory: DirectorySettings, server: ServerSettings, cause: FailureCause) -> None:
        """It could not be connected to, or its TLS could not be established or verified."""

    def directory_failed(self, directory: DirectorySettings) -> None:
        """None of its servers could be reached in this attempt."""

    def server_checked(self, directory: DirectorySettings, server: ServerSettings, passed: bool) -> None:
        """A health check of it has ended."""

    def server_rose(self, directory: DirectorySettings, server: ServerSettings) -> None:
        """It was down, and sessions go to it again."""

    def server_fell(self, directory: DirectorySettings, server: ServerSettings, cause: FailureCause) -> None:
        """It is down from here on: sessions go to the others, as long as one of these is up. Told again where the cause
        changes."""

    def session_broken(self, directory: DirectorySettings, server: ServerSettings, trouble: Trouble) -> None:
        """It was connected to, and did not do what a session needs."""

    def server_doubted(self, directory: DirectorySettings, server: ServerSettings, trouble: Trouble) -> None:
        """Sessions were broken at it, so sign-ins rather go to the others from here on."""

    def server_trusted(self, directory: DirectorySettings, server: ServerSettings) -> None:
        """It is not doubtful, or not any more."""

    def server_forgotten(self, directory: DirectorySettings, server: ServerSettings) -> None:
        """That it was down holds no longer: it is trusted by other files now, and has not been tried with these."""

    def servers_found(self, directory: DirectorySettings, servers: tuple[ServerSettings, ...]) -> None:
        """DNS names these, and no longer those that it named before."""

    def discovery_ended(self, directory: DirectorySettings, failure: str) -> None:
        """DNS was asked for the servers. failure: "" where it named some, else why not."""
