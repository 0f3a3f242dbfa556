"""A directory of 20,000 people, narrowed and paged by the gateway: what a search sees, and what it costs."""

import pytest

from gateway.ldap.decoding import decode_response, read_envelope
from gateway.ldap.framing import Framer
from gateway.ldap.messages import SEARCH_DONE
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer
from tests.servers.test_complete_windows import ACCOUNT, expected, windows_configuration
from tests.servers.whole_reads import read
from tests.servers.windows import people
from tests.servers.windows.people import CONTACTS, GROUPS, LISTED, STAFF, SUFFIX
from tests.servers.windows_process import WindowsLike

SIZE = {"users": 20_000, "large_group": 20_000}
# Everything that an entry has, so that the whole, 25 MB, is more than a chain of socket buffers can swallow.
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
    growth, octets = [], 0
    client.search(SUFFIX, attributes=EVERYTHING)
    for received, message in enumerate(messages(client), 1):
        octets += len(message)
        if received == 1:
            gateway.wait_until_still()
        if received == 1 or received % 500 == 0:
            growth.append(gateway.resident_octets() - before)
    growth.append(gateway.resident_octets() - before)
    # The last message is the result.
    assert decode_response(message).operation.result.code == 0
    assert received - 1 == len(expected(**SIZE, names=()))
    assert len(growth) > 40
    assert max(growth) < octets / 3


def messages(client):
    """Up to a search's result, and not decoded: that would take most of the time."""
    framer = Framer(1 << 25)
    tag = None
    while tag != SEARCH_DONE:
        while (message := framer.next_message()) is None:
            data = client.socket.recv(65_536)
            assert data, "closed without a result"
            framer.feed(data)
        tag = read_envelope(message).tag
        yield message


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
