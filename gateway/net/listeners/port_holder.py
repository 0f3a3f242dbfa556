"""Who listens on a port of this host already, as far as /proc shows it (proc(5)).

It is asked only for the text of an error, where a listener cannot be opened.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from sys import byteorder
from typing import Final

# TCP_LISTEN of the kernel's tcp_states.h, as /proc/net/tcp has it.
_LISTEN: Final = "0A"


def port_in_use(host: str, port: int, proc: Path = Path("/proc")) -> str:
    """`process 812 (slapd) listens on 0.0.0.0:636`, or the command that shows it. host: that was to be listened on."""
    listening = _listening(host, port, proc)
    holder = next(filter(None, (_process(inode, proc) for inode, _ in listening)), None)
    where = f" on {listening[0][1]}" if listening else ""
    if holder is not None:
        return f"another program has this port: {holder} listens{where}"
    if listening:
        return f"another program listens{where}: as root, `ss -ltnp 'sport = :{port}'` shows which"
    return f"another program has this port: as root, `ss -tanp 'sport = :{port}'` shows which"


def _listening(host: str, port: int, proc: Path) -> list[tuple[str, str]]:
    """Inode and address of each socket that is in the way."""
    wanted = ip_address(host)
    found = []
    for name in ("tcp", "tcp6"):
        lines: list[str] = []
        with suppress(OSError):
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        for line in lines:
            fields = line.split()
            if len(fields) < 10 or fields[3] != _LISTEN:
                continue
            digits, _, its_port = fields[1].partition(":")
            address = ip_address(_octets(digits))
            if int(its_port, 16) == port and (address == wanted or address.is_unspecified or wanted.is_unspecified):
                shown = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
                found.append((fields[9], shown))
    return found


def _octets(digits: str) -> bytes:
    """An address as the kernel writes it: words of four octets, each in the order of the machine."""
    words = (digits[at : at + 8] for at in range(0, len(digits), 8))
    return b"".join(int(word, 16).to_bytes(4, byteorder) for word in words)


def _process(inode: str, proc: Path) -> str | None:
    """The process that has the socket of an inode; None where nobody may see it."""
    wanted = f"socket:[{inode}]"
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        # Other accounts' processes are closed, and any may end meanwhile.
        with suppress(OSError):
            if any(str(each.readlink()) == wanted for each in (process / "fd").iterdir()):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return None
