"""From the `links` of the file to the settings of the link's two ends, with their keys looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

from cryptography.x509 import Certificate

from gateway.config import models
from gateway.config.networks import read_address, split_port
from gateway.config.source import Location
from gateway.link.keys import Identity, KeyProblem, PairFiles, time_trouble
from gateway.link.pins import NoPin, Pin, clashes, out_of_time, read_pins
from gateway.link.settings import CalledHost, InsideSettings, OutsideSettings

# Host and port.
_Address: TypeAlias = tuple[str, int]

_ADDRESS: Final = "a host and a port are expected, like gateway.example.net:8636 or [2001:db8::1]:8636"
# Names of links and agents stand in logs and records, as in link://inside/inside-1. These are the ones that
# `ldap-gateway link key` takes.
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")
_NAME_EXPECTED: Final = (
    "a name of 1 to 31 letters, digits, dots, hyphens and underscores is expected, which begins with a letter or digit"
)
# RFC 1123 2.1, and underscores, which are in use. A last label of digits alone would be a wrong IP address.
_LABEL: Final = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z)({_LABEL}\.)*(?![0-9]+\Z){_LABEL}")

_OWN_KEY: Final = "`ldap-gateway link key` here, and the certificate to the other ends"
_NEW_KEY: Final = "`ldap-gateway link key` there, and the certificate to here"

# The keys that one end alone has, by the key that makes it this end.
_OF_ONE_END: Final = {"address": ("sources", "agents", "parked"), "call": ("hosts",)}


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
        # The link that calls each address.
        self._callers: dict[_Address, str] = {}

    def compile(self, file: models.File) -> tuple[OutsideSettings | InsideSettings, ...]:
        """The links of the file; of use only where no problem was found."""
        found = [self._link(("links", name), name, link) for name, link in file.links.items()]
        self._check_used(file)
        return tuple(link for link in found if link is not None)

    def _link(self, at: Location, name: str, link: models.Link) -> OutsideSettings | InsideSettings | None:
        if not _NAME.fullmatch(name):
            self._problem(at, _NAME_EXPECTED)
        identity = PairFiles(self._path(link.identity.certificate), self._path(link.identity.private_key))
        own = self._own_certificate((*at, "identity"), identity)
        end = end_of(link)
        if end is None:
            self._problem(at, "either `address`, where the inside calls, or `call`, the outsides to call, and not both")
            return None
        other = "call" if end == "address" else "address"
        for key in _OF_ONE_END[other]:
            if key in link.model_fields_set:
                self._problem((*at, key), f"only of use with `{other}`, and this is the end with `{end}`")
        if link.address is not None:
            return self._outside(at, name, link, link.address, identity, own)
        return self._inside(at, name, link, identity, own)

    def _outside(
        self, at: Location, name: str, link: models.Link, text: str, identity: PairFiles, own: Certificate | None
    ) -> OutsideSettings | None:
        if not link.agents:
            self._problem((*at, "agents"), "no agent is pinned, so nobody could call: NAME: its certificate")
        for agent in link.agents:
            if not _NAME.fullmatch(agent):
                self._problem((*at, "agents", agent), _NAME_EXPECTED)
        if not link.sources:
            self._warning((*at, "sources"), "every address may connect; list the company's way out to the internet")
        if link.parked >= link.connections:
            self._problem(
                (*at, "connections"),
                f"an agent has one connection besides those that wait for sessions (parked: {link.parked}): at least "
                f"{link.parked + 1} are needed",
            )
        agents = {agent: self._path(file) for agent, file in link.agents.items()}
        self._check_pins((*at, "agents"), agents, own)
        address = self._address((*at, "address"), text)
        if address is None:
            return None
        if address[1] == 0:
            self._problem((*at, "address"), "with port 0 it would be another one at each start, and agents call one")
        return OutsideSettings(name, *address, tuple(link.sources), identity, agents, link.parked, link.connections)

    def _inside(
        self, at: Location, name: str, link: models.Link, identity: PairFiles, own: Certificate | None
    ) -> InsideSettings:
        called = self._called((*at, "call"), name, link.call)
        files: dict[_Address, Path] = {}
        for text, file in link.hosts.items():
            address = read_host(text)
            if address is None:
                self._problem((*at, "hosts", text), _ADDRESS)
            elif address not in called:
                self._problem((*at, "hosts", text), "not in `call`")
            elif address in files:
                self._problem((*at, "hosts", text), "the same address twice")
            else:
                files[address] = self._path(file)
        for address, i in called.items():
            if address not in files:
                self._problem((*at, "call", i), "its certificate is needed: hosts, with this address as the key")
        self._check_pins((*at, "hosts"), {text: self._path(file) for text, file in link.hosts.items()}, own)
        if link.connections < len(called):
            said = f"each of {len(called)} outsides has an equal share of these: at least {len(called)} are needed"
            self._problem((*at, "connections"), said)
        call = tuple(CalledHost(*address, files[address]) for address in called if address in files)
        return InsideSettings(name, call, identity, link.connections)

    def _called(self, at: Location, name: str, texts: list[str]) -> dict[_Address, int]:
        """Which one of the list each address is."""
        found: dict[_Address, int] = {}
        for i, text in enumerate(texts):
            address = read_host(text)
            if address is None:
                self._problem((*at, i), _ADDRESS)
            elif address in found:
                self._problem((*at, i), "the same address twice")
            else:
                found[address] = i
                first = self._callers.setdefault(address, name)
                if first != name:
                    self._problem((*at, i), f"links.{first} calls it already; one link is enough for all clients")
        return found

    def _own_certificate(self, at: Location, files: PairFiles) -> Certificate | None:
        try:
            own = Identity(files).certificate
        except KeyProblem as error:
            self._problem((*at, "private_key" if error.path == files.private_key else "certificate"), str(error))
            return None
        trouble = time_trouble(own, datetime.now(UTC))
        if trouble:
            said = f"{files.certificate}: {trouble}; no other end lets this one in until it has a new key: {_OWN_KEY}"
            self._warning((*at, "certificate"), said)
        return own

    def _check_pins(self, at: Location, files: Mapping[str, Path], own: Certificate | None) -> None:
        """What is wrong with the pins of a link. What time or a revocation brings about shuts out whom it concerns, and
        is no mistake of the configuration. own: what this end shows."""
        pins: dict[str, list[Pin]] = {}
        good = False
        for name, path in files.items():
            try:
                pins[name] = read_pins(path)
            except NoPin as error:
                self._warning((*at, name), f"{error}; {name} is shut out until its certificate is there")
                continue
            except KeyProblem as error:
                self._problem((*at, name), str(error))
                good = True
                continue
            if any(pin.certificate == own for pin in pins[name]):
                said = f"{path}: this end's own certificate (identity); the one of the other end is expected"
                self._problem((*at, name), said)
            trouble = out_of_time(pins[name], datetime.now(UTC))
            if trouble:
                self._warning((*at, name), f"{path}: {trouble}; {name} is shut out until it has a new key: {_NEW_KEY}")
            good = good or not trouble
        for clash in clashes(pins):
            self._problem((*at, clash.names[1]), str(clash.problem))
        if files and not good:
            self._warning(at, "none of these certificates can be used now, so nobody is at the other end of this link")

    def _check_used(self, file: models.File) -> None:
        by_directory = {directory.link for directory in file.directories.values()}
        by_client = {link for client in file.clients.values() for link in client.links}
        for name, link in file.links.items():
            if end_of(link) == "address" and name not in by_directory:
                self._problem(("links", name), f"no directory has `link: {name}`: nothing would be asked of it")
            if end_of(link) == "call" and name not in by_client:
                self._problem(("links", name), f"no client has `links: [{name}]`: nothing would be served over it")


def end_of(link: models.Link) -> Literal["address", "call"] | None:
    """The key that says at which end of the link this gateway is: it waits, or it calls. None where neither or both
    are written."""
    if link.address is None:
        return "call" if link.call else None
    return None if link.call else "address"


def read_host(text: str) -> tuple[str, int] | None:
    """A host, by name or IP address, and its port, in the one spelling that equal ones have; None for anything else."""
    found = split_port(text)
    if found is None or found[1] == 0:
        return None
    host, port = found[0].lower(), found[1]
    in_brackets = host.startswith("[") and host.endswith("]")
    if _HOST.fullmatch(host):
        return host, port
    try:
        address = read_address(host[1:-1] if in_brackets else host)
    except ValueError:
        return None
    # What stands behind the last colon of an IPv6 address might be a part of it.
    return (str(address), port) if in_brackets == (":" in host) else None
