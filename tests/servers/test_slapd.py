"""A whole sync through the gateway, and everything that can go wrong with one, against OpenLDAP's slapd."""

import time
from pathlib import Path

import ldap3
import pytest

from gateway.ask.client import Disconnection, Entry, page_control
from tests.servers import slapd_tree
from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.ldapsearch import ldapsearch
from tests.servers.raw_client import RawClient
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import BOARD, CONTACTS, GROUPS, STAFF, SUFFIX, SYNC_ACCOUNT, SYNC_PASSWORD, USER_PASSWORD
from tests.servers.sync_client import connect, sync

BASES = [STAFF, GROUPS, CONTACTS]
ATTRIBUTES = [
    *("mail", "proxyAddresses", "displayName", "sn", "cn", "sAMAccountName", "userPrincipalName", "thumbnailPhoto"),
    *("member", "memberOf", "userAccountControl", "objectClass", "objectGUID"),
]
LISTED = {name.lower() for name in ATTRIBUTES}
ACCOUNT = (SYNC_ACCOUNT, SYNC_PASSWORD)
# slapd's spelling.
IN_BOARD = b"ou=Board,ou=Staff,dc=corp,dc=example"

# A result that no chain of socket buffers can swallow: 60 MB.
LARGE_USERS = 3000
PHOTO_OCTETS = 20_000
# Below STAFF and outside BOARD: people, their departments and STAFF itself.
LARGE_VISIBLE = LARGE_USERS - LARGE_USERS // 25 + len(slapd_tree.DEPARTMENTS) + 1
# What the kernel may hold for a client that reads slowly.
SMALL_BUFFER = 65_536


def gateway_configuration(certificates, slapd, client=None, directory=None, **others):
    return configuration(
        certificates,
        slapd.gateway_directory | (directory or {}),
        {
            "sync_accounts": [SYNC_ACCOUNT],
            "login_base_dns": [STAFF],
            "base_dns": BASES,
            "excluded_base_dns": [BOARD],
            "attributes": ATTRIBUTES,
            **(client or {}),
        },
        **others,
    )


@pytest.fixture(scope="module")
def gateway(certificates, slapd, start_gateway):
    listener = {"certificate": certificates.certificate, "private_key": certificates.private_key}
    listeners = [
        {"address": "127.0.0.1:0", **listener},
        {"address": "127.0.0.2:0", "starttls": "required", **listener},
    ]
    return start_gateway(gateway_configuration(certificates, slapd, listeners=listeners))


@pytest.fixture
def through(certificates, gateway):
    """A function that binds at the gateway and returns the connection."""
    return lambda name, password: connect("127.0.0.1", gateway.port, certificates.ca_file, name, password)


@pytest.fixture
def directly(slapd):
    """The sync account's connection to slapd itself."""
    return connect("127.0.0.1", slapd.port, slapd.certificates.ca_file, *ACCOUNT)


@pytest.fixture
def raw(certificates, gateway):
    with RawClient(gateway.port, certificates.ca_file) as client:
        assert client.bind(*ACCOUNT) == 0
        yield client


def large_tree():
    return slapd_tree.make_tree(LARGE_USERS, photo_every=1, photo_octets=PHOTO_OCTETS)


@pytest.fixture(scope="module")
def large():
    """A slapd with a large directory, for tests that leave it as it is."""
    with Slapd(large_tree()) as running:
        yield running


@pytest.fixture(scope="module")
def large_gateway(certificates, large, start_gateway):
    # Its connections to the server are counted.
    return start_gateway(gateway_configuration(certificates, large, directory={"spares": 0, "health": "off"}))


@pytest.fixture
def mortal(start_slapd):
    """A slapd of the test's own with a large directory."""
    return start_slapd(large_tree())


def begin_large_search(certificates, running):
    """A client that has read the first entry of a large result and stopped reading; its search's message ID."""
    client = RawClient(running.port, certificates.ca_file, receive_buffer=SMALL_BUFFER)
    assert client.bind(*ACCOUNT) == 0
    message_id = client.search(STAFF)
    assert isinstance(client.event(), Entry)
    return client, message_id


def permitted(found):
    """What of a direct read the gateway is to let through."""
    return {dn: values for dn, values in found.items() if not dn.endswith(IN_BOARD)}


# A sync.


@pytest.mark.parametrize("page", [37, 1000])
def test_a_paged_sync_gives_exactly_what_a_direct_read_gives(gateway, through, directly, page):
    everything = sync(directly, BASES, ATTRIBUTES, page)
    connection = through(*ACCOUNT)
    relayed = sync(connection, BASES, ATTRIBUTES, page)
    assert len(everything) > len(relayed) > 500
    assert relayed == permitted(everything)
    unbound = len(gateway.audit(operation="unbind"))
    connection.unbind()
    gateway.wait_for_audit(unbound + 1, operation="unbind")


@pytest.mark.parametrize("page", [37, 1000])
def test_a_sync_from_above_the_allowed_bases_gives_what_these_hold(through, directly, page):
    assert sync(through(*ACCOUNT), [SUFFIX], ATTRIBUTES, page) == permitted(sync(directly, BASES, ATTRIBUTES, page))


@pytest.mark.parametrize("paging", [(), ("-E", "pr=50/noprompt")], ids=["unpaged", "paged"])
def test_ldapsearch_prints_the_same_through_the_gateway_and_directly(certificates, gateway, slapd, paging):
    for base in (f"OU=Sales\\, EMEA,{STAFF}", GROUPS, CONTACTS):
        arguments = [*paging, "-b", base, "(objectClass=*)", *ATTRIBUTES]
        relayed = ldapsearch(f"ldaps://127.0.0.1:{gateway.port}", certificates.ca_file, ACCOUNT, *arguments)
        direct = ldapsearch(slapd.url, slapd.certificates.ca_file, ACCOUNT, *arguments)
        assert relayed.returncode == direct.returncode == 0, relayed.stderr
        assert b"mail:" in direct.stdout
        assert relayed.stdout == direct.stdout


@pytest.mark.parametrize("asked", [[], ["*"], ["*", "+"], ["employeeID", "pager", "mail"], ["1.2.840.113556.1.4.35"]])
def test_what_is_not_listed_stays_behind(through, asked):
    relayed = sync(through(*ACCOUNT), BASES, asked)
    assert len(relayed) > 500
    assert {name.lower() for values in relayed.values() for name in values} <= LISTED
    assert not any(mark in repr(relayed).encode() for mark in slapd_tree.HIDDEN_MARKS)
    assert not any(dn.endswith(IN_BOARD) for dn in relayed)


@pytest.mark.parametrize(
    "base, text, code",
    [
        (BOARD, "(objectClass=*)", 50),
        (slapd_tree.SERVICE, "(objectClass=*)", 50),
        (STAFF, "(employeeID=LEAK-u00001)", 50),
        (STAFF, "(!(pager=*))", 50),
        (STAFF, "(userPassword=*)", 50),
        (f"OU=Missing,{STAFF}", "(objectClass=*)", 32),
    ],
)
def test_refused_searches_say_so(through, base, text, code):
    connection = through(*ACCOUNT)
    connection.search(base, text)
    assert connection.result["result"] == code
    assert connection.response == []


@pytest.mark.parametrize(
    "settings, code, entries",
    [("sizelimit 100", 4, 100), ("limits users size.prtotal=disabled", 11, 0), ("limits users size=7", 4, 7)],
)
def test_a_limit_of_the_server_is_an_error_at_the_client(
    certificates, start_slapd, start_gateway, settings, code, entries
):
    limited = start_slapd(database_settings=settings)
    running = start_gateway(gateway_configuration(certificates, limited, {"excluded_base_dns": []}))
    with RawClient(running.port, certificates.ca_file) as client:
        assert client.bind(*ACCOUNT) == 0
        names, result = client.result(client.search(STAFF, controls=(page_control(500),)))
    assert result.code == code
    assert len(names) == entries


# Sign-ins.


@pytest.mark.parametrize(
    "name, password, code",
    [
        (slapd_tree.user_dn(1), USER_PASSWORD, 0),
        (slapd_tree.user_dn(3), USER_PASSWORD, 0),
        (slapd_tree.user_dn(3).replace("\\,", "\\2c").upper(), USER_PASSWORD, 0),
        (slapd_tree.user_dn(1), "Wrong-Passw0rd", 49),
        (f"CN=nobody,{STAFF}", USER_PASSWORD, 49),
        (slapd_tree.user_dn(25), USER_PASSWORD, 49),
        (f"cn=root,{SUFFIX}", USER_PASSWORD, 49),
        ("u00001@corp.example", USER_PASSWORD, 49),
    ],
)
def test_who_may_sign_in(through, name, password, code):
    connection = through(name, password)
    assert connection.result["result"] == code
    assert connection.result["message"] == ""
    if code == 0:
        connection.search(STAFF, "(objectClass=*)")
        assert connection.result["result"] == 50


def test_a_name_that_slapd_knows_no_way_to_bind_is_no_success(certificates, slapd, start_gateway):
    running = start_gateway(gateway_configuration(certificates, slapd, {"login_domains": ["corp.example"]}))
    connection = connect("127.0.0.1", running.port, certificates.ca_file, "u00001@corp.example", USER_PASSWORD)
    # slapd takes nothing but DNs.
    assert connection.result["description"] == "invalidDNSyntax"
    connection.search(STAFF, "(objectClass=*)")
    assert connection.result["result"] == 50


# StartTLS.


def starttls_server(certificates, gateway):
    tls = ldap3.Tls(ca_certs_file=str(certificates.ca_file), validate=2, valid_names=["localhost"])
    return ldap3.Server("127.0.0.2", gateway.ports[1], tls=tls, get_info=ldap3.NONE)


def test_a_sync_over_starttls(certificates, gateway, directly):
    connection = ldap3.Connection(starttls_server(certificates, gateway), *ACCOUNT, receive_timeout=PATIENCE)
    connection.open()
    assert connection.start_tls()
    assert connection.bind()
    assert sync(connection, BASES, ATTRIBUTES) == permitted(sync(directly, BASES, ATTRIBUTES))


def test_before_starttls_nothing_is_served(certificates, gateway):
    connection = ldap3.Connection(starttls_server(certificates, gateway), *ACCOUNT, receive_timeout=PATIENCE)
    assert not connection.bind()
    assert connection.result["result"] == 13
    assert SYNC_PASSWORD not in gateway.log() + gateway.audit_text()


@pytest.mark.parametrize("option, status", [("-ZZ", 0), (None, 13)])
def test_ldapsearch_needs_starttls(certificates, gateway, option, status):
    done = ldapsearch(
        f"ldap://127.0.0.2:{gateway.ports[1]}",
        certificates.ca_file,
        ACCOUNT,
        *([option] if option else []),
        *("-b", GROUPS, "(objectClass=group)", "mail"),
    )
    assert done.returncode == status, done.stderr
    assert (b"mail: GG-All@corp.example" in done.stdout) is (status == 0)


# Several operations at once.


def test_several_searches_in_flight_each_get_their_own_entries(raw):
    wanted = [CONTACTS, GROUPS, STAFF, f"OU=R\\+D,{STAFF}", CONTACTS]
    ids = [raw.search(base, attributes=["cn"]) for base in wanted]
    found = raw.results(*ids)
    alone = [raw.result(raw.search(base, attributes=["cn"])) for base in wanted]
    assert [found[message_id] for message_id in ids] == alone
    assert all(result.code == 0 and names for names, result in alone)


def test_an_abandoned_search_ends_without_a_result_and_others_go_on(certificates, large_gateway):
    client, abandoned = begin_large_search(certificates, large_gateway)
    with client:
        client.abandon(abandoned)
        other = client.search(GROUPS, attributes=["cn"])
        found = client.results(other)
        assert found[other][1].code == 0
        assert len(found[other][0]) == 4
    (record,) = large_gateway.wait_for_audit(operation="search", reason="abandoned")
    assert record["message_id"] == abandoned
    assert record["code"] is None
    assert 0 < record["entries"] < LARGE_USERS


# Peers that are slow, silent or gone.


def test_a_slow_client_gets_every_entry_and_the_gateway_stays_small(certificates, large_gateway):
    client, message_id = begin_large_search(certificates, large_gateway)
    with client:
        before = large_gateway.resident_octets()
        large_gateway.wait_until_still()
        assert large_gateway.resident_octets() - before < LARGE_USERS * PHOTO_OCTETS / 3
        names, result = client.result(message_id)
    assert result.code == 0
    # The first one came before.
    assert len(set(names)) == len(names) == LARGE_VISIBLE - 1
    (record,) = large_gateway.wait_for_audit(operation="search", entries=LARGE_VISIBLE)
    assert record["code"] == 0


@pytest.mark.direct("by a link nobody tries a server before a check has found it up again")
def test_a_server_that_dies_in_mid_search_is_an_error(certificates, mortal, start_gateway):
    running = start_gateway(gateway_configuration(certificates, mortal))
    client, message_id = begin_large_search(certificates, running)
    with client:
        mortal.kill()
        names, result = client.result(message_id)
        assert result.code == 52
        assert "lost" in result.diagnostic
        assert len(names) < LARGE_VISIBLE - 1
        last = client.event()
        assert isinstance(last, Disconnection)
        assert last.result.code == 52
        assert client.event() is None
    (record,) = running.wait_for_audit(operation="search")
    assert (record["reason"], record["code"]) == ("server-lost", 52)
    mortal.start()
    with RawClient(running.port, certificates.ca_file) as later:
        assert later.bind(*ACCOUNT) == 0
        assert later.result(later.search(GROUPS))[1].code == 0


@pytest.mark.parametrize("page", [None, 100], ids=["unpaged", "paged"])
def test_a_server_that_falls_silent_in_mid_search_is_an_error(certificates, mortal, start_gateway, page):
    running = start_gateway(gateway_configuration(certificates, mortal, limits={"silence": 1}))
    if page is None:
        client, message_id = begin_large_search(certificates, running)
        mortal.freeze()
    else:
        client = RawClient(running.port, certificates.ca_file)
        assert client.bind(*ACCOUNT) == 0
        assert client.result(client.search(STAFF, controls=(page_control(page),)))[1].code == 0
        mortal.freeze()
        message_id = client.search(STAFF, controls=(page_control(page),))
    with client:
        names, result = client.result(message_id)
        assert result.code == 52
        assert len(names) < LARGE_VISIBLE - 1
        assert isinstance(client.event(), Disconnection)
    records = running.reaching.wait_for_audit(operation="search", reason="server-silent")
    assert [record["code"] for record in records] == [52]


@pytest.mark.direct("both ends have the same second for a bind, and either may give up first")
def test_a_server_that_falls_silent_before_a_bind_is_an_error(certificates, start_slapd, start_gateway):
    stopped = start_slapd(slapd_tree.make_tree(10))
    directory = {**stopped.gateway_directory, "connect_timeout": 1}
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
    running = start_gateway(configuration(certificates, directory, client, limits={"bind": 1}))
    stopped.freeze()
    with RawClient(running.port, certificates.ca_file) as session:
        assert session.bind(*ACCOUNT) == 52
    assert "no answer in time" in running.log()
    (record,) = running.wait_for_audit(operation="bind")
    assert record["reason"] == "server-unreachable"


def test_a_client_that_dies_in_mid_search_takes_its_server_connection_along(certificates, large, large_gateway):
    until_connected(large.port, 0)
    dying, _ = begin_large_search(certificates, large_gateway)
    with RawClient(large_gateway.port, certificates.ca_file) as other:
        assert other.bind(*ACCOUNT) == 0
        until_connected(large.port, 2)
        dying.die()
        (record,) = large_gateway.wait_for_audit(operation="search", reason="client-gone")
        assert record["code"] is None
        assert other.result(other.search(GROUPS))[1].code == 0
        until_connected(large.port, 1)


@pytest.mark.direct("the record names the server")
def test_the_audit_tells_of_each_operation_and_of_no_value(gateway, slapd, through):
    connection = through(*ACCOUNT)
    connection.search(STAFF, "(&(objectClass=user)(mail=u00001@corp.example))", attributes=["mail", "pager"])
    assert [entry["raw_attributes"] for entry in connection.response] == [{"mail": [b"u00001@corp.example"]}]
    connection.search(slapd_tree.SERVICE, "(objectClass=*)")
    connection.unbind()
    session = gateway.audit(operation="bind", account=SYNC_ACCOUNT)[-1]["session"]
    gateway.wait_for_audit(session=session, operation="unbind")
    records = gateway.audit(session=session)
    assert [record["operation"] for record in records] == ["bind", "search", "search", "unbind"]
    assert {(record["client"], record["source"], record["account"]) for record in records} == {
        ("mimecast", "127.0.0.1", SYNC_ACCOUNT)
    }
    _, permitted_search, refused_search, _ = records
    assert permitted_search["time"] and permitted_search["ms"] > 0 and permitted_search["bytes"] > 0
    told = {
        "base": STAFF,
        "scope": "sub",
        "filter": "(&(objectClass=?)(mail=?))",
        "asked": ["mail", "pager"],
        "forwarded": ["mail"],
        "held_back": ["pager"],
        "entries": 1,
        "decision": "permit",
        "reason": "",
        "result": "success",
        "server": slapd.url,
    }
    assert {key: permitted_search[key] for key in told} == told
    assert (refused_search["decision"], refused_search["reason"]) == ("refuse", "base-not-allowed")
    text = (gateway.audit_text() + gateway.log()).encode()
    assert not any(word.encode() in text for word in (SYNC_PASSWORD, USER_PASSWORD, "@partner.example"))
    assert not any(mark in text for mark in slapd_tree.HIDDEN_MARKS)


def until_connected(port, count):
    """Until just so many established connections of this host lead to a port of loopback."""
    until = time.monotonic() + PATIENCE
    while True:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        found = sum(row[2] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)
        if found == count:
            return
        assert time.monotonic() < until, f"{found} connections instead of {count}"
        time.sleep(0.02)


# The schema.


def test_a_client_that_reads_the_schema_finds_all_of_it(certificates, slapd, start_gateway, directly):
    listed = {"root_dse": ["subschemaSubentry"], "subschema": "cn=Subschema"}
    running = start_gateway(gateway_configuration(certificates, slapd, listed))

    def schema_at(port):
        tls = ldap3.Tls(ca_certs_file=str(certificates.ca_file if port == running.port else slapd.certificates.ca_file))
        server = ldap3.Server("127.0.0.1", port, use_ssl=True, tls=tls, get_info=ldap3.ALL)
        with ldap3.Connection(server, *ACCOUNT, auto_bind=True):
            return server.schema

    found, expected = schema_at(running.port), schema_at(slapd.port)
    assert len(found.attribute_types) > 100
    for kind in ("attribute_types", "object_classes", "matching_rules", "ldap_syntaxes"):
        assert list(getattr(found, kind)) == list(getattr(expected, kind)), kind
    relayed = connect("127.0.0.1", running.port, certificates.ca_file, *ACCOUNT)
    for scope in (ldap3.LEVEL, ldap3.SUBTREE):
        relayed.search("cn=Subschema", "(objectClass=*)", scope)
        assert relayed.result["description"] == "insufficientAccessRights"
