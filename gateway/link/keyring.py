"""The keys of one end of a link as they are used: its own pair, whoever is pinned, and the TLS that follows."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.link.keys import Identity, PairFiles
from gateway.link.pins import Pins, read_pins
from gateway.link.tls import Stranger, peer
from gateway.net.transport.tls_layer import TlsLayer


@dataclass(frozen=True, slots=True)
class PinnedKeys:
    """The certificates that one other end may show. expires: when the last of them does, in seconds since the
    epoch."""

    fingerprints: tuple[str, ...]
    expires: float


class Keyring:
    """An end's own pair, and the certificates that the other ends may show.

    files: of this end's pair. pinned: by the name of each other end the file with its certificate. context: makes the
    TLS of this end (gateway/link/tls.py). server_side: whether this end is called.

    fingerprint, expires: of this end's own certificate, the latter in seconds since the epoch. pinned: by the name of
    each other end what it may show.

    Raises KeyProblem for a file that cannot be used, and ValueError where nobody is pinned.
    """

    def __init__(
        self,
        files: PairFiles,
        pinned: Mapping[str, Path],
        context: Callable[[Identity, Pins], ssl.SSLContext],
        *,
        server_side: bool,
    ) -> None:
        now = datetime.now(UTC)
        identity = Identity(files, now)
        pins = {name: read_pins(path, now) for name, path in pinned.items()}
        self._pins = Pins(pins)
        self._context = context(identity, self._pins)
        self._server_side = server_side
        self.fingerprint = identity.fingerprint
        self.expires = identity.certificate.not_valid_after_utc.timestamp()
        self.pinned = {
            name: PinnedKeys(
                tuple(pin.fingerprint for pin in each),
                max(pin.certificate.not_valid_after_utc for pin in each).timestamp(),
            )
            for name, each in pins.items()
        }

    def layer(self) -> TlsLayer:
        """The TLS of a new connection."""
        return TlsLayer(self._context, server_side=self._server_side)

    def peer(self, layer: TlsLayer) -> str:
        """The name of whoever is at the other end, once TLS is up. Raises Stranger and ssl.SSLError: the connection is
        to be closed then."""
        return peer(layer, self._pins)

    def knows(self, layer: TlsLayer, name: str) -> bool:
        """Whether the other end of this TLS is pinned, and by this name."""
        try:
            return self.peer(layer) == name
        except (Stranger, ssl.SSLError):
            return False
