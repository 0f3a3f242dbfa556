"""Against a server with the limits of Active Directory on Windows a read is complete, or it fails visibly.

What must come is what the server was given, not what another read gave.
"""

import itertools

import pytest

from tests.servers.gateway_process import configuration
from tests.servers.whole_reads import Whole, read, read_pages, read_ranges
from tests.servers.windows import people
from tests.servers.windows.people import CONTACTS, GROUPS, LISTED, STAFF, SUFFIX, SYNC_NAME, SYNC_PASSWORD, UNITS
from tests.servers.windows_process import WindowsLike

USERS = 3200
BASES = (STAFF, GROUPS, CONTACTS)
LARGE = f"CN=GG-Large,{GROUPS}"
ACCOUNT = (SYNC_NAME, SYNC_PASSWORD)
# Bases and page size; the two ways in which the gateway pages and the two in which the client does.
WAYS = {
    "unpaged": (BASES, None),
    "paged": (BASES, 100),
    "narrowed": ((SUFFIX,), None),
    "narrowed and paged": (("",), 100),
}


def windows_configuration(certificates, windows, directory=None, client=None, **others):
    return configuration(
        certificates,
        {**windows.gateway_directory, **(directory or {})},
        {"sync_accounts": [SYNC_NAME], "base_dns": BASES, "attributes": LISTED, **(client or {})},
        **others,
    )


def expected(bases=BASES, names=LISTED, **size):
    """What the server has of this, by DN; size: as for make_directory."""
    return {
        entry.dn: {name: frozenset(entry.attributes[name]) for name in names if name in entry.attributes}
        for entry in people.make_directory(**size)
        if entry.dn.endswith(tuple(bases))
    }


def below(base, entries):
    return {dn: entry for dn, entry in entries.items() if dn.endswith(base)}


@pytest.fixture(scope="module")
def whole_directory():
    return expected(users=USERS)


@pytest.fixture(scope="module")
def process():
    with WindowsLike(users=USERS) as running:
        yield running


@pytest.fixture
def windows(process):
    process.received()
    return process


@pytest.fixture(scope="module")
def gateway(certificates, process, start_gateway):
    return start_gateway(windows_configuration(certificates, process))


@pytest.fixture
def client(open_client, gateway):
    return open_client(gateway, *ACCOUNT)


@pytest.fixture
def small(certificates, start_gateway):
    """A server that a test may change, with many values from 8 on, and a gateway before it."""
    with WindowsLike(users=60, max_page_size=10, max_val_range=8) as running:
        yield running, start_gateway(windows_configuration(certificates, running))


# Complete.


@pytest.mark.parametrize("bases", [BASES, (SUFFIX,), ("",)], ids=["the bases", "the domain", "the root"])
@pytest.mark.parametrize("page", [None, 7, 500, 1000, 5000])
def test_all_people_and_values_come_whatever_the_pages_and_the_base(client, windows, whole_directory, page, bases):
    whole = read(client, bases, LISTED, page=page)
    assert whole.code == 0
    assert whole.entries == whole_directory
    sizes = [request["page_size"] for request in windows.received() if request.get("scope") == "sub"]
    # The last pages of a search that counts over several bases are smaller.
    assert len(sizes) > 6 and max(sizes) == min(page or 500, 500)


@pytest.mark.parametrize("bases", [(CONTACTS, GROUPS), (f"OU=R\\+D,{STAFF}", CONTACTS)])
def test_pages_of_one(client, bases):
    whole = read(client, bases, LISTED, page=1)
    assert whole.code == 0
    assert whole.entries == expected(bases, users=USERS)
    assert set(whole.pages) == {1}


@pytest.mark.parametrize("paging, page_size", [("auto", 7), ("auto", 5000), ("always", 1000)])
def test_the_gateways_own_page_size_makes_no_difference(
    certificates, windows, open_client, start_gateway, whole_directory, paging, page_size
):
    directory = {"paging": paging, "page_size": page_size}
    running = start_gateway(windows_configuration(certificates, windows, directory))
    whole = read(open_client(running, *ACCOUNT), [""], LISTED)
    assert whole.code == 0
    assert whole.entries == whole_directory


def test_short_lengths_of_primitive_elements_make_no_difference(certificates, open_client, start_gateway):
    size = {"users": 1600, "large_group": 1501}
    with WindowsLike(**size, primitives_short=True) as windows:
        running = start_gateway(windows_configuration(certificates, windows))
        whole = read(open_client(running, *ACCOUNT), [SUFFIX], LISTED)
    assert whole.code == 0
    assert whole.entries == expected(**size)


@pytest.mark.parametrize("expand", [True, False])
def test_a_large_group_whole_and_in_ranges(certificates, windows, open_client, start_gateway, whole_directory, expand):
    running = start_gateway(windows_configuration(certificates, windows, client={"expand_ranges": expand}))
    client = open_client(running, *ACCOUNT)
    for step in (1499, 5000):
        values, descriptions = read_ranges(client, LARGE, "member", step)
        assert values == whole_directory[LARGE]["member"]
        assert len(descriptions) == 3 if step == 1499 else 2
    for page in (None, 7):
        group = read(client, [GROUPS], LISTED, page=page).entries[LARGE]
        if expand:
            assert group == whole_directory[LARGE]
        else:
            assert len(group["member;range=0-1499"]) == 1500
            assert not group["member"]


def test_several_large_groups_in_one_page_and_over_pages(small, open_client):
    _, running = small
    for page in (None, 3, 10):
        whole = read(open_client(running, *ACCOUNT), [GROUPS], ["member", "cn"], page=page)
        assert whole.code == 0
        assert whole.entries == expected([GROUPS], ["member", "cn"], users=60)


def test_searches_of_one_session_that_the_gateway_pages_are_each_complete(client, whole_directory):
    wanted = [STAFF, SUFFIX, CONTACTS, STAFF]
    ids = [client.search(base, attributes=["mail"]) for base in wanted]
    found = client.results(*ids)
    for base, message_id in zip(wanted, ids, strict=True):
        names, result = found[message_id]
        assert result.code == 0
        assert sorted(names) == sorted(dn for dn in whole_directory if dn.endswith(base))


def test_paged_searches_of_one_session_may_take_turns(client, whole_directory):
    """The client's pages of three searches, and between them one that the gateway pages."""
    wanted = (STAFF, SUFFIX, STAFF)
    wholes = [Whole() for _ in wanted]
    steps = [read_pages(client, whole, base, LISTED, page=300) for base, whole in zip(wanted, wholes, strict=True)]
    for turn in itertools.count():
        # Every one takes its turn, also behind one that goes on.
        if not sum(next(each, None) is not None for each in steps):
            break
        if turn == 2:
            assert read(client, [STAFF], LISTED).entries == below(STAFF, whole_directory)
    for base, whole in zip(wanted, wholes, strict=True):
        assert whole.code == 0
        assert whole.entries == below(base, whole_directory)


def test_references_pass_to_listed_hosts_only(certificates, windows, open_client, start_gateway):
    changes = {"base_dns": [SUFFIX], "referrals": "pass", "referral_hosts": ["DomainDnsZones.corp.example"]}
    running = start_gateway(windows_configuration(certificates, windows, client=changes))
    whole = read(open_client(running, *ACCOUNT), [SUFFIX], ["cn"])
    assert whole.code == 0
    assert whole.references == [(f"ldap://DomainDnsZones.corp.example/DC=DomainDnsZones,{SUFFIX}",)]
    (record,) = running.reaching.wait_for_audit(operation="search", scope="sub")
    assert record["references_dropped"] == 2


# Failed.

FEW = {"users": 700, "groups": 60}
FEW_IN_STAFF = FEW["users"] + len(UNITS)
OTHER_RESPONSES = ("extendedResponse", "bindResponse", "modifyResponse")
FAULTS = [
    # At the first entry, in a page, between an end of a page and its result, between the last entry and the result.
    *(({"drop_after": after}, 52, "server-lost") for after in (0, 120, 150, 300, FEW_IN_STAFF)),
    *(({"silent_after": after}, 52, "server-silent") for after in (150, FEW_IN_STAFF)),
    *(({"garble_after": after}, 52, "server-undecodable") for after in (0, 120, FEW_IN_STAFF - 1)),
    *(({"done_as": tag}, 52, "server-wrong-response") for tag in OTHER_RESPONSES),
    ({"fail_page": 2}, 51, ""),
    ({"fail_page": 4, "fail_code": 3}, 3, ""),
    ({"fail_page": 2, "fail_code": 10}, 53, "server-referral"),
    ({"forget_cookies": True}, 12, ""),
]


@pytest.fixture(scope="module")
def faulty_process():
    with WindowsLike(**FEW, max_val_range=300) as running:
        yield running


@pytest.fixture(scope="module")
def few():
    return expected(**FEW)


@pytest.fixture
def faulty(faulty_process):
    yield faulty_process
    faulty_process.set_faults()


@pytest.fixture(scope="module")
def gateway_before_faults(certificates, faulty_process, start_gateway):
    directory = {"page_size": 150}
    return start_gateway(windows_configuration(certificates, faulty_process, directory, limits={"silence": 1}))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("faults, code, reason", FAULTS)
def test_what_goes_wrong_is_an_error_at_the_client(
    gateway_before_faults, faulty, few, open_client, way, faults, code, reason
):
    bases, page = WAYS[way]
    client = open_client(gateway_before_faults, *ACCOUNT)
    faulty.set_faults(**faults)
    whole = read(client, bases, LISTED, page=page)
    assert whole.code == code
    assert whole.entries.items() <= below(STAFF, few).items()
    session = gateway_before_faults.reaching.audit(operation="bind")[-1]["session"]
    record = gateway_before_faults.reaching.wait_for_audit(session=session, operation="search", code=code)[-1]
    assert record["reason"] == reason
    faulty.set_faults()
    assert read(open_client(gateway_before_faults, *ACCOUNT), [CONTACTS], ["mail"], page=page).code == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "faults, lost",
    [
        ({"hidden_subtrees": [f"OU=R\\+D,{STAFF}", f"OU=\\#Ops,{STAFF}"]}, "entries"),
        ({"hidden_attributes": ["mail"]}, "entries with mail"),
        ({"hidden_attributes": ["member"]}, "values of member"),
        ({"hidden_subtrees": [STAFF]}, None),
    ],
)
def test_rights_that_were_lost_are_an_error_at_the_client(
    gateway_before_faults, faulty, few, open_client, way, faults, lost
):
    bases, page = WAYS[way]
    client = open_client(gateway_before_faults, *ACCOUNT)
    assert read(client, bases, LISTED, page=page).entries == few
    faulty.set_faults(**faults)
    whole = read(client, bases, LISTED, page=page)
    session = gateway_before_faults.reaching.audit(operation="bind")[-1]["session"]
    record = gateway_before_faults.reaching.wait_for_audit(session=session, operation="search", code=whole.code)[-1]
    if lost is not None:
        assert (whole.code, record["reason"]) == (53, "result-shrank")
        assert f"{lost}: " in record["detail"]
    elif bases is BASES:
        assert whole.code == 32
    else:
        assert (whole.code, record["reason"]) == (53, "narrowed-base-missing")
        assert record["detail"] == STAFF


@pytest.mark.parametrize("way", WAYS)
def test_a_group_that_goes_between_its_ranges_is_an_error_at_the_client(small, open_client, way):
    windows, running = small
    bases, page = WAYS[way]
    windows.set_faults(vanish_after_range=True)
    whole = read(open_client(running, *ACCOUNT), bases, LISTED, page=page)
    assert whole.code == 52
    assert running.reaching.wait_for_audit(operation="search", code=52)[-1]["reason"] == "entry-changed"


def test_without_pages_the_servers_limit_is_an_error_at_the_client(certificates, windows, open_client, start_gateway):
    running = start_gateway(windows_configuration(certificates, windows, {"paging": "never"}))
    for bases in ((STAFF,), (SUFFIX,)):
        whole = read(open_client(running, *ACCOUNT), bases, LISTED)
        assert whole.code == 4
        assert len(whole.entries) == 1000
