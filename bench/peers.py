"""What people would use in the gateway's place, before the same server, with LDAPS on both sides."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.servers import Server, stopped, write_schema
from gateway.demo.certificates import make_certificates
from tests.servers.gateway_process import free_port
from tests.servers.slapd import MODULES, SCHEMAS
from tests.servers.windows import people

_PATIENCE = 30.0

_SLAPD = """
{includes}
modulepath {modules}
moduleload back_ldap
pidfile {directory}/pid
TLSCertificateFile {tls.certificate}
TLSCertificateKeyFile {tls.private_key}
sizelimit unlimited
database ldap
suffix "{suffix}"
uri "{server.url}"
tls ldaps tls_cacert={server.ca_file} tls_reqcert=demand
rebind-as-user yes
access to dn.subtree="{suffix}" attrs=entry,{attributes} by users read by * none
access to * by * none
"""

_HAPROXY = """
global
    maxconn 9000
defaults
    mode tcp
    timeout connect 10s
    timeout client 600s
    timeout server 600s
listen ldaps
    bind 127.0.0.1:{port} ssl crt {chain}
    default-server ssl verify required ca-file {server.ca_file} verifyhost localhost sni str(localhost)
    server origin 127.0.0.1:{server.port}
"""


@dataclass(frozen=True)
class Target:
    """Something that answers LDAPS on 127.0.0.1. pid: whose memory counts. behind: processes whose processor time
    counts besides."""

    name: str
    port: int
    ca_file: str
    pid: int
    behind: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def pids(self) -> tuple[int, ...]:
        return (self.pid, *self.behind)


@contextmanager
def slapd_proxy(server: Server, attributes: Sequence[str]) -> Iterator[Target]:
    """slapd with back-ldap, which lets these attributes out and nothing else."""
    with tempfile.TemporaryDirectory(prefix="bench-proxy-") as name:
        directory = Path(name)
        tls = make_certificates(directory, "proxy")
        schema = write_schema(directory, people.make_directory(1))
        files = [SCHEMAS / f"{name}.schema" for name in ("core", "cosine", "inetorgperson")] + [schema]
        configuration = directory / "slapd.conf"
        configuration.write_text(
            _SLAPD.format(
                includes="\n".join(f"include {file}" for file in files),
                modules=MODULES,
                directory=directory,
                tls=tls,
                server=server,
                suffix=people.SUFFIX,
                attributes=",".join(attributes),
            )
        )
        port = free_port()
        command = [_program("slapd"), "-h", f"ldaps://127.0.0.1:{port}", "-f", str(configuration), "-d", "0"]
        with _running(command, directory, port) as pid:
            yield Target("slapd", port, str(tls.ca_file), pid)


@contextmanager
def haproxy(server: Server) -> Iterator[Target]:
    """HAProxy in TCP mode: it understands no LDAP, and is what any proxy in user space must cost."""
    with tempfile.TemporaryDirectory(prefix="bench-haproxy-") as name:
        directory = Path(name)
        tls = make_certificates(directory, "proxy")
        chain = directory / "chain.pem"
        chain.write_bytes(tls.certificate.read_bytes() + tls.private_key.read_bytes())
        port = free_port()
        configuration = directory / "haproxy.cfg"
        configuration.write_text(_HAPROXY.format(port=port, chain=chain, server=server))
        # -db: in the foreground, one process.
        with _running([_program("haproxy"), "-db", "-f", str(configuration)], directory, port) as pid:
            yield Target("haproxy", port, str(tls.ca_file), pid)


@contextmanager
def _running(command: list[str], directory: Path, port: int) -> Iterator[int]:
    output = directory / "output"
    with output.open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        until = time.monotonic() + _PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not start: {output.read_text()}")
            time.sleep(0.02)
        yield process.pid
    finally:
        stopped(process)


def _listens(port: int) -> bool:
    """Asks the kernel's table and not the port: a connection would be the first that is measured."""
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == wanted and fields[3] == "0A":
            return True
    return False


def _program(name: str) -> str:
    # An ordinary user's PATH lacks /usr/sbin.
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed (Debian: apt-get install {name})")
    return found
