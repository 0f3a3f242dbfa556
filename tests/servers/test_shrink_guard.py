"""A sync that lost people is no success, also after the gateway was restarted in between; a normal day's is one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import slapd_tree
from tests.servers.gateway_process import PATIENCE, ROOT, configuration
from tests.servers.sync_client import connect
from tests.servers.whole_reads import ALL, read
from tests.servers.windows import people
from tests.servers.windows.people import CONTACTS, GROUPS, LISTED, STAFF, SUFFIX, SYNC_DN, SYNC_NAME, SYNC_PASSWORD
from tests.servers.windows_process import WindowsLike

USERS = 300
SIZE = {"users": USERS, "large_group": 200, "groups": 60}
BASES = [STAFF, GROUPS, CONTACTS]
# Of the five units that people are in.
THREE_UNITS = [f"OU=Sales\\, EMEA,{STAFF}", f"OU=R\\+D,{STAFF}", f"OU=\\#Ops,{STAFF}"]
WAYS = {"narrowed": (SUFFIX, None), "paged": (STAFF, 100)}


class Site:
    """A gateway with a state_dir before a directory, and the sync account's reads through it."""

    def __init__(self, start_gateway, open_client, certificates, state_dir, account, attributes):
        self._start_gateway = start_gateway
        self._open_client = open_client
        self._certificates = certificates
        self._state_dir = state_dir
        self._account = account
        self._attributes = attributes
        self.running = None

    def configuration(self, directory, base_dns=BASES, **client):
        client = {"sync_accounts": [self._account[0]], "base_dns": base_dns, "attributes": self._attributes, **client}
        return configuration(self._certificates, directory, client, state_dir=str(self._state_dir))

    def start(self, directory, **client):
        """In the place of the gateway that runs, if any: a restart."""
        if self.running is not None:
            assert self.running.stop() == 0
        self.running = self._start_gateway(self.configuration(directory, **client))

    def sync(self, base=SUFFIX, page=None, text=ALL, name=None):
        """(the result code, the number of entries, the last search's audit record). text: the filter. name: of another
        spelling of the account."""
        with self._open_client(self.running, name or self._account[0], self._account[1]) as client:
            whole = read(client, [base], self._attributes, page=page, text=text)
        session = self.running.wait_for_audit(operation="bind")[-1]["session"]
        records = self.running.wait_for_audit(len(whole.pages), operation="search", session=session)
        return whole.code, len(whole.entries), records[-1]

    def assert_caught(self, figure, *what):
        """Every time, not only the first: nothing of the smaller result is remembered."""
        for _ in range(2):
            code, _, record = self.sync(*what)
            assert (code, record["reason"], record["result"]) == (53, "result-shrank", "unwillingToPerform")
            assert figure in [loss.partition(":")[0] for loss in record["detail"].split("; ")]

    def shrink(self, *arguments):
        """What `ldap-gateway shrink` prints."""
        command = [sys.executable, "-m", "gateway", "shrink", *arguments, "-c", self.running.config]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def site(start_gateway, open_client, certificates, tmp_path):
    return Site(start_gateway, open_client, certificates, tmp_path, (SYNC_NAME, SYNC_PASSWORD), LISTED)


@pytest.fixture
def mutable_windows():
    with WindowsLike(**SIZE) as running:
        yield running


@pytest.fixture(scope="module")
def windows_process():
    with WindowsLike(**SIZE) as running:
        yield running


@pytest.fixture
def windows(windows_process):
    """For tests that change what can be read of it, and not what it holds."""
    yield windows_process
    windows_process.set_faults()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "faults, figure",
    [({"hidden_subtrees": THREE_UNITS}, "entries"), ({"hidden_attributes": ["mail"]}, "entries with mail")],
)
def test_an_account_that_lost_rights_is_caught(site, windows, way, faults, figure):
    site.start(windows.gateway_directory)
    assert site.sync(*WAYS[way])[0] == 0
    site.start(windows.gateway_directory)
    windows.set_faults(**faults)
    site.assert_caught(figure, *WAYS[way])
    windows.set_faults()
    assert site.sync(*WAYS[way])[0] == 0


def test_lost_rights_on_members_are_caught_by_the_number_of_values(site, mutable_windows):
    site.start(mutable_windows.gateway_directory)
    assert site.sync(GROUPS)[0] == 0
    site.start(mutable_windows.gateway_directory)
    mutable_windows.replace(f"CN=GG-Large,{GROUPS}", "member", [f"CN=Ada Abbott 110,{STAFF}"])
    site.assert_caught("values of member", GROUPS)


@pytest.mark.parametrize("page", [None, 100])
def test_an_organizational_unit_that_was_moved_away_is_caught(
    start_gateway, open_client, certificates, start_slapd, tmp_path, page
):
    slapd = start_slapd(slapd_tree.make_tree(USERS), database_settings="rootpw Root-Passw0rd")
    account = (slapd_tree.SYNC_ACCOUNT, slapd_tree.SYNC_PASSWORD)
    site = Site(start_gateway, open_client, certificates, tmp_path, account, ["mail", "cn", "objectClass"])
    site.start(slapd.gateway_directory)
    code, before, _ = site.sync(page=page)
    assert code == 0
    root = connect("127.0.0.1", slapd.port, slapd.certificates.ca_file, f"cn=root,{SUFFIX}", "Root-Passw0rd")
    for name in slapd_tree.DEPARTMENTS[:5]:
        unit = f"OU={name}"
        assert root.modify_dn(f"{unit},{STAFF}", unit, new_superior=slapd_tree.SERVICE), root.result
    site.start(slapd.gateway_directory)
    site.assert_caught("entries", SUFFIX, page)
    assert site.sync(page=page)[1] < before * 0.8
    for name in slapd_tree.DEPARTMENTS[:5]:
        unit = f"OU={name}"
        assert root.modify_dn(f"{unit},{slapd_tree.SERVICE}", unit, new_superior=STAFF), root.result
    root.unbind()
    assert site.sync(page=page)[:2] == (0, before)


@pytest.mark.parametrize("page", [None, 100])
@pytest.mark.parametrize("wrong", ["too deep", "one left out", "not there"])
def test_a_base_that_is_wrong_after_a_reload_is_caught(site, windows, page, wrong):
    directory = windows.gateway_directory
    site.start(directory)
    assert site.sync(page=page)[0] == 0
    site.start(directory)
    bases = {
        "too deep": [THREE_UNITS[0], GROUPS, CONTACTS],
        "one left out": [GROUPS, CONTACTS],
        "not there": [f"OU=Stuff,{SUFFIX}", GROUPS, CONTACTS],
    }
    assert "reloaded" in site.running.reload(site.configuration(directory, base_dns=bases[wrong]))
    if wrong == "not there":
        code, _, record = site.sync(page=page)
        assert (code, record["reason"], record["detail"]) == (53, "narrowed-base-missing", bases[wrong][0])
    else:
        site.assert_caught("entries", SUFFIX, page)
    assert "reloaded" in site.running.reload(site.configuration(directory))
    assert site.sync(page=page)[0] == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_server_with_an_older_replica_is_caught(site, tmp_path, way):
    with WindowsLike(users=200) as older:
        with WindowsLike(users=USERS) as newer:
            # Each of these servers has a CA of its own.
            authorities = tmp_path / "authorities.pem"
            authorities.write_text("".join(Path(server.ca_file).read_text() for server in (newer, older)))
            servers = [*newer.gateway_directory["servers"], *older.gateway_directory["servers"]]
            directory = {"servers": servers, "ca_file": authorities}
            site.start(directory)
            code, _, record = site.sync(*WAYS[way])
            assert (code, record["server"]) == (0, newer.url)
        site.assert_caught("entries", *WAYS[way])
        assert site.sync(*WAYS[way])[2]["server"] == older.url
        site.start(directory)
        site.assert_caught("entries", *WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_a_normal_day_is_a_success(site, mutable_windows, way):
    """One in fifty leaves."""
    site.start(mutable_windows.gateway_directory)
    code, before, _ = site.sync(*WAYS[way])
    assert code == 0
    leavers = [entry.dn for entry in people.make_directory(**SIZE) if b"user" in entry.attributes["objectClass"]][1::50]
    for dn in leavers:
        mutable_windows.delete(dn)
    site.start(mutable_windows.gateway_directory)
    code, now, record = site.sync(*WAYS[way])
    assert (code, now, record["reason"]) == (0, before - len(leavers), "")
    assert len(leavers) == USERS // 50


def test_what_was_accepted_passes_once_and_is_the_new_measure(site, windows):
    site.start(windows.gateway_directory)
    assert site.sync()[0] == 0
    windows.set_faults(hidden_subtrees=THREE_UNITS)
    site.start(windows.gateway_directory)
    site.assert_caught("entries")
    assert site.shrink("accept", "mimecast").startswith("mimecast: the next complete result of 1 search ")
    until = time.monotonic() + PATIENCE
    # The running gateway learns of it within a second.
    while (found := site.sync())[0] != 0:
        assert time.monotonic() < until
    site.start(windows.gateway_directory)
    (shape,) = json.loads(site.shrink("list", "--json"))
    assert (shape["entries"], shape["accepted"]) == (found[1], False)
    assert site.sync()[0] == 0
    windows.set_faults(hidden_subtrees=THREE_UNITS, hidden_attributes=["mail"])
    site.assert_caught("entries with mail")


def test_searches_for_changes_leave_the_full_one_guarded(site, windows):
    """Their number goes up and down, and none of them is remembered."""
    site.start(windows.gateway_directory)
    assert site.sync()[0] == 0
    site.start(windows.gateway_directory)
    before = site.shrink("list", "--json")
    assert before != "[]\n"
    for year, some in ((2024, True), (2026, False), (2020, True)):
        code, count, _ = site.sync(text=f"(&(objectClass=user)(whenChanged>={year}0301000000.0Z))")
        assert (code, count > USERS * 0.8) == (0, some)
    site.start(windows.gateway_directory)
    assert site.shrink("list", "--json") == before
    windows.set_faults(hidden_subtrees=THREE_UNITS)
    site.assert_caught("entries")


def test_a_search_with_the_time_of_today_is_guarded(site, windows):
    today, tomorrow = (f"(|(objectClass=user)(accountExpires>=13400000000000000{n}))" for n in (1, 2))
    site.start(windows.gateway_directory, filter_attributes=["objectClass", "accountExpires"])
    code, before, _ = site.sync(text=today)
    assert (code, before >= USERS * 0.8) == (0, True)
    windows.set_faults(hidden_subtrees=THREE_UNITS)
    site.assert_caught("entries", SUFFIX, None, tomorrow)


@pytest.mark.parametrize("spellings", [(SYNC_NAME, SYNC_DN), (SYNC_DN, SYNC_NAME), (SYNC_NAME, SYNC_NAME.upper())])
def test_an_account_that_signs_in_by_another_spelling_is_guarded(site, windows, spellings):
    first, other = spellings
    site.start(windows.gateway_directory, sync_accounts=[SYNC_NAME, SYNC_DN])
    assert site.sync(name=first)[0] == 0
    site.start(windows.gateway_directory, sync_accounts=[SYNC_NAME, SYNC_DN])
    windows.set_faults(hidden_subtrees=THREE_UNITS)
    site.assert_caught("entries", SUFFIX, None, ALL, other)


def test_a_failed_search_is_no_measure(site, windows):
    site.start(windows.gateway_directory)
    code, before, _ = site.sync()
    windows.set_faults(drop_after=100)
    assert site.sync()[0] == 52
    site.start(windows.gateway_directory)
    (shape,) = json.loads(site.shrink("list", "--json"))
    assert (code, shape["entries"]) == (0, before)
    windows.set_faults(hidden_subtrees=THREE_UNITS)
    site.assert_caught("entries")


def test_the_careful_start_reports_and_lets_pass(site, windows):
    report = {"shrink_guard": {"mode": "report"}}
    site.start(windows.gateway_directory, **report)
    assert site.sync()[0] == 0
    windows.set_faults(hidden_subtrees=THREE_UNITS)
    site.start(windows.gateway_directory, **report)
    code, _, record = site.sync()
    assert (code, record["reported"]) == (0, ["result-shrank"])
    assert record["detail"].startswith("entries: ")
