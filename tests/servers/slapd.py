"""OpenLDAP's slapd in a directory of its own, on free ports of loopback, over LDAPS and plain LDAP."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.demo.certificates import make_certificates
from tests.servers import slapd_tree
from tests.servers.gateway_process import free_port

SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")
AD_SCHEMA = Path(__file__).with_name("active_directory.schema")

# (DN, attributes) pairs.
Entries = Iterable[tuple[str, Mapping[str, Sequence[str | bytes]]]]

CONFIGURATION = """
{includes}
pidfile {directory}/pid
argsfile {directory}/args
modulepath {modules}
moduleload back_mdb
TLSCACertificateFile {tls.ca_file}
TLSCertificateFile {tls.certificate}
TLSCertificateKeyFile {tls.private_key}
TLSVerifyClient never
threads 4
sizelimit unlimited
{settings}

database mdb
suffix "{suffix}"
rootdn "{rootdn}"
directory {directory}/data
maxsize 8589934592
dbnosync
index {indexed} eq
{database_settings}
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def slapd_binaries() -> tuple[str, str]:
    """The paths of slapd and slapadd; skips the test where they, or ldapsearch, are missing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    slapd, slapadd, ldapsearch = (shutil.which(name, path=path) for name in ("slapd", "slapadd", "ldapsearch"))
    if not (slapd and slapadd and ldapsearch and SCHEMAS.exists()):
        pytest.skip("needs OpenLDAP's server and client: apt-get install slapd ldap-utils")
    return slapd, slapadd


class Slapd:
    """A server that serves from the constructor on; leaving the context kills it and removes its files.

    entries: (DN, attributes) pairs as slapd_tree makes them, loaded by slapadd. settings, database_settings: lines of
    slapd.conf, such as `limits * size.prtotal=disabled` or `sizelimit 100`. schemas: files behind core, cosine and
    inetorgperson. indexed: attributes. names: DNS names and addresses in its certificate. checked: whether slapadd
    holds the entries to the schema's classes. address: where it listens.
    """

    def __init__(
        self,
        entries: Entries | None = None,
        *,
        suffix: str = slapd_tree.SUFFIX,
        settings: str = "",
        database_settings: str = "",
        schemas: Iterable[Path] = (AD_SCHEMA,),
        indexed: str = "objectClass,sAMAccountName,userPrincipalName,mail",
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        checked: bool = True,
        address: str = "127.0.0.1",
    ) -> None:
        self._slapd, slapadd = slapd_binaries()
        self._made = tempfile.TemporaryDirectory(prefix="slapd-")
        self.directory = Path(self._made.name)
        self._suffix = suffix
        self._address = address
        self.process: subprocess.Popen[bytes] | None = None
        self.port = self.plain_port = 0
        try:
            (self.directory / "data").mkdir()
            self.certificates = make_certificates(self.directory, "slapd", names)
            files = [SCHEMAS / f"{name}.schema" for name in ("core", "cosine", "inetorgperson")] + list(schemas)
            self._configuration = self.directory / "slapd.conf"
            self._configuration.write_text(
                CONFIGURATION.format(
                    includes="\n".join(f"include {file}" for file in files),
                    directory=self.directory,
                    modules=MODULES,
                    tls=self.certificates,
                    suffix=suffix,
                    rootdn=f"cn=root,{suffix}" if suffix else "cn=root",
                    indexed=indexed,
                    settings=settings,
                    database_settings=database_settings,
                )
            )
            ldif = self.directory / "entries.ldif"
            write_ldif(ldif, slapd_tree.make_tree() if entries is None else entries)
            load = [slapadd, "-q", *([] if checked else ["-s"]), "-f", str(self._configuration), "-l", str(ldif)]
            # Without its suffix slapadd takes the first database, which settings may bring.
            load += ["-b", suffix]
            loaded = subprocess.run(load, capture_output=True, text=True, timeout=240)
            assert loaded.returncode == 0, loaded.stderr
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"ldaps://{self._address}:{self.port}"

    @property
    def gateway_directory(self) -> dict[str, Any]:
        """The keys of a directory block that leads to it."""
        return {
            "servers": [{"url": self.url, "server_name": "localhost"}],
            "ca_file": self.certificates.ca_file,
            "naming_contexts": [self._suffix],
        }

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None
        return self.process

    def start(self) -> None:
        """Starts it, or starts it again on the ports that it had: port for LDAPS, plain_port for LDAP and StartTLS."""
        if self.port == 0:
            self.port, self.plain_port = free_port(), free_port()
        urls = f"{self.url} ldap://{self._address}:{self.plain_port}"
        output = self.directory / "output"
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [self._slapd, "-h", urls, "-f", self._configuration, "-d", "0"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        assert self._wait_until_it_listens(), output.read_text()

    def freeze(self) -> None:
        """From here on it does nothing, until it is thawed or killed."""
        self._started.send_signal(signal.SIGSTOP)
        # A signal comes to a process of several threads in its own time.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Goes on where freeze stopped it."""
        self._started.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As kill -9 does: its connections end without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)

    def close(self) -> None:
        self.kill()
        self._made.cleanup()

    def _wait_until_it_listens(self) -> bool:
        until = time.monotonic() + 30
        while self._started.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection((self._address, self.port), 5).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False


def write_ldif(file: Path, entries: Entries) -> None:
    """RFC 2849, with every value in base64."""
    with file.open("w") as ldif:
        for dn, attributes in entries:
            lines: list[tuple[str, str | bytes]] = [("dn", dn)]
            lines += [(name, value) for name, values in attributes.items() for value in values]
            for name, value in lines:
                octets = value.encode() if isinstance(value, str) else value
                ldif.write(f"{name}:: {base64.b64encode(octets).decode()}\n")
            ldif.write("\n")
