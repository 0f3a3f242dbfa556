"""A copy of a made-up tenant, kept without a network: the real stand-in behind the real HTTP client, and a clock that
only moves when somebody waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.demo.tenant.authority import App
from gateway.demo.tenant.cloud import Cloud
from gateway.demo.tenant.graph import Graph
from gateway.demo.tenant.model import Kind, Tenant
from gateway.demo.tenant.wire import Asked
from gateway.entra.clock import Clock
from gateway.entra.keeper import Keeper
from gateway.entra.mapping import ATTRIBUTES
from gateway.entra.packed import Packed, split_values
from gateway.entra.schema import TYPES
from gateway.entra.settings import Cloud as CloudUrls
from gateway.entra.settings import CopySettings, EntraSettings, RoundSettings, TenantSettings
from gateway.entra.store_file import open_for_reading
from gateway.ldap.dn import parse

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-9999-000000000000"
SECRET = "LEAK-password-of-the-app"
ORIGIN = "https://cloud.test"
BASE = "DC=corp,DC=example"
EVERYTHING = frozenset({*ATTRIBUTES, "manager", "member", "memberOf", "whenChanged"})


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


class PlayedTime:
    """Seconds that pass when somebody sleeps. slept: how long each time. most: sleeps until StopRequested."""

    def __init__(self, begin: float = 1_700_000_000.0) -> None:
        self.seconds = begin
        self.slept: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def clock(self) -> Clock:
        return Clock(self.now, self.now, self.sleep)


class Wire(httpx.BaseTransport):
    """The way from the HTTP client to the stand-in, in the place of the network."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = urlsplit(str(request.url))
        target = url.path + (f"?{url.query}" if url.query else "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self._cloud.answer(Asked(request.method, target, headers, request.read()))
        if answer.cut_after == -1:
            raise httpx.ReadError("", request=request)
        stream = _Body(answer.body, answer.cut_after)
        return httpx.Response(answer.status, headers=dict(answer.headers), stream=stream, request=request)


class _Body(httpx.SyncByteStream):
    def __init__(self, body: bytes, cut_after: int | None) -> None:
        self._body, self._cut_after = body, cut_after

    def __iter__(self) -> Iterator[bytes]:
        yield self._body if self._cut_after is None else self._body[: self._cut_after]
        if self._cut_after is not None:
            raise httpx.RemoteProtocolError("peer closed connection")


class Played:
    """A tenant, its cloud, and the settings by which it is copied. said: what the keeper logged."""

    def __init__(self, directory: Path, *, random: Random | None = None, store: Path | None = None) -> None:
        self.time = PlayedTime()
        self.random = random or Random(1)
        self.tenant = Tenant()
        self.cloud = Cloud(self.tenant, App(TENANT, CLIENT, secret=SECRET), now=self.time.now, random=self.random)
        self.cloud.at(ORIGIN)
        self.said: list[str] = []
        self.replaced = 0
        secret = directory / "secret"
        if not secret.exists():
            secret.write_text(SECRET)
        self.settings = EntraSettings(
            "cloud",
            TenantSettings(TENANT, CLIENT, secret, CloudUrls(ORIGIN, ORIGIN)),
            CopySettings(parse(BASE), EVERYTHING),
            store or directory / "copy.sqlite3",
            RoundSettings(keep_at_least=0),
        )

    @property
    def graph(self) -> Graph:
        return self.cloud.graph

    def copying(self, **changes: Any) -> None:
        """Changes what is copied."""
        self.settings = replace(self.settings, copy=replace(self.settings.copy, **changes))

    def keeping(self, **changes: Any) -> None:
        """Changes when and how carefully the copy is renewed."""
        self.settings = replace(self.settings, rounds=replace(self.settings.rounds, **changes))

    def keeper(self, patience: int | None = None) -> Keeper:
        return Keeper(
            self.settings,
            self.said.append,
            self._note_replaced,
            clock=self.time.clock(),
            transport=Wire(self.cloud),
            random=self.random,
            patience=patience,
        )

    def once(self, *, full: bool = False, patience: int | None = None) -> None:
        """A round of a keeper that has just started."""
        with closing(self.keeper(patience)) as keeper:
            keeper.once(full=full)

    def shown(self) -> dict[str, dict[str, list[bytes]]]:
        return shown(self.settings.store)

    def person(self, number: int, **properties: object) -> str:
        id = uuid(number)
        made = {"displayName": f"Person {number}", "userType": "Member", "accountEnabled": True, **properties}
        self.tenant.add(Kind.users, id, made)
        return id

    def group(self, number: int, members: Iterable[str] = (), **properties: object) -> str:
        id = uuid(number)
        made = {"displayName": f"Group {number}", "mailEnabled": True, "securityEnabled": False, **properties}
        self.tenant.add(Kind.groups, id, made)
        for member in members:
            self.tenant.link(id, member)
        return id

    def contact(self, number: int, **properties: object) -> str:
        id = uuid(number)
        self.tenant.add(Kind.contacts, id, {"displayName": f"Contact {number}", **properties})
        return id

    def _note_replaced(self) -> None:
        self.replaced += 1


def shown(path: Path) -> dict[str, dict[str, list[bytes]]]:
    """By DN the attributes of all visible entries."""
    with closing(open_for_reading(path)) as connection:
        rows = connection.execute("SELECT dn, attributes FROM entry").fetchall()
    return {dn: attributes_of(octets) for dn, octets in rows}


def attributes_of(octets: bytes) -> dict[str, list[bytes]]:
    packed = Packed(octets)
    return {TYPES[number].name: split_values(packed.values_octets(number)) for number in packed.numbers}
