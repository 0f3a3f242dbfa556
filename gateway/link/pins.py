"""The pins of a link: the certificates that the other end may show, and whose they are.

OpenSSL takes each pin for a trust anchor. So what is pinned is read strictly: a certificate that may issue others, or
that two ends share, would let more through than its name says. And whose certificate was shown is looked up by the
whole of it, not by what stands in it.

Time is a matter of each handshake, in which OpenSSL looks at it: a certificate that expires shuts out its own end, and
nothing has to be read again for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.host.file_errors import unreadable
from gateway.link.keys import KeyProblem, certificates_in, check_kind, fingerprint, time_trouble


@dataclass(frozen=True, slots=True)
class Pin:
    """A certificate that the other end may show. path: the file that it was read from."""

    certificate: x509.Certificate
    path: Path

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)


class NoPin(KeyProblem):
    """A file of pins that is not there, as after a revocation."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Two pins that stand in each other's way. names: whose they are. problem: names the file of the later one."""

    names: tuple[str, str]
    problem: KeyProblem


def read_pins(path: Path) -> list[Pin]:
    """The certificates of a file in PEM, whether their time is now or not: one, or two while the other end changes its
    key. Raises NoPin, and KeyProblem where one is no certificate of a link."""
    try:
        octets = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoPin(path, unreadable(path, error)) from None
    except OSError as error:
        raise KeyProblem(path, unreadable(path, error)) from None
    found = certificates_in(path, octets)
    for certificate in found:
        check_kind(certificate, path)
    return [Pin(certificate, path) for certificate in found]


def out_of_time(pins: Sequence[Pin], now: datetime) -> str:
    """Why none of an end's pins is good now; "" where one is."""
    troubles = [time_trouble(pin.certificate, now) for pin in pins]
    # The newest is the last.
    return troubles[-1] if all(troubles) else ""


def clashes(pins: Mapping[str, Sequence[Pin]]) -> list[Clash]:
    """Where one certificate would stand for two ends, or only one of two would be accepted. pins: by the name of each
    end."""
    found: list[Clash] = []
    owners: dict[bytes, tuple[str, Pin]] = {}
    subjects: dict[bytes, tuple[str, Pin]] = {}
    for name, each in pins.items():
        for pin in each:
            owner, same = owners.setdefault(_der(pin), (name, pin))
            holder, before = subjects.setdefault(pin.certificate.subject.public_bytes(), (name, pin))
            if owner != name:
                said = f"{same.path} has the same certificate; one key is for one end alone"
                found.append(Clash((owner, name), KeyProblem(pin.path, said)))
            elif before.certificate != pin.certificate:
                said = (
                    f"{before.path} has another certificate with the same subject, and only one of them would be "
                    "accepted; keep the newer one, and make each key with `ldap-gateway link key`"
                )
                found.append(Clash((holder, name), KeyProblem(pin.path, said)))
    return found


class Pins:
    """Who may be at the other end, by what he shows; nobody may where there are none. pins, by_name: by the name of
    each end one certificate, or two while it changes its key. Raises KeyProblem where two stand in each other's way."""

    def __init__(self, pins: Mapping[str, Sequence[Pin]]) -> None:
        for clash in clashes(pins):
            raise clash.problem
        self.by_name = pins
        self._names = {_der(pin): name for name, each in pins.items() for pin in each}

    def __bool__(self) -> bool:
        return bool(self._names)

    def owner(self, certificate: x509.Certificate) -> str | None:
        """The name of whoever shows this very certificate; None for nobody who is pinned."""
        return self._names.get(certificate.public_bytes(Encoding.DER))

    def anchors(self) -> bytes:
        """All certificates, one behind the other in DER."""
        return b"".join(self._names)


def pins_of(files: Mapping[str, Path]) -> tuple[Pins, dict[str, KeyProblem]]:
    """The pins as their files are now, and who is shut out because his cannot be used, by name. It fails closed: what
    clashes shuts out both. files: by the name of each end."""
    found: dict[str, list[Pin]] = {}
    shut_out: dict[str, KeyProblem] = {}
    for name, path in files.items():
        try:
            found[name] = read_pins(path)
        except KeyProblem as problem:
            shut_out[name] = problem
    for clash in clashes(found):
        shut_out |= dict.fromkeys(clash.names, clash.problem)
    return Pins({name: each for name, each in found.items() if name not in shut_out}), shut_out


def _der(pin: Pin) -> bytes:
    return pin.certificate.public_bytes(Encoding.DER)
