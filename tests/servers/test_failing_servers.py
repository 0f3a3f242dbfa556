"""A sync of 20,000 entries whose server fails somewhere in it: the client gets everything or an error.

LDAP_GATEWAY_FAILURES=200 pytest -s tests/servers/test_failing_servers.py makes that many of them; without it there are
some of each kind.
"""

import collections
import os
import random
import shutil
import signal
import ssl

import pytest

from gateway.ask.client import next_page, page_control
from gateway.demo.certificates import CertificateFiles, make_certificates
from gateway.ldap.decoding import decode_response, read_envelope
from gateway.ldap.framing import Framer
from gateway.ldap.messages import EXTENDED_RESPONSE, SEARCH_DONE, SEARCH_ENTRY
from tests.servers import slapd_tree
from tests.servers.faulty_path import HANDSHAKE, FaultyPath
from tests.servers.gateway_process import configuration
from tests.servers.raw_client import RawClient
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import BOARD, STAFF, SYNC_ACCOUNT, SYNC_PASSWORD

USERS = 20_000
# People outside BOARD, their departments and STAFF itself.
EVERYTHING = USERS - USERS // 25 + len(slapd_tree.DEPARTMENTS) + 1
ATTRIBUTES = ["mail", "cn", "proxyAddresses", "displayName", "sAMAccountName", "memberOf", "thumbnailPhoto", "pager"]
SMALL_BUFFER = 65_536
# Seconds of the server's silence that end a search; a busy machine is silent for a while as well.
SILENCE = 4

# On the path: always in mid-sync, so that nothing but an error is right. A server that crawls is late and no more.
ON_THE_PATH = ["close", "reset", "half-close", "stall", "garble", "refuse"]
# To slapd itself, when the client has read so much; the rest may have been on its way.
TO_SLAPD = ["kill", "terminate", "freeze", "pause"]
KINDS = [*ON_THE_PATH, "crawl", *TO_SLAPD]
RUNS = -(-int(os.environ.get("LDAP_GATEWAY_FAILURES", 2 * len(KINDS))) // len(KINDS))

# By kind and outcome, over the whole module.
TALLY = collections.Counter()


@pytest.fixture(scope="module")
def slapd():
    with Slapd(slapd_tree.make_tree(USERS, photo_every=1, photo_octets=60)) as running:
        yield running


@pytest.fixture(scope="module")
def path(slapd):
    with FaultyPath(slapd.port) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(certificates, slapd, path, start_gateway):
    server = {"url": f"ldaps://127.0.0.1:{path.port}", "server_name": "localhost"}
    client = {
        "sync_accounts": [SYNC_ACCOUNT],
        "base_dns": [STAFF],
        "excluded_base_dns": [BOARD],
        "attributes": [name for name in ATTRIBUTES if name != "pager"],
    }
    # The path fails the connection of the sync, and there is no other.
    directory = slapd.gateway_directory | {"servers": [server], "spares": 0, "health": "off"}
    return start_gateway(configuration(certificates, directory, client, limits={"silence": SILENCE}))


class Sync:
    """What a client sees. code: of its last result, None where the connection ended between two pages. entries:
    received. successes: results. whole: the last of them was a success and of the last page."""

    def __init__(self):
        self.code, self.entries, self.successes, self.whole = None, 0, 0, False

    def run(self, gateway, certificates, page, watch):
        """watch: called with the number of entries, after each."""
        with RawClient(gateway.port, certificates.ca_file, receive_buffer=SMALL_BUFFER) as client:
            self.code = client.bind(SYNC_ACCOUNT, SYNC_PASSWORD)
            cookie = b""
            while self.code == 0 and not self.whole:
                controls = () if page is None else (page_control(page, cookie),)
                answer = self._search(client, controls, watch)
                self.code = None if answer is None else answer.operation.result.code
                if self.code == 0:
                    self.successes += 1
                    cookie = next_page(answer)
                    self.whole = not cookie
        return self

    def _search(self, client, controls, watch):
        """The result; a notice of disconnection or None where the connection ended before the search had begun, as it
        may between two pages. Entries are counted and not decoded, which would take most of the time."""
        framer, before = Framer(1 << 25), self.entries
        try:
            client.search(STAFF, attributes=ATTRIBUTES, controls=controls)
            while True:
                while (message := framer.next_message()) is None:
                    data = client.socket.recv(65_536)
                    if not data:
                        raise ConnectionError
                    framer.feed(data)
                tag = read_envelope(message).tag
                if tag == SEARCH_DONE:
                    return decode_response(message)
                if tag == EXTENDED_RESPONSE:
                    assert self.entries == before, "a notice of disconnection before the result"
                    return decode_response(message)
                assert tag == SEARCH_ENTRY
                self.entries += 1
                watch(self.entries)
        except OSError:
            assert self.entries == before, "the connection ended in mid-search without a result"
            return None

    @property
    def outcome(self):
        if self.whole:
            return "complete"
        return "error" if self.code is not None else "disconnected between pages"


def judge(kind, sync):
    """The one promise: success at the end means that everything came, and everything else is an error."""
    TALLY[kind, sync.outcome] += 1
    assert sync.code != 0 or sync.whole
    assert sync.whole == (sync.entries == EVERYTHING and sync.code == 0), vars(sync)


class Faults:
    """Makes slapd fail, and puts it right again."""

    def __init__(self, slapd):
        self._slapd = slapd

    def cause(self, kind):
        if kind == "kill":
            self._slapd.kill()
        elif kind == "terminate":
            self._slapd.process.terminate()
        else:
            self._slapd.freeze()

    def resume(self):
        self._slapd.process.send_signal(signal.SIGCONT)

    def mend(self):
        self._slapd.kill()
        self._slapd.start()


@pytest.fixture
def faults(slapd, path):
    yield Faults(slapd)
    path.kind = "none"


@pytest.fixture(scope="module")
def octets(certificates, gateway, path):
    """What the server sends in a sync without a fault; in pages it is more."""
    before = path.passed
    sync = Sync().run(gateway, certificates, None, lambda count: None)
    judge("none", sync)
    assert (sync.whole, sync.successes) == (True, 1)
    return path.passed - before


def test_without_a_fault_everything_comes_in_pages(certificates, gateway):
    sync = Sync().run(gateway, certificates, 1000, lambda count: None)
    judge("none", sync)
    assert sync.whole
    assert sync.successes > 1


@pytest.mark.direct("by a link nobody tries a server before a check has found it up again")
@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("kind", [*ON_THE_PATH, "crawl"])
def test_the_path_to_the_server_fails(certificates, gateway, path, octets, faults, kind, run):
    chance = random.Random(f"{kind} {run}")
    path.kind, path.after = kind, chance.randrange(HANDSHAKE, octets)
    happened = path.happened
    sync = Sync().run(gateway, certificates, chance.choice([None, 1000]), lambda count: None)
    assert path.happened > happened, vars(sync)
    judge(kind, sync)
    assert sync.whole is (kind == "crawl")


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("kind", TO_SLAPD)
def test_slapd_fails(certificates, gateway, faults, kind, run):
    chance = random.Random(f"{kind} {run}")
    moment = chance.randrange(1, EVERYTHING)

    def watch(count):
        if count == moment:
            faults.cause(kind)
            if kind == "pause":
                faults.resume()

    sync = Sync().run(gateway, certificates, chance.choice([None, 1000]), watch)
    judge(kind, sync)
    if kind != "pause":
        faults.mend()


def test_the_gateway_has_counted_the_same(gateway):
    """By its audit as many sessions had all entries and no error as there were complete syncs here."""
    print(*(f"\n{kind}: {outcome}: {count}" for (kind, outcome), count in sorted(TALLY.items())))
    sessions = collections.defaultdict(list)
    for record in gateway.audit(operation="search"):
        sessions[record["session"]].append(record)
    whole = [
        all(record["code"] == 0 for record in records) and sum(record["entries"] for record in records) == EVERYTHING
        for records in sessions.values()
    ]
    assert sum(whole) == sum(count for (_, outcome), count in TALLY.items() if outcome == "complete")


# The gateway itself, in mid-sync.


def test_ten_reloads_and_a_new_certificate(slapd, start_gateway, tmp_path):
    files = make_certificates(tmp_path, "gateway")
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ["mail"]}
    first, other = (
        configuration(files, slapd.gateway_directory, {**client, **change})
        for change in ({"excluded_base_dns": [BOARD]}, {"base_dns": [BOARD], "size_limit": 1})
    )
    running = start_gateway(first)
    before = CertificateFiles(tmp_path / "before.pem", files.certificate, files.private_key)
    shutil.copy(files.ca_file, before.ca_file)
    reloads = [other, first] * 5

    def watch(count):
        if count % 1_900 == 0:
            assert "reloaded" in running.reload(reloads.pop())
        if count == EVERYTHING // 2:
            log = len(running.log())
            make_certificates(tmp_path, "gateway")
            running.wait_for("the renewed files are in use: the certificate is valid until", log)
            with RawClient(running.port, files.ca_file) as later:
                assert later.bind(SYNC_ACCOUNT, SYNC_PASSWORD) == 0

    sync = Sync().run(running, before, 1000, watch)
    assert not reloads
    assert (sync.whole, sync.entries) == (True, EVERYTHING)
    with pytest.raises(ssl.SSLCertVerificationError):
        RawClient(running.port, before.ca_file)
