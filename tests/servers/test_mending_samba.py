"""Mistyped names through the gateway, against a real Active Directory (Samba) whose containers have awkward names."""

import pytest

from gateway.ldap.dn import key, parse
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import EqualityMatch
from gateway.ldap.messages import BASE_OBJECT
from tests.policy.mistypes import NAMES, STAFF, WAYS, right, typed
from tests.servers.gateway_process import configuration
from tests.servers.raw_client import RawClient
from tests.servers.samba_domain import USER_PASSWORD

TEST_ACCOUNTS = "OU=Test Accounts,DC=corp,DC=example"
GROUP = r"CN=R\+D\, \"Core\" \<Team\>\; #1,OU=Groups,DC=corp,DC=example"
PERSON = rf"CN=O'Brien\, (Pat)*,{TEST_ACCOUNTS}"
# Of these the right spelling of another name comes out, which is what the server is asked for.
DOUBLED = [way for way in WAYS if "doubled" in way]
# These are right and pass as they are; Samba wants composed characters, and types by their short names.
RIGHT_BUT_UNKNOWN = ["nothing escaped, decomposed", "nothing escaped, types written out"]


@pytest.fixture(scope="module")
def start(certificates, samba, start_gateway):
    """A function that starts a gateway with these base DNs."""

    def with_bases(bases, **changes):
        directory = {
            "servers": [{"url": f"ldaps://{samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
            "ca_file": samba["LAB_CA"],
        }
        client = {
            "sync_accounts": [samba["LAB_SVC_UPN"], samba["LAB_SVC_DN"]],
            "login_base_dns": [TEST_ACCOUNTS],
            "login_domains": ["CORP"],
            "base_dns": bases,
            "attributes": ["cn", "memberOf"],
            **changes,
        }
        return start_gateway(configuration(certificates, directory, client))

    return with_bases


@pytest.fixture(scope="module")
def configured(start):
    """Every awkward container is a base DN."""
    return start([right(name) for name in NAMES])


@pytest.fixture(scope="module")
def above(start):
    """The containers lie below the only base DN."""
    return start([STAFF])


@pytest.fixture(scope="module")
def ask(certificates, samba):
    """A function that searches at a gateway as the sync account; returns the DNs and the result."""
    sessions = {}

    def search(gateway, *arguments, **keywords):
        if gateway.port not in sessions:
            sessions[gateway.port] = RawClient(gateway.port, certificates.ca_file)
            assert sessions[gateway.port].bind(samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"]) == 0
        session = sessions[gateway.port]
        return session.result(session.search(*arguments, **keywords))

    yield search
    for session in sessions.values():
        session.socket.close()


def same(names, wanted):
    return [key(parse(name)) for name in names] == [key(parse(wanted))]


@pytest.mark.parametrize("name", NAMES)
def test_a_configured_container_is_read_in_whatever_way_its_name_is_typed(configured, ask, name):
    for way in WAYS:
        names, result = ask(configured, typed(way, right(name)), scope=BASE_OBJECT)
        assert (way, result.code, same(names, right(name))) == (way, 0, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_container_below_a_configured_one_is_read_or_refused_with_its_right_spelling(above, ask, name):
    read = 0
    for way in WAYS:
        names, result = ask(above, typed(way, right(name)), scope=BASE_OBJECT)
        if result.code == 0:
            assert same(names, right(name)), way
            read += 1
        elif result.code == 34:
            assert right(name) in result.diagnostic.rpartition("; write ")[2].split(" or "), way
        else:
            assert (result.code, way in DOUBLED + RIGHT_BUT_UNKNOWN) == (32, True), way
    assert read >= 8


def test_members_of_a_group_are_found_in_whatever_way_its_name_is_typed(start, ask):
    gateway = start([STAFF, "OU=Groups,DC=corp,DC=example", GROUP])
    wanted, result = ask(gateway, STAFF, filter_text(EqualityMatch("memberOf", GROUP.encode())))
    assert (result.code, len(wanted)) == (0, 5)
    for way in set(WAYS) - set(DOUBLED):
        mistyped = typed(way, GROUP)
        names, result = ask(gateway, STAFF, filter_text(EqualityMatch("memberOf", mistyped.encode())))
        assert (way, result.code, sorted(names)) == (way, 0, sorted(wanted))


@pytest.mark.parametrize(
    "name, password",
    [
        (f"CN=O'Brien, (Pat)*,{TEST_ACCOUNTS}", USER_PASSWORD),
        (f"CN=O'Brien, (Pat)*;{TEST_ACCOUNTS.replace(',', ';')}", USER_PASSWORD),
        (f'CN="O\'Brien, (Pat)*",{TEST_ACCOUNTS}', USER_PASSWORD),
        (f"CN=<Angle>; User,{TEST_ACCOUNTS}", USER_PASSWORD),
        (f"CN=#1 User,{TEST_ACCOUNTS}", USER_PASSWORD),
        ("CORP\\\\t-plain", USER_PASSWORD),
        (" CORP\\t-plain\r\n", USER_PASSWORD),
    ],
)
def test_people_sign_in_with_mistyped_names(certificates, above, name, password):
    with RawClient(above.port, certificates.ca_file) as session:
        assert session.bind(name, "Wrong-Passw0rd") == 49
        assert session.bind(name, password) == 0
    assert above.audit(operation="bind")[-1]["mended"][0]["received"] == name


def test_the_sync_account_signs_in_with_a_mistyped_name(certificates, samba, above, ask):
    for name in (samba["LAB_SVC_UPN"] + " ", samba["LAB_SVC_DN"].replace(",", ";"), "\t" + samba["LAB_SVC_DN"]):
        with RawClient(above.port, certificates.ca_file) as session:
            assert session.bind(name, samba["LAB_SVC_PW"]) == 0
            assert session.result(session.search(STAFF, scope=BASE_OBJECT))[1].code == 0


def test_the_audit_has_what_came_and_what_was_meant(above, ask):
    mistyped = f"OU=Sales, EMEA,{STAFF}"
    ask(above, mistyped, filter_text(EqualityMatch("memberOf", b"CN=a, b," + STAFF.encode())))
    (record,) = above.wait_for_audit(1, base=mistyped, filter="(memberOf=?)")
    assert record["mended"] == [
        {"where": "base", "received": mistyped, "meant": rf"OU=Sales\, EMEA,{STAFF}"},
        {"where": "memberOf", "received": "?", "meant": "?"},
    ]


def test_with_mending_off_a_refusal_says_what_to_write(start, ask):
    names, result = ask(start([STAFF], mending=False), f"OU=Sales, EMEA,{STAFF}")
    assert (names, result.code) == ([], 34)
    assert result.diagnostic.endswith(rf"write OU=Sales\, EMEA,{STAFF}")
