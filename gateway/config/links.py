"""From the `links` of the file to the settings of the link's two ends, with their keys looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.config import models
from gateway.config.source import Location
from gateway.link.frames import State, encode
from gateway.link.keys import Identity, KeyProblem, PairFiles
from gateway.link.line import MOST_CLIENTS
from gateway.link.pins import Pins, read_pins
from gateway.link.settings import CalledHost, InsideSettings, OutsideSettings

_ADDRESS = "a host and a port are expected, like gateway.example.net:8636"


class LinkCompiler:
    """The compiler of the links of one file. path: of a file that the configuration names. address: reads an IP address
    with a port. problem, warning: take what is wrong, and where."""

    def __init__(
        self,
        path: Callable[[str], Path],
        address: Callable[[Location, str], tuple[str, int] | None],
        problem: Callable[[Location, str], None],
        warning: Callable[[Location, str], None],
    ) -> None:
        self._path = path
        self._address = address
        self._problem = problem
        self._warning = warning

    def compile(self, file: models.File) -> tuple[OutsideSettings | InsideSettings, ...]:
        """The links of the file; of use only where no problem was found."""
        found = [self._link(("links", name), name, link) for name, link in file.links.items()]
        self._check_used(file)
        taken: dict[str, str] = {}
        for name, link in file.links.items():
            if link.address is not None and taken.setdefault(link.address, name) != name:
                self._problem(("links", name, "address"), f"the same address as links.{taken[link.address]} has")
        return tuple(link for link in found if link is not None)

    def _link(self, at: Location, name: str, link: models.Link) -> OutsideSettings | InsideSettings | None:
        if (link.address is None) == (not link.call):
            self._problem(at, "either `address`, where the inside calls, or `call`, the outsides to call, and not both")
            return None
        identity = PairFiles(self._path(link.identity.certificate), self._path(link.identity.private_key))
        self._check_identity((*at, "identity"), identity)
        return self._outside(at, name, link, identity) if link.call == [] else self._inside(at, name, link, identity)

    def _outside(self, at: Location, name: str, link: models.Link, identity: PairFiles) -> OutsideSettings | None:
        if link.hosts:
            self._problem((*at, "hosts"), "only of use with `call`; at this end the agents are pinned: agents")
        if not link.agents:
            self._problem((*at, "agents"), "no agent is pinned, so nobody could call: NAME: its certificate")
        if not link.sources:
            self._warning((*at, "sources"), "every address may connect; list the company's way out to the internet")
        agents = {agent: self._path(file) for agent, file in link.agents.items()}
        self._check_pins((*at, "agents"), agents)
        address = self._address((*at, "address"), link.address or "")
        if address is None:
            return None
        return OutsideSettings(name, *address, tuple(link.sources), identity, agents, link.parked, link.connections)

    def _inside(self, at: Location, name: str, link: models.Link, identity: PairFiles) -> InsideSettings:
        for key, value in (("agents", link.agents), ("sources", link.sources)):
            if value:
                self._problem((*at, key), "only of use with `address`: nobody calls at this end")
        hosts = {address: self._path(file) for address, file in link.hosts.items()}
        for address in hosts.keys() - set(link.call):
            self._problem((*at, "hosts", address), "not in `call`")
        self._check_pins((*at, "hosts"), hosts)
        call = []
        for i, address in enumerate(link.call):
            read = _host_and_port(address)
            if read is None:
                self._problem((*at, "call", i), _ADDRESS)
            elif address not in hosts:
                self._problem((*at, "call", i), "its certificate is needed: hosts, with this very address as the key")
            elif address in link.call[:i]:
                self._problem((*at, "call", i), "the same address twice")
            else:
                call.append(CalledHost(*read, hosts[address]))
        return InsideSettings(name, tuple(call), identity, link.connections)

    def _check_identity(self, at: Location, files: PairFiles) -> None:
        try:
            Identity(files, datetime.now(UTC))
        except KeyProblem as error:
            self._problem((*at, "private_key" if error.path == files.private_key else "certificate"), str(error))

    def _check_pins(self, at: Location, pinned: Mapping[str, Path]) -> None:
        pins = {}
        for name, path in pinned.items():
            try:
                pins[name] = read_pins(path, datetime.now(UTC))
            except KeyProblem as error:
                self._problem((*at, name), str(error))
        try:
            Pins(pins or {})
        except KeyProblem as error:
            self._problem(at, str(error))
        except ValueError:
            # Nobody is pinned, which has been said.
            return

    def _check_used(self, file: models.File) -> None:
        by_directory = {directory.link for directory in file.directories.values()}
        by_client = {link for client in file.clients.values() for link in client.links}
        for name, link in file.links.items():
            if link.address is not None and name not in by_directory:
                self._problem(("links", name), f"no directory has `link: {name}`: nothing would be asked of it")
            if link.call and name not in by_client:
                self._problem(("links", name), f"no client has `links: [{name}]`: nothing would be served over it")
            if len(here := [client for client in file.clients.values() if name in client.links]) > MOST_CLIENTS:
                self._problem(("links", name), f"{len(here)} clients have it in `links`; at most {MOST_CLIENTS} may")
        for name, client in file.clients.items():
            directory = file.directories.get(client.directory)
            if client.links or (directory is not None and directory.link is not None):
                self._check_said(name)

    def _check_said(self, client: str) -> None:
        """That the two ends can tell each other the client's name."""
        try:
            encode(State(client, True, "", {}))
        except ValueError:
            said = "over a link a client's name has 1 to 255 octets, all of which can be printed"
            self._problem(("clients", client), said)


def _host_and_port(text: str) -> tuple[str, int] | None:
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or " " in host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return host, int(port)
