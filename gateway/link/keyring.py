"""The keys of one end of a link as they are used: its own pair, whoever is pinned, and the TLS that follows."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.link.keys import Identity, KeyProblem, PairFiles
from gateway.link.pins import Pins, pins_of
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
    each other end what it may show; shut_out: whose file cannot be used, and why. With nobody pinned nobody gets
    through a handshake.

    Raises KeyProblem for a pair that cannot be used, ValueError where OpenSSL does not take it, and OSError where the
    process has no descriptor left.
    """

    def __init__(
        self,
        files: PairFiles,
        pinned: Mapping[str, Path],
        context: Callable[[Identity, Pins], ssl.SSLContext],
        *,
        server_side: bool,
    ) -> None:
        self._identity = Identity(files)
        self._make = context
        self._server_side = server_side
        self.fingerprint = self._identity.fingerprint
        self.expires = self._identity.certificate.not_valid_after_utc.timestamp()
        self._pins: Pins
        self.pinned: Mapping[str, PinnedKeys]
        self.shut_out: Mapping[str, KeyProblem]
        self._pin(pinned)
        self._context = context(self._identity, self._pins)

    def repinned(self, pinned: Mapping[str, Path]) -> tuple[Self, OSError | None]:
        """With this pair, as it was read, and the other ends as their files are now. The error: the process has no
        descriptor left for further connections with those; whoever is pinned no more is a stranger even then."""
        made = copy(self)
        made._pin(pinned)
        try:
            made._context = made._make(made._identity, made._pins)
        except OSError as error:
            return made, error
        return made, None

    def _pin(self, files: Mapping[str, Path]) -> None:
        self._pins, self.shut_out = pins_of(files)
        self.pinned = {
            name: PinnedKeys(
                tuple(pin.fingerprint for pin in each),
                max(pin.certificate.not_valid_after_utc for pin in each).timestamp(),
            )
            for name, each in self._pins.by_name.items()
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
