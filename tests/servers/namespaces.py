"""The internet, a DMZ and a LAN with a firewall between the two, each in a network namespace of its own.

A namespace is held by a process and ends with it, so it needs no name, and its addresses are nobody else's: any number
of these may be there at once.
"""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.skips import KernelFeature

# For setns(2).
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)

# Addresses of documentation (RFC 5737), and one of a LAN. CLIENT is that of the service, OUTSIDE and LINK are those of
# the gateway in the DMZ; INSIDE and SERVER are in the LAN.
CLIENT, OUTSIDE = "198.51.100.7", "198.51.100.1"
LINK, WALL_OUTSIDE = "192.0.2.10", "192.0.2.1"
WALL_INSIDE, INSIDE, SERVER = "10.20.30.1", "10.20.30.5", "10.20.30.9"

# From the LAN all may go out, behind the address of the firewall; what begins in the DMZ is dropped and counted.
_RULES = """
table inet walls {
    counter inward { }
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "lan" oifname "dmz" accept
        iifname "dmz" counter name inward drop
    }
    chain input {
        type filter hook input priority 0; policy accept;
        iifname "dmz" ct state new counter name inward drop
    }
    chain leaving {
        type nat hook postrouting priority 100;
        oifname "dmz" masquerade
    }
}
"""


class Namespace:
    """One network namespace, with loopback up."""

    def __init__(self) -> None:
        # It ends with this process, whatever becomes of that: cat reads from it.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo up; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            self.close()
            KernelFeature.network_namespaces.skip()
        self.pid = self._holder.pid
        self.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    def run(self, *command: str, given: str = "") -> str:
        """The standard output of a command that runs in it."""
        inside = ["nsenter", "--target", str(self.pid), "--net", "--", *command]
        return subprocess.run(inside, input=given, capture_output=True, text=True, timeout=60, check=True).stdout

    def connect(self, name: str, address: str, other: "Namespace", other_name: str, other_address: str) -> None:
        """A cable to another one. name: of the interface here; addresses: with the length of their prefix."""
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", other_name, "netns", str(other.pid))
        for namespace, interface, own in ((self, name, address), (other, other_name, other_address)):
            namespace.run("ip", "address", "add", own, "dev", interface)
            namespace.run("ip", "link", "set", interface, "up")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within it the sockets of this thread, and what it starts, are in the namespace."""
        own, its = Path("/proc/thread-self/ns/net"), Path(f"/proc/{self.pid}/ns/net")
        with own.open("rb") as before, its.open("rb") as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


class Site:
    """inet - dmz - wall - lan. Leaving the context ends all of them."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root, which may make network namespaces")
        for program in ("ip", "nft", "unshare", "nsenter"):
            if shutil.which(program) is None:
                pytest.skip(f"needs {program}: apt-get install iproute2 nftables util-linux")
        with contextlib.ExitStack() as made:
            self.inet, self.dmz, self._wall, self.lan = (_made(made) for _ in range(4))
            self.inet.connect("dmz", f"{CLIENT}/24", self.dmz, "inet", f"{OUTSIDE}/24")
            self.dmz.connect("lan", f"{LINK}/24", self._wall, "dmz", f"{WALL_OUTSIDE}/24")
            self._wall.connect("lan", f"{WALL_INSIDE}/24", self.lan, "dmz", f"{INSIDE}/24")
            self.lan.run("ip", "address", "add", f"{SERVER}/24", "dev", "dmz")
            self.lan.run("ip", "route", "add", "default", "via", WALL_INSIDE)
            try:
                self._wall.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
                self._wall.run("nft", "-f", "-", given=_RULES)
            except subprocess.CalledProcessError:
                KernelFeature.network_namespaces.skip()
            self._made = made.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()

    @property
    def inward(self) -> int:
        """Packets that would have begun something from the DMZ towards the LAN, and were dropped."""
        (counter,) = [
            each["counter"]
            for each in json.loads(self._wall.run("nft", "-j", "list", "counters"))["nftables"]
            if "counter" in each
        ]
        return int(counter["packets"])


def _made(stack: contextlib.ExitStack) -> Namespace:
    namespace = Namespace()
    stack.callback(namespace.close)
    return namespace


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
