"""OpenLDAP as a client: another slapd that passes on to the gateway what it is asked (back-ldap), and ldapsearch."""

import pytest

from gateway.ldap.dn import key, parse
from tests.servers import slapd_tree, test_slapd
from tests.servers.ldapsearch import ldapsearch
from tests.servers.raw_client import RawClient
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import GROUPS, STAFF, SUFFIX, USER_PASSWORD
from tests.servers.sync_client import connect, sync
from tests.servers.test_slapd import ACCOUNT, ATTRIBUTES, BASES

# Searches at once on one connection: fewer than limits.operations.
AT_ONCE = 50

PROXY = """
moduleload back_ldap

database ldap
suffix "{suffix}"
uri "ldaps://127.0.0.1:{port}"
tls ldaps tls_cacert={ca_file} tls_reqcert=demand
rebind-as-user yes
chase-referrals no
"""


@pytest.fixture(scope="module")
def gateway(certificates, slapd, start_gateway):
    return start_gateway(test_slapd.gateway_configuration(certificates, slapd))


@pytest.fixture(scope="module")
def proxy(certificates, gateway):
    settings = PROXY.format(suffix=SUFFIX, port=gateway.port, ca_file=certificates.ca_file)
    # It needs a database of its own as well.
    own = "DC=proxy,DC=example"
    with Slapd([(own, {"objectClass": ["domain"], "dc": ["proxy"]})], suffix=own, settings=settings) as running:
        yield running


def through(proxy, name, password):
    return connect("127.0.0.1", proxy.port, proxy.certificates.ca_file, name, password)


def read(found):
    """With the DNs among the values parsed: the one in front spells them in its own way."""
    return {
        dn: {
            name: {key(parse(value.decode())) for value in each} if name in ("member", "memberOf") else each
            for name, each in values.items()
        }
        for dn, values in found.items()
    }


@pytest.mark.parametrize("page", [37, 1000])
def test_a_sync_through_both_gives_what_a_direct_one_gives(slapd, proxy, gateway, page):
    before = len(gateway.audit(operation="search"))
    relayed = sync(through(proxy, *ACCOUNT), BASES, ATTRIBUTES, page)
    direct = connect("127.0.0.1", slapd.port, slapd.certificates.ca_file, *ACCOUNT)
    assert read(relayed) == read(test_slapd.permitted(sync(direct, BASES, ATTRIBUTES, page)))
    assert len(gateway.audit(operation="search")) > before


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [(*ACCOUNT, 0), (ACCOUNT[0], "Wrong-Passw0rd", 49), (slapd_tree.user_dn(3), USER_PASSWORD, 0)],
    ids=["sync", "wrong", "person"],
)
def test_who_signs_in_at_the_one_in_front_signs_in_at_the_gateway(proxy, gateway, name, password, code):
    before = len(gateway.audit(record="sign-in", operation="bind"))
    assert through(proxy, name, password).result["result"] == code
    gateway.wait_for_audit(before + 1, record="sign-in", operation="bind")


def test_what_the_gateway_refuses_is_refused_with_its_words(proxy):
    connection = through(proxy, *ACCOUNT)
    connection.search(STAFF, "(employeeID=LEAK-u00001)")
    assert connection.result["result"] == 50
    assert "filter-attribute-not-allowed" in connection.result["message"]
    connection.search(GROUPS, "(objectClass=group)", attributes=["mail"])
    assert len(connection.response) == 3


def test_many_searches_at_once_each_get_their_own(proxy):
    with RawClient(proxy.port, proxy.certificates.ca_file) as client:
        assert client.bind(*ACCOUNT) == 0
        # The people in BOARD may not be seen.
        numbers = [number for number in range(1, 2 * AT_ONCE) if number % 25][:AT_ONCE]
        ids = [client.search(STAFF, f"(sAMAccountName=u{number:05})", ["cn"]) for number in numbers]
        found = client.results(*ids)
        for number, message_id in zip(numbers, ids, strict=True):
            names, result = found[message_id]
            assert (result.code, len(names)) == (0, 1)
            assert f"{number:05}," in names[0]


# ldapsearch.


@pytest.mark.parametrize("options", [(), ("-E", "pr=2/noprompt")], ids=["unpaged", "paged"])
def test_a_scope_that_is_none_of_three_ends_with_the_gateways_words(certificates, gateway, options):
    url = f"ldaps://127.0.0.1:{gateway.port}"
    done = ldapsearch(url, certificates.ca_file, ACCOUNT, *options, "-s", "children", "-b", GROUPS, "(objectClass=*)")
    assert done.returncode == 2
    assert b"scope 3 is not one of base, one, sub" in done.stderr


def test_a_size_limit_of_its_own_ends_with_as_many_entries(certificates, gateway):
    url = f"ldaps://127.0.0.1:{gateway.port}"
    done = ldapsearch(url, certificates.ca_file, ACCOUNT, "-z", "3", "-b", STAFF, "(objectClass=user)", "mail")
    assert (done.returncode, done.stdout.count(b"mail:")) == (4, 3)
