"""However a client reads a large Active Directory (Samba), it gets the same people and the same values."""

import pytest

from tests.servers.ldapsearch import ldapsearch
from tests.servers.samba_domain import running_samba
from tests.servers.test_samba import ATTRIBUTES, BASES, SUFFIX, gateway_configuration
from tests.servers.whole_reads import read, read_directly, read_ranges

# More than three of the directory's pages (1,000) and than two of its ranges of values (1,500).
USERS = 3100
GROUPS = f"OU=Groups,{SUFFIX}"
CONTACTS = f"OU=Contacts,{SUFFIX}"
EVERYBODY = f"CN=GG-All-Staff,{GROUPS}"
# What a service may have in its one field for a base, and what it stands for.
FROM = {"the bases": BASES, "the domain": [SUFFIX], "the root": [""]}


@pytest.fixture(scope="module")
def lab(pytestconfig):
    """The settings of a domain of its own for these tests: on one of that size the other tests would take longer."""
    with running_samba(pytestconfig.cache.mkdir("samba"), USERS) as settings:
        yield settings


@pytest.fixture(scope="module")
def account(lab):
    return lab["LAB_SVC_UPN"], lab["LAB_SVC_PW"]


@pytest.fixture(scope="module")
def gateway(certificates, lab, start_gateway):
    return start_gateway(gateway_configuration(certificates, lab))


@pytest.fixture(scope="module")
def direct(lab, account):
    """What is there, read without the gateway."""
    entries = read_directly(lab["LAB_LDAPS"], lab["LAB_CA"], account, BASES, ATTRIBUTES)
    assert sum(b"user" in entry["objectClass"] for entry in entries.values()) >= USERS
    assert len(entries[EVERYBODY]["member"]) == USERS
    return entries


@pytest.fixture
def client(open_client, gateway, account):
    return open_client(gateway, *account)


@pytest.mark.parametrize(
    "page, bases",
    [
        *((None, bases) for bases in FROM),
        (7, "the root"),
        (500, "the bases"),
        (1000, "the domain"),
        (5000, "the bases"),
        (5000, "the root"),
    ],
)
def test_all_people_and_values_come_whatever_the_pages_and_the_base(client, gateway, direct, page, bases):
    whole = read(client, FROM[bases], ATTRIBUTES, page=page)
    assert whole.code == 0
    assert whole.entries == direct
    if page is None:
        session = gateway.reaching.wait_for_audit(operation="search")[-1]["session"]
        records = gateway.reaching.audit(operation="search", session=session)
        # Without a page the gateway reads in its own.
        assert sum(record.get("pages", 0) for record in records) > USERS / 500
    else:
        assert max(whole.pages) <= min(page, 500)


@pytest.mark.parametrize("base", [CONTACTS, GROUPS])
def test_pages_of_one(client, direct, base):
    whole = read(client, [base], ATTRIBUTES, page=1)
    assert whole.code == 0
    assert whole.entries == {dn: entry for dn, entry in direct.items() if dn.endswith(base)}
    assert set(whole.pages) <= {0, 1} and len(whole.pages) >= len(whole.entries)


@pytest.mark.parametrize("expand", [True, False])
def test_a_large_group_whole_and_in_ranges(certificates, lab, account, open_client, start_gateway, direct, expand):
    running = start_gateway(gateway_configuration(certificates, lab, expand_ranges=expand))
    client = open_client(running, *account)
    values, descriptions = read_ranges(client, EVERYBODY, "member")
    assert values == direct[EVERYBODY]["member"]
    *full, last = range(0, USERS, 1499)
    assert len(full) >= 2
    assert descriptions == [*(f"member;range={low}-{low + 1498}" for low in full), f"member;range={last}-*"]
    for page in (None, 7):
        whole = read(client, [GROUPS], ["member"], page=page)
        assert {dn: entry.get("member") for dn, entry in whole.entries.items()} == {
            dn: entry.get("member") for dn, entry in direct.items() if dn.endswith(GROUPS)
        }


@pytest.mark.parametrize("paging", [(), ("-E", "pr=5000/noprompt")], ids=["unpaged", "paged"])
def test_ldapsearch_prints_the_same_through_the_gateway_and_directly(certificates, lab, gateway, account, paging):
    """The order of entries and values included."""
    for base in BASES:
        what = ("-b", base, "(objectClass=*)", *ATTRIBUTES)
        relayed = ldapsearch(f"ldaps://127.0.0.1:{gateway.port}", certificates.ca_file, account, *paging, *what)
        straight = ldapsearch(lab["LAB_LDAPS"], lab["LAB_CA"], account, "-E", "pr=500/noprompt", *what)
        assert relayed.returncode == straight.returncode == 0
        assert without_comments(relayed.stdout) == without_comments(straight.stdout)


def without_comments(ldif):
    """Comments tell of the pages."""
    return [line for line in ldif.split(b"\n") if line and not line.startswith(b"#")]


@pytest.mark.parametrize(
    "changes, passed",
    [
        ({}, 0),
        ({"referrals": "pass", "referral_hosts": ["corp.example"]}, 3),
        ({"referrals": "pass", "referral_hosts": ["dc1.corp.example", "other.example"]}, 0),
    ],
    ids=["dropped", "listed", "others listed"],
)
@pytest.mark.parametrize("page", [None, 10])
def test_references_below_the_domain_reach_the_client_to_listed_hosts_only(
    certificates, lab, account, open_client, start_gateway, changes, passed, page
):
    running = start_gateway(gateway_configuration(certificates, lab, base_dns=[SUFFIX], **changes))
    whole = read(open_client(running, *account), [SUFFIX], ["ou"], page=page, text="(objectClass=organizationalUnit)")
    assert whole.code == 0 and len(whole.entries) > 20
    contexts = ("CN=Configuration", "DC=DomainDnsZones", "DC=ForestDnsZones")
    assert sorted(whole.references) == [(f"ldaps://corp.example/{context},{SUFFIX}",) for context in contexts][:passed]
    records = running.reaching.wait_for_audit(len(whole.pages), operation="search")
    assert sum(record["references_dropped"] for record in records) == 3 - passed
