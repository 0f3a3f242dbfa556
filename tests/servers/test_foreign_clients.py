"""LDAP clients that nobody here wrote do through the gateway what they do at slapd, with their own habits."""

import base64
import functools
import math
import re
import time
from urllib.request import urlopen

import pytest

from gateway.demo.certificates import make_certificates
from gateway.ldap.controls import MANAGE_DSA_IT
from gateway.ldap.dn import key, parse
from gateway.policy.controls import UNDERSTOOD
from tests.servers import slapd_tree
from tests.servers.faulty_path import HANDSHAKE, FaultyPath
from tests.servers.foreign_program import CLIENTS, run_program
from tests.servers.gateway_process import PATIENCE, configuration
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import BOARD, CONTACTS, GROUPS, STAFF, SUFFIX, SYNC_ACCOUNT, SYNC_PASSWORD, USER_PASSWORD
from tests.servers.sync_client import connect, sync

ODD = f"OU=Odd,{SUFFIX}"
PHOTOS = f"OU=Photos,{SUFFIX}"
PLACES = f"OU=Places,{SUFFIX}"
ATTRIBUTES = [
    *("cn", "sn", "ou", "mail", "displayName", "member", "objectClass", "objectGUID", "thumbnailPhoto"),
    "userAccountControl",
]
REFERENCE = f"ldap://dc2.corp.example/OU=Elsewhere,{PLACES}"

# More than the kernel holds for a client that does not read: a search of them is still open when it is abandoned.
PICTURES, PICTURE_OCTETS = 40, 300_000
# Searches at once on one connection: fewer than limits.operations, which is 100 here.
AT_ONCE = 50

# displayName by cn.
AWKWARD = {
    "paren": "Paren (x) [y]",
    "star": "five * star",
    "backslash": "back\\slash",
    "umlaut": "Müller-Lüdenscheidt",
    "wide": "日本 😀",
    "nul": "nul\0inside",
    "marks": 'say "hi", #1; a+b=c <d>',
}
EVERYTHING = {"cn", "sn", "displayname", "objectclass", "objectguid", "useraccountcontrol"}
GUIDS = {name: bytes((0, number, 0x28, 0x29, 0x2A, 0x5C, 0xFF, 0x80)) * 2 for number, name in enumerate(AWKWARD)}


def tree():
    yield from slapd_tree.make_tree(100, contacts=5)
    for base in (ODD, PHOTOS, PLACES):
        yield base, {"objectClass": ["organizationalUnit"]}
    for number, (name, shown) in enumerate(AWKWARD.items()):
        person = {"objectClass": ["user"], "cn": [name], "sn": [name], "displayName": [shown]}
        other = {"objectGUID": [GUIDS[name]], "userAccountControl": [str(512 + number)], "pager": ["LEAK-odd"]}
        yield f"CN={name},{ODD}", {**person, **other}
    for number in range(PICTURES):
        person = {"objectClass": ["user"], "cn": [str(number)], "sn": ["x"]}
        yield f"CN={number},{PHOTOS}", {**person, "thumbnailPhoto": [picture(number)]}
    alias = {"objectClass": ["alias", "extensibleObject"], "cn": ["alias"]}
    yield f"CN=alias,{ODD}", {**alias, "aliasedObjectName": [SYNC_ACCOUNT]}
    elsewhere = {"objectClass": ["referral", "extensibleObject"], "ou": ["Elsewhere"], "ref": [REFERENCE]}
    yield f"OU=Elsewhere,{PLACES}", elsewhere


def picture(number):
    return number.to_bytes(3, "big") * (PICTURE_OCTETS // 3)


@pytest.fixture(scope="module")
def directory():
    with Slapd(tree(), checked=False) as running:
        yield running


def text(certificates, directory, **others):
    listener = {"certificate": certificates.certificate, "private_key": certificates.private_key}
    return configuration(
        certificates,
        directory.gateway_directory,
        {
            "sync_accounts": [SYNC_ACCOUNT],
            "login_base_dns": [STAFF],
            "base_dns": [STAFF, GROUPS, CONTACTS, ODD, PHOTOS, PLACES],
            "excluded_base_dns": [BOARD],
            "attributes": ATTRIBUTES,
            "controls": sorted(UNDERSTOOD),
            "referrals": "pass",
            "referral_hosts": ["dc2.corp.example"],
        },
        listeners=[
            {"address": "127.0.0.1:0", **listener},
            {"address": "127.0.0.2:0", "starttls": "required", **listener},
        ],
        **others,
    )


@pytest.fixture(scope="module")
def gateway(certificates, directory, start_gateway):
    return start_gateway(text(certificates, directory))


@pytest.fixture(scope="module")
def impatient(certificates, directory, start_gateway):
    """A gateway that ends idle sessions soon."""
    # Not everybody reads that the session has ended before there is something else to read.
    limits = {"idle": 1, "write_stall": 1}
    return start_gateway(text(certificates, directory, limits=limits, admin={"address": "127.0.0.1:0"}))


@pytest.fixture(scope="module")
def expected(directory):
    """A function that takes a base and returns what slapd itself gives of the permitted entries below it."""
    connection = connect("127.0.0.1", directory.port, directory.certificates.ca_file, SYNC_ACCOUNT, SYNC_PASSWORD)

    def read(base):
        found = sync(connection, [base], ATTRIBUTES)
        assert found
        return {
            key(parse(dn.decode())): {name.lower(): values for name, values in entry.items()}
            for dn, entry in found.items()
            if not dn.endswith(b"ou=Board,ou=Staff,dc=corp,dc=example")
        }

    return functools.cache(read)


@pytest.fixture(scope="module", params=CLIENTS, ids=str)
def program(request, pytestconfig):
    with run_program(request.param, pytestconfig.cache.mkdir("foreign")) as running:
        yield running


def opened(program, running, ca_file, kind="ldaps"):
    where = f"127.0.0.1:{running.ports[0]}" if kind == "ldaps" else f"127.0.0.2:{running.ports[1]}"
    scheme, starttls = ("ldaps", None) if kind == "ldaps" else ("ldap", "yes")
    return program.ask("open", url=f"{scheme}://{where}", ca=ca_file, starttls=starttls)


def bound(program, name=SYNC_ACCOUNT, password=SYNC_PASSWORD):
    return program.ask("bind", name=name, password=password).get("code")


@pytest.fixture
def session(program, gateway, certificates):
    """The program, bound as the sync account over LDAPS."""
    assert opened(program, gateway, certificates.ca_file)["code"] == 0
    assert bound(program) == 0
    return program


def searched(program, base, wanted="(objectClass=*)", attributes=ATTRIBUTES, **fields):
    return program.ask("search", base=base, filter=wanted, attribute=attributes, **fields)


def values(entry):
    """By attribute in lower case; ldapts has those that were asked for and are not there as well."""
    return {name.lower(): sorted(map(base64.b64decode, found)) for name, found in entry["attributes"].items() if found}


def assert_same(program, answer, expected):
    """That the search was a success and gave these entries, which are values by attribute by DN."""
    assert answer["code"] == 0, answer
    if program.client.names:
        found = {key(parse(entry["dn"])): values(entry) for entry in answer["entries"]}
        assert len(found) == len(answer["entries"])
        assert found == expected
    else:
        assert sorted(map(repr, map(values, answer["entries"]))) == sorted(map(repr, expected.values()))


def assert_refused(program, answer, code, said=""):
    """That the search ended with this code and words, and gave nothing."""
    assert (answer["code"], answer["entries"]) == (code, []), answer
    if program.client.diagnostics:
        assert said in answer["message"]


def names(answer):
    return sorted(entry["dn"].split(",")[0].split("=")[1] for entry in answer["entries"])


# Connections and binds.


@pytest.mark.parametrize("kind", ["ldaps", "starttls"])
def test_it_connects_signs_in_and_reads_what_the_directory_holds(program, gateway, certificates, expected, kind):
    assert opened(program, gateway, certificates.ca_file, kind)["code"] == 0
    assert bound(program) == 0
    assert_same(program, searched(program, GROUPS), expected(GROUPS))


@pytest.mark.parametrize("kind", ["ldaps", "starttls"])
def test_a_gateway_of_another_authority_is_none(program, gateway, tmp_path, kind):
    answer = opened(program, gateway, make_certificates(tmp_path, "other", ("localhost",)).ca_file, kind)
    # Some connect once there is something to send.
    assert "error" in answer or bound(program) is None


def test_before_starttls_a_password_is_refused(program, gateway, certificates):
    where = f"ldap://127.0.0.2:{gateway.ports[1]}"
    assert program.ask("open", url=where, ca=certificates.ca_file)["code"] == 0
    assert bound(program) == 13


def test_a_wrong_password_is_refused_and_the_right_one_is_good_on_the_same_connection(
    program, gateway, certificates, expected
):
    opened(program, gateway, certificates.ca_file)
    assert bound(program, slapd_tree.user_dn(1), "Wrong-Passw0rd") == 49
    assert_refused(program, searched(program, GROUPS), 50, "not-bound")
    assert bound(program, slapd_tree.user_dn(3), USER_PASSWORD) == 0
    assert_refused(program, searched(program, GROUPS), 50, "login-may-only-bind")
    assert bound(program) == 0
    assert_same(program, searched(program, GROUPS), expected(GROUPS))


def test_its_unbind_ends_the_session(session, gateway):
    before = len(gateway.audit(operation="unbind"))
    session.ask("unbind")
    gateway.wait_for_audit(before + 1, operation="unbind")


def wait_until_nobody_is_there(running):
    until = time.monotonic() + PATIENCE
    while True:
        with urlopen(f"http://127.0.0.1:{running.admin_port}/metrics") as page:
            if b'ldap_gateway_open_sessions{client="mimecast"} 0.0' in page.read():
                return
        assert time.monotonic() < until
        time.sleep(0.05)


def test_an_idle_session_ends_and_the_next_one_serves(program, impatient, certificates, expected):
    assert opened(program, impatient, certificates.ca_file)["code"] == 0
    assert bound(program) == 0
    wait_until_nobody_is_there(impatient)
    answer = searched(program, GROUPS)
    # ldapts connects anew, and nobody has signed in there.
    assert "error" in answer or answer["code"] == 50
    assert opened(program, impatient, certificates.ca_file)["code"] == 0
    assert bound(program) == 0
    assert_same(program, searched(program, GROUPS), expected(GROUPS))


# Searches.


def test_the_root_dse_names_the_bases_and_what_the_gateway_can_do(session):
    (entry,) = searched(session, "", attributes=["namingContexts", "supportedControl"], scope=0)["entries"]
    assert values(entry) == {
        "namingcontexts": [SUFFIX.encode()],
        "supportedcontrol": sorted(oid.encode() for oid in UNDERSTOOD),
    }


@pytest.mark.parametrize("page", [None, 7, 40, 1000])
def test_every_entry_comes_in_pages_of_any_size(session, gateway, expected, page):
    before = len(gateway.audit(operation="search"))
    answer = searched(session, STAFF, page=page)
    assert len(answer["entries"]) > 100
    assert_same(session, answer, expected(STAFF))
    pages = math.ceil(len(answer["entries"]) / (page or 1000))
    assert len(gateway.audit(operation="search")) - before == pages


def test_no_page_is_empty_where_entries_may_not_be_seen(session):
    # ldapts ends at an empty page, whatever its cookie says; in BOARD there is one person in 25.
    clauses = "".join(f"(displayName=*Family {number:05})" for number in (1, 25, 50, 75, 99))
    answer = searched(session, STAFF, f"(|{clauses})", page=1)
    assert (answer["code"], len(answer["entries"])) == (0, 2)


@pytest.mark.parametrize("size", [None, 0, 3])
def test_a_size_limit_counts_as_the_client_means_it(session, expected, size):
    answer = searched(session, STAFF, size=size)
    if size:
        assert (answer["code"], len(answer["entries"])) == (4 if session.client.partial else 0, size)
    else:
        assert_same(session, answer, expected(STAFF))


@pytest.mark.parametrize(
    "wanted, found",
    [
        ("(displayName=Paren \\28x\\29 [y])", ["paren"]),
        ("(displayName=*\\28*\\29*)", ["paren"]),
        ("(displayName=five \\2a star)", ["star"]),
        ("(displayName=*\\2a*)", ["star"]),
        ("(displayName=five*star)", ["star"]),
        ("(displayName=back\\5cslash)", ["backslash"]),
        ("(displayName=*\\5c*)", ["backslash"]),
        ("(displayName=Müller-Lüdenscheidt)", ["umlaut"]),
        ("(displayName=M\\c3\\bcller*)", ["umlaut"]),
        ("(displayName=日本 😀)", ["wide"]),
        ("(displayName=nul\\00inside)", ["nul"]),
        ('(displayName=say "hi", #1; a+b=c <d>)', ["marks"]),
        ("(&(objectClass=user)(|(cn=star)(cn=nul))(!(cn=nul)))", ["star"]),
        ("(&(userAccountControl>=513)(userAccountControl<=514))", ["backslash", "star"]),
        ("(cn~=paren)", ["paren"]),
        ("(cn:=paren)", ["paren"]),
        (f"(objectGUID={''.join(f'{chr(92)}{octet:02x}' for octet in GUIDS['wide'])})", ["wide"]),
        ("(objectClass=*)", sorted([*AWKWARD, "alias", "Odd"])),
    ],
)
def test_a_filter_finds_what_it_means(session, wanted, found):
    answer = searched(session, ODD, wanted, ["cn"])
    if not can_write(session.client, wanted):
        # It asks for something else, and there is nothing of that name.
        found = []
    assert (answer["code"], names(answer)) == (0, found)


def can_write(client, wanted):
    octets = re.findall(r"\\([0-9a-f]{2})", wanted)
    return client.unescapes == "all" or not octets or (client.unescapes == "ASCII" and max(octets) < "80")


def test_a_matching_rule_that_is_not_listed_is_refused(session):
    answer = searched(session, ODD, "(cn:caseExactMatch:=star)")
    assert_refused(session, answer, 50, "matching-rule-not-allowed")


@pytest.mark.parametrize(
    "asked, found",
    [
        ([], EVERYTHING),
        (["*"], EVERYTHING),
        (["*", "+"], EVERYTHING),
        (["DISPLAYNAME", "pager", "entryUUID"], {"displayname"}),
        (["pager"], set()),
        (["1.1"], set()),
        (["+"], set()),
    ],
)
def test_an_attribute_list_gives_what_is_listed(session, asked, found):
    answer = searched(session, ODD, "(cn=star)", asked)
    assert answer["code"] == 0
    (entry,) = answer["entries"]
    assert set(values(entry)) == found


def test_types_come_without_values(session):
    (entry,) = searched(session, ODD, "(cn=star)", ["displayName"], types="yes")["entries"]
    assert entry["attributes"] == {"displayName": []}


@pytest.mark.parametrize("scope, count", [(0, 1), (1, len(AWKWARD) + 1), (2, len(AWKWARD) + 2)])
def test_a_scope_reaches_as_far_as_it_says(session, scope, count):
    answer = searched(session, ODD, scope=scope)
    assert (answer["code"], len(answer["entries"])) == (0, count)


@pytest.mark.parametrize("program", [client for client in CLIENTS if client.children], ids=str, indirect=True)
def test_scope_3_is_that_requests_own_error(session, expected):
    assert_refused(session, searched(session, ODD, scope=3), 2, "scope 3 is not one of base, one, sub")
    assert_same(session, searched(session, GROUPS), expected(GROUPS))


@pytest.mark.parametrize("deref", [0, 1, 2, 3])
def test_an_alias_stays_an_alias_whatever_the_client_asks(session, deref):
    answer = searched(session, ODD, "(cn=*)", ["cn"], deref=deref)
    assert (answer["code"], names(answer)) == (0, sorted([*AWKWARD, "alias"]))


def test_a_base_may_have_any_characters(session):
    for number in range(1, len(slapd_tree.DEPARTMENTS) + 1):
        dn = slapd_tree.user_dn(number)
        if not session.client.names and re.search(r"\\[+\\]", dn):
            # ldapjs ends the value at the plus, and takes one backslash of two.
            continue
        answer = searched(session, dn, attributes=["mail"], scope=0)
        assert answer["code"] == 0, (number, answer)
        assert [values(entry) for entry in answer["entries"]] == [{"mail": [b"u%05d@corp.example" % number]}]


def test_a_time_limit_is_taken(session, expected):
    assert_same(session, searched(session, GROUPS, time=30), expected(GROUPS))


def test_many_searches_at_once_on_one_connection_each_get_their_own(session):
    wanted = [f"(mail=u{number:05}@corp.example)" for number in range(1, AT_ONCE + 1)]
    results = session.ask("searches", base=STAFF, filter=wanted, attribute=["mail"])["results"]
    visible = [slapd_tree.user_dn(number) for number in range(1, AT_ONCE + 1)]
    for result, dn in zip(results, visible, strict=True):
        assert (result["code"], len(result["names"])) == (0, 0 if BOARD in dn else 1)
        if session.client.names:
            assert all(key(parse(name)) == key(parse(dn)) for name in result["names"])


def test_large_values_come_whole_where_the_way_is_slow_for_a_while(program, gateway, certificates):
    with FaultyPath(gateway.port) as path:
        path.kind, path.after = "crawl", HANDSHAKE + 10 * PICTURE_OCTETS
        assert program.ask("open", url=f"ldaps://127.0.0.1:{path.port}", ca=certificates.ca_file)["code"] == 0
        assert bound(program) == 0
        answer = searched(program, PHOTOS, "(cn=*)", ["cn", "thumbnailPhoto"])
        assert path.happened == 1
    assert answer["code"] == 0
    found = {int(each["cn"][0]): each["thumbnailphoto"] for each in map(values, answer["entries"])}
    assert found == {number: [picture(number)] for number in range(PICTURES)}


@pytest.mark.parametrize("program", [client for client in CLIENTS if client.abandons], ids=str, indirect=True)
def test_what_it_abandons_ends_and_the_others_go_on(session, gateway, expected):
    before = len(gateway.audit(operation="search", reason="abandoned"))
    assert session.ask("abandon", base=PHOTOS, filter="(cn=*)", attribute=["thumbnailPhoto"])["code"] == 0
    assert_same(session, searched(session, GROUPS), expected(GROUPS))
    gateway.wait_for_audit(before + 1, operation="search", reason="abandoned")


def test_a_reference_arrives(session):
    answer = searched(session, PLACES, "(objectClass=*)", ["ou"], references="yes")
    assert answer["code"] == 0
    assert [uri.lower() for uri in answer["references"]] == [f"{REFERENCE}??sub".lower()]


# What is refused, and what the client learns of it.


@pytest.mark.parametrize(
    "base, wanted, code, reason",
    [
        (BOARD, "(objectClass=*)", 50, "base-excluded"),
        (slapd_tree.SERVICE, "(objectClass=*)", 50, "base-not-allowed"),
        (STAFF, "(pager=LEAK-u00001)", 50, "filter-attribute-not-allowed"),
        (f"OU=Missing,{STAFF}", "(objectClass=*)", 32, ""),
        (STAFF, "(displayName=" + 70_000 * "x" + ")", 11, "limits.assertion_value"),
        (STAFF, "(|" + 2_500 * "(cn=x)" + ")", 11, "limits.filter_elements"),
    ],
    ids=["excluded", "outside", "filter", "missing", "long", "many"],
)
def test_a_refused_search_has_its_reason_and_the_session_goes_on(session, expected, base, wanted, code, reason):
    assert_refused(session, searched(session, base, wanted), code, reason)
    assert_same(session, searched(session, GROUPS), expected(GROUPS))


@pytest.mark.parametrize("critical", [None, "yes"])
def test_an_unknown_control_is_refused_if_it_is_critical(session, expected, critical):
    # Of the permitted ones, paged results are critical in the tests above.
    answer = searched(session, GROUPS, control="1.2.840.113556.1.4.417", critical=critical)
    if critical:
        assert_refused(session, answer, 12, "control-not-allowed")
    else:
        assert_same(session, answer, expected(GROUPS))


@pytest.mark.parametrize("critical", [None, "yes"])
def test_a_permitted_control_is_honoured(session, critical):
    # JNDI sends manageDsaIT itself, unless it is to give the references.
    answer = searched(session, PLACES, control=MANAGE_DSA_IT, critical=critical, references="yes")
    assert (answer["code"], answer["references"]) == (0, [])
    assert names(answer) == ["Elsewhere", "Places"]


def test_a_write_is_refused_and_the_session_goes_on(session, expected):
    answer = session.ask("delete", dn=slapd_tree.user_dn(1))
    assert_refused(session, {**answer, "entries": []}, 53, "operation-not-allowed")
    assert_same(session, searched(session, GROUPS), expected(GROUPS))
