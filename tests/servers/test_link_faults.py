"""Syncs through a link whose three legs and two ends fail all the time: everything comes, or there is an error.

LDAP_GATEWAY_LINK_FAULTS=10000 pytest -s tests/servers/test_link_faults.py makes that many faults; without it there are
600. What came of the syncs is printed.
"""

import collections
import json
import os
import random
import signal
import threading
import time

import pytest

from gateway.ask.client import Disconnection, Entry, SearchDone, next_page, page_control
from tests.servers.chaotic_path import KINDS, ChaoticPath, Fate
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.link_ends import LinkKeys, inside_of, outside_of
from tests.servers.raw_client import RawClient
from tests.servers.windows import people
from tests.servers.windows.people import GROUPS, LISTED, STAFF, SYNC_NAME, SYNC_PASSWORD
from tests.servers.windows_process import WindowsLike

FAULTS = int(os.environ.get("LDAP_GATEWAY_LINK_FAULTS", "600"))
SYNCS_AT_ONCE = 20
MOMENTS = ("bind", "page", "range")
# A restart takes a while: all of them only where many faults are wanted.
SIGNALS = (
    [(name, moment) for name in ("SIGHUP", "SIGSTOP", "SIGTERM", "SIGKILL") for moment in MOMENTS]
    if FAULTS > 600
    else [*(("SIGHUP", moment) for moment in MOMENTS), ("SIGSTOP", "page"), ("SIGTERM", "bind"), ("SIGKILL", "page")]
)
# Ways to the one server, each of which the inside takes for a server of its own: what one has done to it does not keep
# it from the others.
SERVERS = 4
SIZE = {"users": 24, "groups": 3, "contacts": 2}
# Pages of the client, and ranges of the group that holds all.
PAGE, RANGE = 8, 8
# Seconds. The limits of both gateways that apply are below; whoever waits longer than this has been forgotten.
LIMITS = {"silence": 2, "bind": 5, "search": 10, "write_stall": 5}
CONNECTING = {"connect_timeout": 1, "connect_patience": 2}
FORGOTTEN = 15

BASES = (STAFF, GROUPS)
EXPECTED = {
    entry.dn: {name: frozenset(entry.attributes[name]) for name in LISTED if name in entry.attributes}
    for entry in people.make_directory(**SIZE)
    if entry.dn.endswith(BASES)
}


class Site:
    """A server, an inside, an outside, and a path before each of them. still: no connection that comes is hit."""

    def __init__(self, start, certificates, windows, directory):
        self._start, self._certificates = start, certificates
        self.chance = random.Random(f"{FAULTS}")
        self.still = True
        self.server_paths = [ChaoticPath(windows.port, lambda alone: self.fate(0.6)) for _ in range(SERVERS)]
        servers = [{"url": f"ldaps://127.0.0.1:{path.port}", "server_name": "localhost"} for path in self.server_paths]
        client = {"sync_accounts": [SYNC_NAME], "base_dns": BASES, "attributes": LISTED}
        often = {"spares": 0, "order": "least-sessions", "health": {"interval": 1, "rise": 1, "timeout": 1}}
        behind = {**windows.gateway_directory, "servers": servers, **often, **CONNECTING}
        direct = configuration(certificates, behind, client, limits=LIMITS)
        keys = LinkKeys(directory)
        self.outside_text = outside_of(direct, keys)
        # A line is hit now and then: while it is gone there are no sessions.
        self.link_path = ChaoticPath(
            int(keys.address.rpartition(":")[2]), lambda alone: self.fate(0.1 if alone else 0.6)
        )
        called = f"127.0.0.1:{self.link_path.port}"
        inside = json.loads(inside_of(direct, keys))
        inside["links"]["dmz"] |= {"call": [called], "hosts": {called: str(keys.outside.certificate)}}
        self.inside_text = json.dumps(inside)
        self.ends = {"outside": start(self.outside_text), "inside": start(self.inside_text)}
        self.ends["outside"].wait_for("agent inside-1 is here")
        self.client_path = ChaoticPath(self.ends["outside"].port, lambda alone: self.fate(0.3))

    def fate(self, share):
        if self.still or self.chance.random() > share:
            return None
        kind, from_server = self.chance.choice(KINDS), self.chance.random() < 0.5
        if self.chance.random() < 0.6:
            return Fate(kind, from_server, self.chance.randrange(30), 0)
        return Fate(kind, from_server, None, self.chance.randrange(20_000))

    @property
    def faults(self):
        return sum(self.happened.values())

    @property
    def happened(self):
        found = collections.Counter()
        for leg, path in self.paths:
            found.update({(leg, kind): count for kind, count in path.happened.items()})
        return found

    @property
    def paths(self):
        return [
            ("client", self.client_path),
            ("link", self.link_path),
            *(("server", path) for path in self.server_paths),
        ]

    def sync(self, path=None, watch=lambda moment: None):
        """What came of one. path: to the outside, None for none."""
        port = self.ends["outside"].port if path is None else path.port
        try:
            client = RawClient(port, self._certificates.ca_file)
        except OSError:
            return "no connection"
        with client:
            client.socket.settimeout(FORGOTTEN)
            own_port = client.socket.getsockname()[1]
            try:
                outcome, entries = read(client, watch)
            except TimeoutError:
                outcome, entries = "forgotten", {}
            except (OSError, ValueError):
                outcome, entries = "cut", {}
        if outcome == "complete":
            assert entries == EXPECTED, "a short success"
        # What a client is to be told cannot come over a leg that fails.
        own = path is not None and own_port in path.marked
        return f"{outcome} on its own leg" if own and outcome in ("cut", "forgotten") else outcome

    def close(self):
        for _, path in self.paths:
            path.__exit__()


def read(client, watch):
    """The outcome in a word, and the entries where that is a success."""
    watch("bind")
    client.socket.sendall(client.client.bind(SYNC_NAME, SYNC_PASSWORD.encode()).data)
    event = client.event()
    if event is None or isinstance(event, Disconnection):
        return ("cut" if event is None else "notice"), {}
    if event.result.code != 0:
        return f"error {event.result.code} at the bind", {}
    entries = {}
    for base, page in ((STAFF, PAGE), (GROUPS, None)):
        cookie = b""
        while cookie is not None:
            client.search(base, attributes=LISTED, controls=() if page is None else (page_control(page, cookie),))
            while isinstance(event := client.event(), Entry):
                entries[event.entry.dn] = {
                    attribute.type: frozenset(attribute.values) for attribute in event.entry.attributes
                }
                watch("page" if base == STAFF else "range")
            if not isinstance(event, SearchDone):
                # Between two searches a notice is all that comes.
                return ("cut" if event is None else "notice"), {}
            if event.result.code != 0:
                return f"error {event.result.code}", {}
            cookie = next_page(event) or None
    return "complete", entries


@pytest.fixture(scope="module")
def windows():
    with WindowsLike(**SIZE, max_page_size=PAGE, max_val_range=RANGE) as running:
        yield running


@pytest.fixture
def site(certificates, windows, tmp_path, tmp_path_factory):
    started = []

    def start(text):
        started.append(GatewayProcess(tmp_path_factory.mktemp("end"), text))
        return started[-1]

    made = Site(start, certificates, windows, tmp_path)
    yield made
    made.close()
    for running in started:
        running.kill()
    for running in started:
        before, raised, behind = running.log().partition("Traceback")
        assert not raised, f"{before[-300:]}{raised}{behind[:3_000]}"


def until_complete(site):
    """It serves again once nothing is hit any more."""
    site.still = True
    until = time.monotonic() + 90
    while (outcome := site.sync()) != "complete":
        assert time.monotonic() < until, outcome
        time.sleep(0.2)


def test_no_fault_on_a_leg_makes_a_short_success(site):
    site.still = False
    outcomes, failures = collections.Counter(), []

    def work():
        try:
            while site.faults < FAULTS and not failures:
                outcome = site.sync(site.client_path)
                outcomes[outcome] += 1
                if "bind" in outcome:
                    time.sleep(0.2)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(SYNCS_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*(f"\n{leg}: {kind}: {count}" for (leg, kind), count in sorted(site.happened.items())))
    print(*(f"\n{outcome}: {count}" for outcome, count in sorted(outcomes.items())))
    assert not failures
    assert outcomes["forgotten"] == 0
    assert outcomes["cut"] == 0, "neither a result nor a notice"
    assert outcomes["complete"] > 0
    assert {leg for leg, _ in site.happened} == {"client", "link", "server"}
    until_complete(site)


@pytest.mark.parametrize("end", ["outside", "inside"])
def test_no_signal_to_an_end_makes_a_short_success(site, end):
    """At a bind, within a page and within ranges; the last signals end it."""
    outcomes = {}
    for name, moment in SIGNALS:
        sent = []

        def watch(now, name=name, moment=moment, sent=sent):
            if now != moment or sent:
                return
            sent.append(now)
            site.ends[end].send(name)
            if name == "SIGSTOP":
                frozen = site.ends[end].process
                threading.Timer(3, frozen.send_signal, [signal.SIGCONT]).start()

        outcome = site.sync(watch=watch)
        assert sent, outcome
        outcomes[name, moment] = outcome
        if name in ("SIGTERM", "SIGKILL"):
            site.ends[end].process.wait(30)
            site.ends[end] = site._start(site.outside_text if end == "outside" else site.inside_text)
        until_complete(site)
    print(*(f"\n{end}: {name} at a {moment}: {outcome}" for (name, moment), outcome in outcomes.items()))
    # Whoever is killed says nothing; all others do.
    silent = {(name, moment) for name, moment in outcomes if end == "outside" and name == "SIGKILL"}
    said = {key: outcome for key, outcome in outcomes.items() if key not in silent}
    assert not [key for key, outcome in said.items() if outcome in ("cut", "forgotten", "no connection")]
    assert all(outcomes["SIGHUP", moment] == "complete" for moment in MOMENTS)
