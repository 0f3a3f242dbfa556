"""Directory servers with entries like Active Directory's, for the gateway to stand before."""

import base64
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.certificates import CertificateFiles, make_certificates
from tests.servers.windows import people
from tests.servers.windows_process import WindowsLike

_SCHEMAS = Path("/etc/ldap/schema")
_PATIENCE = 30.0

# Attribute types that slapd's own schemas have; the others are defined from what the entries hold.
_KNOWN = frozenset(
    "objectClass cn ou dc sn name distinguishedName member description displayName givenName mail pager info "
    "telephoneNumber userPassword".lower().split()
)
_CLASSES = ("user", "group", "contact", "domainDNS")
_DN_VALUED = frozenset({"memberOf", "objectCategory", "homeMDB"})
_BINARY = frozenset({"objectGUID", "objectSid"})

_CONFIGURATION = """
{includes}
{definitions}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/pid
TLSCertificateFile {tls.certificate}
TLSCertificateKeyFile {tls.private_key}
sizelimit unlimited
database mdb
suffix "{suffix}"
directory {directory}/data
maxsize 8589934592
dbnosync
index objectClass eq
access to attrs=userPassword by anonymous auth
access to * by users read
"""


@dataclass(frozen=True)
class Server:
    """pid: for measuring. sync_name, sync_password: who may read everything."""

    kind: str
    url: str
    ca_file: str
    pid: int
    sync_name: str = people.SYNC_DN
    sync_password: str = people.SYNC_PASSWORD


@contextmanager
def windows_like(users: int) -> Iterator[Server]:
    """The tests' stand-in for AD on Windows: at most 1,000 entries without paging."""
    with WindowsLike(users=users) as running:
        yield Server("AD stand-in", running.url, running.ca_file, running.pid)


@contextmanager
def slapd(users: int) -> Iterator[Server]:
    """OpenLDAP's slapd, without limits. Raises FileNotFoundError where it is not installed."""
    # An ordinary user's PATH lacks /usr/sbin.
    programs = [shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin") for name in ("slapd", "slapadd")]
    if None in programs:
        raise FileNotFoundError("slapd is not installed (Debian: apt-get install slapd)")
    server, loader = map(str, programs)
    with tempfile.TemporaryDirectory(prefix="bench-slapd-") as name:
        directory = Path(name)
        (directory / "data").mkdir()
        tls = make_certificates(directory, "slapd")
        entries = people.make_directory(users)
        configuration = _configure(directory, tls, entries)
        _write_ldif(directory / "entries.ldif", entries)
        # -s: a domain, a unit or a contact has more attributes here than slapd's own classes of that name allow.
        subprocess.run([loader, "-q", "-s", "-f", configuration, "-l", directory / "entries.ldif"], check=True)
        port = free_port()
        url = f"ldaps://127.0.0.1:{port}"
        process = subprocess.Popen([server, "-h", url, "-f", configuration, "-d", "0"], stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, process)
            yield Server("slapd", url, str(tls.ca_file), process.pid)
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _configure(directory: Path, tls: CertificateFiles, entries: list[people.Entry]) -> Path:
    includes = (f"include {_SCHEMAS}/{name}.schema" for name in ("core", "cosine", "inetorgperson"))
    configuration = directory / "slapd.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            includes="\n".join(includes),
            definitions="\n".join(_definitions(entries)),
            directory=directory,
            tls=tls,
            suffix=people.SUFFIX,
        )
    )
    return configuration


def _definitions(entries: list[people.Entry]) -> Iterator[str]:
    """Types and classes of AD that slapd lacks, below OpenLDAP's arc for experiments."""
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


def _write_ldif(path: Path, entries: list[people.Entry]) -> None:
    with path.open("w") as file:
        for entry in entries:
            lines = [("dn", entry.dn.encode())]
            lines += [(name, value) for name, values in entry.attributes.items() for value in values]
            if entry.password is not None:
                lines.append(("userPassword", entry.password.encode()))
            file.writelines(f"{name}:: {base64.b64encode(value).decode()}\n" for name, value in lines)
            file.write("\n")
