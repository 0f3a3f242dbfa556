"""The pins of a link: the certificates that the other end may show, and whose they are.

OpenSSL takes each pin for a trust anchor. So what is pinned is read strictly: a certificate that may issue others, or
that two ends share, would let more through than its name says. And whose certificate was shown is looked up by the
whole of it, not by what stands in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.host.file_errors import unreadable
from gateway.link.keys import KeyProblem, certificates_in, check_kind, check_time, fingerprint


@dataclass(frozen=True, slots=True)
class Pin:
    """A certificate that the other end may show. path: the file that it was read from."""

    certificate: x509.Certificate
    path: Path

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)


def read_pins(path: Path, now: datetime) -> list[Pin]:
    """The certificates of a file in PEM that are good now: one, or two while the other end changes its key, of which
    one may have expired meanwhile. Raises KeyProblem where none is left, or where one is no certificate of a link."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise KeyProblem(path, unreadable(path, error)) from None
    found = certificates_in(path, octets)
    pins, over = [], []
    for certificate in found:
        check_kind(certificate, path)
        try:
            check_time(certificate, path, now, _RENEW)
        except KeyProblem as problem:
            over.append(problem)
        else:
            pins.append(Pin(certificate, path))
    if not pins:
        # The newest is the last.
        raise over[-1]
    return pins


class Pins:
    """Who may be at the other end, by what he shows. pins: by his name one certificate, or two while he changes his
    key. Raises KeyProblem where two stand in each other's way, and ValueError for none at all."""

    def __init__(self, pins: Mapping[str, Sequence[Pin]]) -> None:
        self._names: dict[bytes, str] = {}
        subjects: dict[bytes, Pin] = {}
        for name, each in pins.items():
            for pin in each:
                self._add(name, pin, subjects.setdefault(pin.certificate.subject.public_bytes(), pin))
        if not self._names:
            raise ValueError("no certificate is pinned, so nobody can be at the other end")

    def owner(self, certificate: x509.Certificate) -> str | None:
        """The name of whoever shows this very certificate; None for nobody who is pinned."""
        return self._names.get(certificate.public_bytes(Encoding.DER))

    def anchors(self) -> bytes:
        """All certificates, one behind the other in DER."""
        return b"".join(self._names)

    def _add(self, name: str, pin: Pin, before: Pin) -> None:
        """before: the first pin with this subject."""
        if self._names.setdefault(pin.certificate.public_bytes(Encoding.DER), name) != name:
            raise KeyProblem(pin.path, f"{before.path} has the same certificate; one key is for one end alone")
        if before.certificate != pin.certificate:
            raise KeyProblem(
                pin.path,
                f"{before.path} has another certificate with the same subject, and only one of them would be accepted; "
                "keep the newer one, and make each key with `ldap-gateway link key`",
            )


_RENEW: Final = "have the other end make a new one with `ldap-gateway link key`, and put its certificate here"
