"""A read of a slapd that limits searches, or that cannot page, is complete, or it fails visibly."""

from functools import cache

import pytest

from gateway.ask.client import page_control
from tests.servers import slapd_tree
from tests.servers.gateway_process import configuration
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import CONTACTS, GROUPS, STAFF, SUFFIX, SYNC_ACCOUNT, SYNC_PASSWORD
from tests.servers.whole_reads import Whole, finish, read, read_directly, read_pages

USERS = 1200
ACCOUNT = (SYNC_ACCOUNT, SYNC_PASSWORD)
BASES = (STAFF, GROUPS, CONTACTS)
ATTRIBUTES = ("mail", "proxyAddresses", "displayName", "cn", "member", "memberOf", "objectClass", "objectGUID")


@pytest.fixture(scope="module")
def limited():
    """At most 1,000 entries without paging, any number with it: what AD does, and slapd can be told to."""
    tree = slapd_tree.make_tree(USERS)
    with Slapd(tree, database_settings="limits users size=1000 size.prtotal=unlimited") as running:
        yield running


@pytest.fixture(scope="module")
def unpaged():
    """No search may be paged."""
    with Slapd(slapd_tree.make_tree(USERS), database_settings="limits users size.prtotal=disabled") as running:
        yield running


@pytest.fixture(scope="module")
def direct(limited):
    entries = read_directly(limited.url, limited.certificates.ca_file, ACCOUNT, BASES, ATTRIBUTES)
    assert len(entries) > USERS
    return entries


def below(base, entries):
    return {dn: entry for dn, entry in entries.items() if dn.lower().endswith(base.lower())}


@pytest.fixture(scope="module")
def gateway_before(certificates, start_gateway):
    """A function that takes a Slapd and keys of the directory's block; the same ones give the same gateway."""

    @cache
    def start(slapd, **directory):
        client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
        return start_gateway(configuration(certificates, {**slapd.gateway_directory, **directory}, client))

    return start


@pytest.mark.parametrize("bases", [BASES, (SUFFIX,), ("",)], ids=["the bases", "the domain", "the root"])
@pytest.mark.parametrize("page", [None, 7, 500, 5000])
def test_a_server_with_a_size_limit_is_read_whole_in_pages(limited, direct, gateway_before, open_client, page, bases):
    whole = read(open_client(gateway_before(limited, paging="always"), *ACCOUNT), bases, ATTRIBUTES, page=page)
    assert whole.code == 0
    assert whole.entries == direct


@pytest.mark.parametrize("paging", ["auto", "never"])
@pytest.mark.parametrize("base", [STAFF, SUFFIX])
def test_without_pages_the_servers_limit_is_an_error_at_the_client(
    limited, direct, gateway_before, open_client, paging, base
):
    """auto pages before an Active Directory only."""
    whole = read(open_client(gateway_before(limited, paging=paging), *ACCOUNT), [base], ATTRIBUTES)
    assert whole.code == 4
    assert len(whole.entries) == 1000
    assert whole.entries.items() < direct.items()


def test_searches_of_one_session_that_the_gateway_pages_are_each_complete(limited, direct, gateway_before, open_client):
    """slapd keeps one paged search of a connection."""
    client = open_client(gateway_before(limited, paging="always", page_size=100), *ACCOUNT)
    wanted = [STAFF, SUFFIX, CONTACTS, STAFF]
    ids = [client.search(base, attributes=["mail"]) for base in wanted]
    found = client.results(*ids)
    for base, message_id in zip(wanted, ids, strict=True):
        names, result = found[message_id]
        assert result.code == 0
        assert sorted(names) == sorted(below(base, direct))


def test_a_paged_search_beside_one_that_the_gateway_pages_leaves_it_whole(limited, direct, gateway_before, open_client):
    client = open_client(gateway_before(limited, paging="always", page_size=100), *ACCOUNT)
    ids = [
        client.search(STAFF, attributes=["mail"]),
        client.search(CONTACTS, attributes=["mail"], controls=(page_control(500),)),
    ]
    found = client.results(*ids)
    for base, message_id in zip((STAFF, CONTACTS), ids, strict=True):
        names, result = found[message_id]
        assert result.code == 0
        assert sorted(names) == sorted(below(base, direct))


@pytest.mark.parametrize("second", [STAFF, CONTACTS])
def test_paged_searches_of_one_session_that_take_turns_are_whole_or_fail(
    limited, direct, gateway_before, open_client, second
):
    """slapd may give one up for the other, and so no gateway before it can keep both."""
    client = open_client(gateway_before(limited, paging="always"), *ACCOUNT)
    wanted = (STAFF, second)
    wholes = [Whole(), Whole()]
    steps = [read_pages(client, whole, base, ATTRIBUTES, page=10) for base, whole in zip(wanted, wholes, strict=True)]
    while sum(next(each, None) is not None for each in steps):
        pass
    assert sorted(whole.code for whole in wholes) == [0, 53]
    for base, whole in zip(wanted, wholes, strict=True):
        if whole.code == 0:
            assert whole.entries == below(base, direct)
        else:
            assert whole.entries.items() < below(base, direct).items()


@pytest.mark.parametrize("page", [None, 100])
@pytest.mark.parametrize("base", [STAFF, SUFFIX])
def test_a_server_that_may_not_page_and_is_asked_to_is_an_error_at_the_client(
    unpaged, gateway_before, open_client, page, base
):
    whole = read(open_client(gateway_before(unpaged, paging="always"), *ACCOUNT), [base], ATTRIBUTES, page=page)
    assert whole.code == 11
    assert not whole.entries


@pytest.mark.parametrize("bases", [BASES, (SUFFIX,), ("",)], ids=["the bases", "the domain", "the root"])
def test_where_the_server_cannot_page_the_whole_comes_at_once(unpaged, direct, gateway_before, open_client, bases):
    running = gateway_before(unpaged, paging="never")
    for how in ({}, {"page": 100, "critical": False}):
        whole = read(open_client(running, *ACCOUNT), bases, ATTRIBUTES, **how)
        assert whole.code == 0
        assert whole.entries == direct
        assert len(whole.pages) == len(bases)
    client = open_client(running, *ACCOUNT)
    asked = client.search(bases[0], attributes=["cn"], controls=(page_control(100, critical=False),))
    assert finish(client, Whole(), asked).controls == ()
    refused = read(client, bases, ATTRIBUTES, page=100, critical=True)
    assert refused.code == 12
    assert not refused.entries
    assert running.wait_for_audit(code=12)[0]["reason"] == "paging-not-supported"
