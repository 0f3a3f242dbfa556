"""Controls and supertypes with slapd and its overlays, and with Samba: what each server really makes of them."""

import json

import pytest

from gateway.ask.client import Entry, Reference, SearchDone, page_control
from gateway.ldap import messages as m
from gateway.ldap.controls import DOMAIN_SCOPE, MANAGE_DSA_IT, PASSWORD_POLICY, SORT_RESULT, Control
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.password_policy import password_policy_answer
from gateway.ldap.sorting import SortKey, sort_control, sort_result
from gateway.policy.controls import UNDERSTOOD
from tests.servers import slapd_tree, test_samba
from tests.servers.gateway_process import configuration
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import GROUPS, STAFF, SUFFIX, SYNC_ACCOUNT, SYNC_PASSWORD, USER_PASSWORD
from tests.servers.sync_client import connect

RULE = "caseIgnoreOrderingMatch"
DEREF = "1.3.6.1.4.1.4203.666.5.16"
PLACES = f"OU=Places,{SUFFIX}"
PERSON = f"CN=Jane,{PLACES}"
OVERLAYS = f"""
overlay sssvlv
overlay ppolicy
ppolicy_default "CN=Policy,{SUFFIX}"
"""
MODULES = "moduleload sssvlv\nmoduleload ppolicy"
POLICY = {
    "objectClass": ["person", "pwdPolicy"],
    "sn": ["Policy"],
    "cn": ["Policy"],
    "pwdAttribute": ["userPassword"],
    # A hundred days; a warning from the first one on.
    "pwdMaxAge": ["8640000"],
    "pwdExpireWarning": ["8640000"],
}


def tree():
    yield from slapd_tree.make_tree(5)
    yield f"CN=Policy,{SUFFIX}", POLICY
    yield PLACES, {"objectClass": ["organizationalUnit"], "ou": ["Places"]}
    person = {"objectClass": ["inetOrgPerson"], "cn": ["Jane"], "sn": ["Doe"], "title": ["LEAK-title"]}
    yield PERSON, {**person, "l": ["LEAK-place"], "userPassword": [USER_PASSWORD], "seeAlso": [SYNC_ACCOUNT]}
    yield (
        f"OU=Elsewhere,{PLACES}",
        {
            "objectClass": ["referral", "extensibleObject"],
            "ou": ["Elsewhere"],
            "ref": [f"ldap://dc2.corp.example/OU=Elsewhere,{PLACES}"],
        },
    )


@pytest.fixture(scope="module")
def overlaid():
    with Slapd(tree(), settings=MODULES, database_settings=OVERLAYS, checked=False) as running:
        yield running


def text(certificates, slapd, **changes):
    client = {
        "sync_accounts": [SYNC_ACCOUNT],
        "login_base_dns": [PLACES],
        "base_dns": [STAFF, GROUPS, PLACES],
        "attributes": ["mail", "cn", "sn", "ou", "ref", "objectClass", "name", "distinguishedName"],
        "controls": sorted(UNDERSTOOD),
        "matching_rules": [RULE],
        "referrals": "pass",
        "referral_hosts": ["dc2.corp.example"],
    }
    return configuration(certificates, slapd.gateway_directory, client | changes)


@pytest.fixture(scope="module")
def gateway(certificates, overlaid, start_gateway):
    return start_gateway(text(certificates, overlaid))


@pytest.fixture
def raw(gateway, open_client):
    return open_client(gateway, SYNC_ACCOUNT, SYNC_PASSWORD)


def sort(*names, critical=True, **fields):
    return sort_control(tuple(SortKey(name, **fields) for name in names), critical)


def found(client, *asked, **keywords):
    """The entries, the references and the end of a search."""
    client.search(*asked, **keywords)
    entries, references = [], []
    while True:
        event = client.event()
        if isinstance(event, Entry):
            entries.append(event.entry)
        elif isinstance(event, Reference):
            references.extend(event.uris)
        else:
            return entries, references, event


def sorted_as(done):
    return [sort_result(control).code for control in done.controls if control.oid == SORT_RESULT]


def values(entries, name):
    return [x.values[0] for entry in entries for x in entry.attributes if x.type.lower() == name]


@pytest.mark.parametrize("reverse", [False, True])
def test_slapd_sorts_and_says_so(raw, reverse):
    # Most attributes have no ordering rule of their own there.
    controls = (sort("SN", rule=RULE, reverse=reverse),)
    entries, _, done = found(raw, STAFF, "(mail=*)", ["sn"], controls=controls)
    names = values(entries, "sn")
    assert len(names) == 5
    assert names == sorted(names, key=lambda name: name.decode().lower(), reverse=reverse)
    assert (done.result.code, sorted_as(done)) == (0, [0])


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize(
    ("base", "key", "code"), [(SUFFIX, "mail", 53), (STAFF, "employeeID", 50), (STAFF, "name", 50)]
)
def test_an_order_that_may_not_be_is_an_error_or_none(raw, base, key, code, critical):
    entries, _, done = found(raw, base, "(mail=*)", ["mail"], controls=(sort(key, critical=critical),))
    assert (done.result.code, sorted_as(done)) == (12 if critical else 0, [code])
    assert bool(entries) is not critical


@pytest.mark.parametrize(("critical", "code", "answer"), [(True, 12, [53]), (False, 0, [53])])
def test_a_server_without_the_overlay_is_not_asked_to_sort(
    certificates, slapd, start_gateway, open_client, critical, code, answer
):
    bases = {"login_base_dns": [], "base_dns": [STAFF, GROUPS]}
    client = open_client(start_gateway(text(certificates, slapd, **bases)), SYNC_ACCOUNT, SYNC_PASSWORD)
    _, _, done = found(client, GROUPS, controls=(sort("mail", critical=critical),))
    assert (done.result.code, sorted_as(done)) == (code, answer)


@pytest.mark.parametrize("critical", [False, True])
def test_referral_objects_come_as_references_entries_or_not_at_all(raw, critical):
    _, references, done = found(raw, PLACES, "(objectClass=*)", ["ou"])
    assert (len(references), done.result.code) == (1, 0)
    entries, references, done = found(raw, PLACES, attributes=["ref"], controls=(Control(MANAGE_DSA_IT, critical),))
    assert (references, done.result.code) == ([], 0)
    assert values(entries, "ref") == [f"ldap://dc2.corp.example/OU=Elsewhere,{PLACES}".encode()]
    entries, references, done = found(raw, PLACES, controls=(Control(DOMAIN_SCOPE, critical),))
    assert (references, done.result.code, len(entries)) == ([], 0, 2)


@pytest.mark.parametrize(("critical", "code"), [(True, 12), (False, 0)])
def test_what_is_not_listed_is_refused_or_ignored(raw, critical, code):
    value = b"\x30\x13\x30\x11\x04\x07seeAlso\x30\x06\x04\x04mail"
    entries, _, done = found(raw, PLACES, "(cn=Jane)", ["cn"], controls=(Control(DEREF, critical, value),))
    assert (done.result.code, done.controls, len(entries)) == (code, (), 0 if critical else 1)


def bound(client, name, password, *controls):
    """The answer to a bind, with its controls, which the client here has no use for."""
    number = 1 + client.client._last_id
    client.client._last_id = number
    request = m.BindRequest(3, name, m.SimpleAuthentication(password.encode()))
    client.socket.sendall(encode(m.LDAPMessage(number, request, controls)))
    framer = Framer(1 << 20)
    while (message := framer.next_message()) is None:
        framer.feed(client.socket.recv(65_536))
    return decode_response(message)


def test_slapds_word_on_the_password_comes_beside_a_success_alone(raw):
    asked = Control(PASSWORD_POLICY)
    right = bound(raw, PERSON, USER_PASSWORD, asked)
    assert right.operation.result.code == 0
    (answer,) = right.controls
    assert answer.oid == PASSWORD_POLICY
    assert password_policy_answer(answer).error is None
    assert bound(raw, PERSON, USER_PASSWORD).controls == ()
    wrong = bound(raw, PERSON, "Wrong-Passw0rd", asked)
    assert (wrong.operation.result.code, wrong.controls) == (49, ())
    critical = bound(raw, PERSON, USER_PASSWORD, Control(PASSWORD_POLICY, True))
    assert (critical.operation.result.code, critical.controls) == (12, ())


SEARCHES = ["(name=LEAK-*)", "(2.5.4.41=LEAK-title)", "(name:=LEAK-place)", f"(distinguishedName={SYNC_ACCOUNT})"]


@pytest.mark.parametrize("wanted", SEARCHES)
def test_slapd_finds_by_a_supertype_what_the_gateway_lets_nobody_ask(raw, overlaid, wanted):
    direct = connect("127.0.0.1", overlaid.port, overlaid.certificates.ca_file, SYNC_ACCOUNT, SYNC_PASSWORD)
    direct.search(PLACES, wanted, attributes=["cn"])
    assert [x["dn"] for x in direct.response if x["type"] == "searchResEntry"] == [
        "cn=Jane,ou=Places,dc=corp,dc=example"
    ]
    entries, _, done = found(raw, PLACES, wanted, ["cn"])
    assert (entries, done.result.code) == ([], 50)
    assert "filter-supertype" in done.result.diagnostic


def test_slapd_answers_name_with_all_subtypes_and_the_listed_ones_come(raw, overlaid):
    direct = connect("127.0.0.1", overlaid.port, overlaid.certificates.ca_file, SYNC_ACCOUNT, SYNC_PASSWORD)
    direct.search(PLACES, "(cn=Jane)", attributes=["name"])
    assert {"title", "l", "sn"} <= set(direct.response[0]["raw_attributes"])
    (entry,), _, _ = found(raw, PLACES, "(cn=Jane)", ["name"])
    assert sorted(attribute.type for attribute in entry.attributes) == ["cn", "sn"]


def test_a_reload_that_lists_what_is_not_understood_keeps_the_old_configuration(gateway, raw):
    before = gateway.config.read_text()
    broken = json.loads(before)
    broken["clients"]["mimecast"]["controls"].append(DEREF)
    said = gateway.reload(json.dumps(broken))
    assert "reloaded" not in said
    assert "dereference brings what `attributes` does not list" in said
    assert found(raw, STAFF, "(mail=*)", ["mail"], controls=(sort("sn", rule=RULE),))[2].result.code == 0
    assert "reloaded" in gateway.reload(before)


# Samba.


@pytest.fixture(scope="module")
def before_samba(certificates, samba, start_gateway):
    changes = {
        "attributes": [*test_samba.ATTRIBUTES, "name", "distinguishedName"],
        "base_dns": test_samba.BASES[:1],
        "controls": sorted(UNDERSTOOD),
    }
    return start_gateway(test_samba.gateway_configuration(certificates, samba, **changes))


@pytest.fixture
def samba_client(before_samba, samba, open_client):
    return open_client(before_samba, samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"])


@pytest.mark.parametrize("paged", [False, True])
def test_samba_sorts_in_pages_and_in_one(samba_client, paged):
    controls = (sort("name"), *([page_control(1000)] if paged else []))
    entries, _, done = found(samba_client, test_samba.BASES[0], "(objectClass=user)", ["name"], controls=controls)
    assert isinstance(done, SearchDone)
    assert done.result.code == 0
    names = [value.decode().lower() for value in values(entries, "name") if value.isascii()]
    assert names == sorted(names)
    assert len(names) > 100
    # Samba sorts and does not say so.
    assert sorted_as(done) == []


@pytest.mark.parametrize("critical", [False, True])
def test_an_active_directory_has_no_referral_objects_to_manage(samba_client, critical):
    entries, _, done = found(
        samba_client, test_samba.BASES[0], "(name=*)", ["name"], controls=(Control(MANAGE_DSA_IT, critical),)
    )
    assert (done.result.code, bool(entries)) == (0, True)


@pytest.mark.parametrize("wanted", ["(name=a*)", f"(distinguishedName=OU=Staff,{test_samba.SUFFIX})"])
def test_name_is_an_attribute_of_its_own_at_an_active_directory(samba_client, samba, wanted):
    direct = connect(samba["LAB_IP"], 636, samba["LAB_CA"], samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"])
    direct.search(test_samba.BASES[0], wanted, attributes=["cn"])
    entries, _, done = found(samba_client, test_samba.BASES[0], wanted, ["cn"])
    assert done.result.code == 0
    assert len(entries) == len([x for x in direct.response if x["type"] == "searchResEntry"]) > 0
