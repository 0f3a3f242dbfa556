"""Directory servers with entries like Active Directory's, for the gateway to stand before."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.slapd import Slapd
from tests.servers.windows import people
from tests.servers.windows_process import WindowsLike

# Attribute types that slapd's own schemas have; the others are defined from what the entries hold.
_KNOWN = frozenset(
    "objectClass cn ou dc sn name distinguishedName member description displayName givenName mail pager info "
    "telephoneNumber userPassword".lower().split()
)
_CLASSES = ("user", "group", "contact", "domainDNS")
_DN_VALUED = frozenset({"memberOf", "objectCategory", "homeMDB"})
_BINARY = frozenset({"objectGUID", "objectSid"})


@dataclass(frozen=True)
class Server:
    """pid: for measuring. sync_name, sync_password: who may read everything."""

    kind: str
    port: int
    ca_file: str
    pid: int
    sync_name: str = people.SYNC_DN
    sync_password: str = people.SYNC_PASSWORD

    @property
    def url(self) -> str:
        return f"ldaps://127.0.0.1:{self.port}"


@contextmanager
def windows_like(users: int) -> Iterator[Server]:
    """The tests' stand-in for AD on Windows: at most 1,000 entries without paging."""
    with WindowsLike(users=users) as running:
        yield Server("AD stand-in", running.port, running.ca_file, running.pid)


@contextmanager
def slapd(users: int) -> Iterator[Server]:
    """OpenLDAP's slapd, without limits."""
    with tempfile.TemporaryDirectory(prefix="bench-schema-") as name:
        entries = people.make_directory(users)
        with Slapd(
            [(entry.dn, _attributes(entry)) for entry in entries],
            schemas=[write_schema(Path(name), entries)],
            indexed="objectClass,sAMAccountName,mail",
            # A domain, a unit or a contact has more attributes here than slapd's own classes of that name allow.
            checked=False,
        ) as running:
            yield Server("slapd", running.port, str(running.certificates.ca_file), running.pid)


def write_schema(directory: Path, entries: list[people.Entry]) -> Path:
    """Types and classes of AD that slapd lacks, below OpenLDAP's arc for experiments."""
    file = directory / "bench.schema"
    file.write_text("\n".join(_definitions(entries)) + "\n")
    return file


def stopped(process: "subprocess.Popen[bytes] | subprocess.Popen[str]", patience: float = 30) -> None:
    """Ends a process of ours, in the end by force."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _attributes(entry: people.Entry) -> dict[str, list[bytes]]:
    if entry.password is None:
        return entry.attributes
    return {**entry.attributes, "userPassword": [entry.password.encode()]}


def _definitions(entries: list[people.Entry]) -> Iterator[str]:
    arc, syntaxes = "1.3.6.1.4.1.4203.666.99", "1.3.6.1.4.1.1466.115.121.1"
    names = sorted({name for entry in entries for name in entry.attributes if name.lower() not in _KNOWN})
    for number, name in enumerate(names, 1):
        rule, syntax = "caseIgnoreMatch", 15
        if name in _DN_VALUED:
            rule, syntax = "distinguishedNameMatch", 12
        elif name in _BINARY:
            rule, syntax = "octetStringMatch", 40
        yield f"attributetype ( {arc}.1.{number} NAME '{name}' EQUALITY {rule} SYNTAX {syntaxes}.{syntax} )"
    for number, name in enumerate(_CLASSES, 1):
        yield f"objectclass ( {arc}.2.{number} NAME '{name}' SUP top STRUCTURAL )"
