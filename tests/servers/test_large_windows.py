"""A directory of 20,000 people, narrowed and paged by the gateway: what a search sees, and what it costs."""

import pytest

from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer
from tests.servers.test_complete_windows import ACCOUNT, expected, windows_configuration
from tests.servers.whole_reads import Whole, finish, read
from tests.servers.windows import people
from tests.servers.windows.people import CONTACTS, GROUPS, LISTED, STAFF, SUFFIX
from tests.servers.windows_process import WindowsLike

SIZE = {"users": 20_000, "large_group": 20_000}
# Everything that an entry has: 25 MB in all, more than a chain of socket buffers can swallow.
EVERYTHING = sorted({name for entry in people.make_directory(1) for name in entry.attributes})
SMALL_BUFFER = 65_536


@pytest.fixture(scope="module")
def windows():
    with WindowsLike(**SIZE) as running:
        yield running


@pytest.fixture(scope="module")
def whole_directory():
    return expected(**SIZE, names=LISTED)


@pytest.fixture(scope="module")
def gateway(certificates, windows, start_gateway):
    return start_gateway(windows_configuration(certificates, windows, client={"attributes": EVERYTHING}))


def test_a_slow_client_gets_everything_and_the_gateway_stays_small(gateway, open_client):
    client = open_client(gateway, *ACCOUNT, receive_buffer=SMALL_BUFFER)
    assert read(client, [CONTACTS], EVERYTHING).code == 0
    before = gateway.resident_octets()
    growth = []
    everything = expected(**SIZE, names=EVERYTHING)
    whole = Whole()

    def watch(count):
        if count == 1:
            gateway.wait_until_still()
        if count == 1 or count % 500 == 0 or count == len(everything):
            growth.append(gateway.resident_octets() - before)

    finish(client, whole, client.search(SUFFIX, attributes=EVERYTHING), watch)
    assert whole.code == 0
    assert whole.entries == everything
    octets = sum(len(value) for entry in everything.values() for values in entry.values() for value in values)
    assert len(growth) > 40
    assert max(growth) < octets / 3


@pytest.mark.parametrize("page", [None, 1000])
def test_ten_reloads_in_mid_search_change_nothing_that_it_sees(
    certificates, windows, whole_directory, open_client, start_gateway, page
):
    first = windows_configuration(certificates, windows)
    running = start_gateway(first)
    with StubServer(certificates) as other:
        changed = [
            windows_configuration(certificates, windows, *changes)
            for changes in (
                ({}, {"attributes": ["cn"]}),
                ({}, {"base_dns": [GROUPS]}),
                ({}, {"base_above": "refuse", "size_limit": 10}),
                ({"page_size": 3, "paging": "never"}, {"controls": [], "expand_ranges": False}),
                (other.gateway_directory(), {"sync_accounts": ["nobody@corp.example"]}),
            )
        ] * 2

        def watch(count):
            if count % 1_900 == 0:
                assert "reloaded" in running.reload(changed.pop(0))

        client = open_client(running, *ACCOUNT, receive_buffer=SMALL_BUFFER)
        whole = read(client, [""], LISTED, page=page, watch=watch)
        assert not changed
    assert whole.code == 0
    assert whole.entries == whole_directory
    # A new session has the last configuration, in which this account is nobody.
    with RawClient(running.port, certificates.ca_file) as later:
        assert later.bind(*ACCOUNT) == 49
    assert "reloaded" in running.reload(first)
    assert read(open_client(running, *ACCOUNT), [STAFF], ["cn"]).code == 0
