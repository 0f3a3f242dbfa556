"""A whole sync through the gateway, against a real Active Directory (Samba)."""

import ldap3
import pytest

from tests.servers.gateway_process import configuration
from tests.servers.samba_domain import USER_PASSWORD
from tests.servers.sync_client import connect, sync

SUFFIX = "DC=corp,DC=example"
BASES = [f"OU=Staff,{SUFFIX}", f"OU=Groups,{SUFFIX}", f"OU=Contacts,{SUFFIX}"]
ATTRIBUTES = [
    *("mail", "proxyAddresses", "displayName", "givenName", "sn", "cn", "sAMAccountName"),
    *("member", "memberOf", "userAccountControl", "objectClass", "objectGUID"),
]


def gateway_configuration(certificates, samba, **changes):
    return configuration(
        certificates,
        {
            "servers": [{"url": f"ldaps://{samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
            "ca_file": samba["LAB_CA"],
        },
        {
            "sync_accounts": [samba["LAB_SVC_UPN"]],
            "login_base_dns": [f"OU=Test Accounts,{SUFFIX}"],
            "login_domains": ["corp.example", "CORP"],
            "base_dns": BASES,
            "attributes": ATTRIBUTES,
            **changes,
        },
    )


@pytest.fixture(scope="module")
def gateway(certificates, samba, start_gateway):
    return start_gateway(gateway_configuration(certificates, samba))


@pytest.fixture(scope="module")
def through(certificates, gateway):
    """A function that binds at the gateway and returns the connection."""
    return lambda name, password: connect("127.0.0.1", gateway.port, certificates.ca_file, name, password)


@pytest.fixture(scope="module")
def account(samba):
    return samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"]


@pytest.mark.parametrize("page", [100, 500])
def test_a_paged_sync_gives_exactly_what_a_direct_read_gives(samba, through, account, page):
    direct = sync(connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account), BASES, ATTRIBUTES, page)
    relayed = sync(through(*account), BASES, ATTRIBUTES, page)
    assert len(relayed) > 530
    assert relayed == direct


@pytest.mark.parametrize("asked", [["*"], ["*", "+"], ["employeeID", "pager", "mail"], ["employeeID;range=0-*", "cn"]])
def test_what_is_not_listed_stays_behind(through, account, asked):
    relayed = sync(through(*account), BASES, asked)
    assert relayed
    assert {name for values in relayed.values() for name in values} <= set(ATTRIBUTES)
    assert b"LEAK-" not in repr(relayed).encode() and b"SECRET-" not in repr(relayed).encode()


def test_names_with_long_types_reach_a_server_that_reads_only_short_ones(samba, through, account):
    long = r"organizationalUnitName=R\+D,organizationalUnitName=Staff,domainComponent=corp,domainComponent=example"
    direct = connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account)
    relayed = through(*account)
    for connection, code in ((direct, 32), (relayed, 0)):
        connection.search(long, "(objectClass=*)", ldap3.BASE, attributes=["cn"])
        assert connection.result["result"] == code


@pytest.mark.parametrize(
    "base, text, code",
    [
        ("CN=Computers,DC=corp,DC=example", "(objectClass=*)", 50),
        ("CN=Users,DC=corp,DC=example", "(objectClass=*)", 50),
        ("OU=Staff,DC=corp,DC=example", "(employeeID=LEAK*)", 50),
        ("OU=Staff,DC=corp,DC=example", "(1.2.840.113556.1.4.35=LEAK*)", 50),
        ("OU=Staff,DC=corp,DC=example", "(memberOf:1.2.840.113556.1.4.1941:=CN=x)", 50),
        ("OU=Missing,OU=Staff,DC=corp,DC=example", "(objectClass=*)", 32),
    ],
)
def test_refused_searches_say_so(through, account, base, text, code):
    connection = through(*account)
    connection.search(base, text)
    assert connection.result["result"] == code


def test_every_container_with_an_awkward_name_can_be_searched(samba, through, account):
    connection = connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account)
    connection.search("OU=Staff,DC=corp,DC=example", "(objectClass=organizationalUnit)")
    names = [entry["dn"] for entry in connection.response]
    assert len(names) >= 20
    relayed = through(*account)
    for name in names:
        relayed.search(name, "(objectClass=*)", ldap3.BASE)
        assert relayed.result["result"] == 0, name
        assert len(relayed.response) == 1


@pytest.mark.parametrize("asked, count", [("member", 500), ("member;range=0-9", 10)])
def test_a_large_group_whole_and_in_ranges(samba, through, account, asked, count):
    def read(connection):
        connection.search("OU=Groups,DC=corp,DC=example", "(cn=GG-All-Staff)", attributes=[asked])
        return connection.response[0]["raw_attributes"]

    relayed = read(through(*account))
    assert relayed == read(connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account))
    assert count in [len(values) for values in relayed.values()]


@pytest.mark.parametrize(
    "name, password, code",
    [
        ("t-plain@corp.example", USER_PASSWORD, 0),
        ("CORP\\t-plain", USER_PASSWORD, 0),
        ("t-plain@corp.example", "Wrong-Passw0rd", 49),
        ("t-disabled@corp.example", USER_PASSWORD, 49),
        ("u00001@corp.example", USER_PASSWORD, 49),
        ("t-plain@other.example", USER_PASSWORD, 49),
        ("CORP\\svc-mimecast", "Lab-Sync-Passw0rd1", 49),
        ("Administrator@corp.example", "Lab-Admin-Passw0rd1", 49),
    ],
)
def test_who_may_sign_in(through, name, password, code):
    connection = through(name, password)
    assert connection.result["result"] == code
    if code:
        assert connection.result["message"] == ""
    else:
        connection.search("OU=Staff,DC=corp,DC=example", "(objectClass=*)")
        assert connection.result["result"] == 50


def test_guesses_are_stopped_before_the_directory_would_and_the_right_password_then_looks_like_a_wrong_one(
    gateway, through
):
    for password in ("guess 1", "guess 2", "guess 3", USER_PASSWORD):
        connection = through("t-quote@corp.example", password)
        assert (connection.result["result"], connection.result["message"]) == (49, "")
    assert [record["reason"] for record in gateway.audit(operation="bind", account="t-quote@corp.example")][-2:] == [
        "",
        "account-guarded",
    ]
    assert through("CORP\\t-quote", USER_PASSWORD).result["result"] == 49
    assert through("t-hash@corp.example", USER_PASSWORD).result["result"] == 0


def test_nothing_is_written(through, account):
    connection = through(*account)
    connection.modify("CN=x,OU=Staff,DC=corp,DC=example", {"mail": [(ldap3.MODIFY_REPLACE, ["a"])]})
    assert connection.result["result"] == 53
    connection.delete("CN=x,OU=Staff,DC=corp,DC=example")
    assert connection.result["result"] == 53


def test_a_wrong_reload_changes_nothing_and_a_right_one_holds_for_new_sessions(
    certificates, samba, gateway, through, account
):
    before = through(*account)
    refused = gateway.reload(gateway_configuration(certificates, samba).replace('"base_dns":', '"base_dn":', 1))
    assert "reload refused" in refused
    assert "unknown key" in refused
    accepted = gateway.reload(gateway_configuration(certificates, samba, attributes=["cn", "objectClass"]))
    assert "reloaded" in accepted
    assert "mail" in {name for values in sync(before, BASES, ["*"]).values() for name in values}
    after = sync(through(*account), BASES, ["*"])
    assert {name for values in after.values() for name in values} == {"cn", "objectClass"}


@pytest.mark.direct("the record names the server")
def test_the_audit_tells_of_each_operation_and_of_no_value(samba, gateway, account):
    records = gateway.audit()
    assert {"bind", "search", "modify", "delete"} <= {record["operation"] for record in records}
    assert any(record["reason"] == "login-outside-base" for record in records)
    text = gateway.audit_text() + gateway.log()
    assert account[1] not in text and USER_PASSWORD not in text and "LEAK-" not in text


# What is not among the entries: the root DSE, and the schema.

AGGREGATE = f"CN=Aggregate,CN=Schema,CN=Configuration,{SUFFIX}"


@pytest.fixture(scope="module")
def with_schema(certificates, samba, start_gateway):
    listed = {"root_dse": ["subschemaSubentry", "highestCommittedUSN"], "subschema": AGGREGATE}
    return start_gateway(gateway_configuration(certificates, samba, **listed))


def read_one(connection, base, names):
    connection.search(base, "(objectClass=*)", ldap3.BASE, attributes=names)
    assert connection.result["result"] == 0, connection.result
    (found,) = connection.response
    return {name: sorted(values) for name, values in found["raw_attributes"].items() if values}


def test_what_is_listed_of_the_root_dse_is_the_servers(certificates, samba, with_schema, account):
    direct = connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account)
    relayed = connect("127.0.0.1", with_schema.port, certificates.ca_file, *account)
    names = ["subschemaSubentry", "highestCommittedUSN", "dnsHostName", "serverName"]
    expected, found = read_one(direct, "", names), read_one(relayed, "", names)
    assert found["subschemaSubentry"] == expected["subschemaSubentry"] == [AGGREGATE.encode()]
    # Samba goes on meanwhile.
    assert int(found["highestCommittedUSN"][0]) >= int(expected["highestCommittedUSN"][0]) > 0
    assert {"dnsHostName", "serverName"} & expected.keys()
    assert found.keys() == {"subschemaSubentry", "highestCommittedUSN"}


def test_the_schema_can_be_read_and_what_lies_around_it_cannot(certificates, samba, with_schema, account):
    direct = connect(samba["LAB_IP"], 636, samba["LAB_CA"], *account)
    relayed = connect("127.0.0.1", with_schema.port, certificates.ca_file, *account)
    names = ["attributeTypes", "objectClasses", "modifyTimeStamp"]
    found = read_one(relayed, AGGREGATE, names)
    assert found == read_one(direct, AGGREGATE, names)
    assert len(found["attributeTypes"]) > 1000
    for base, scope in (
        (AGGREGATE, ldap3.SUBTREE),
        (AGGREGATE, ldap3.LEVEL),
        (AGGREGATE.partition(",")[2], ldap3.BASE),
        (f"CN=User,{AGGREGATE.partition(',')[2]}", ldap3.BASE),
        (f"CN=Configuration,{SUFFIX}", ldap3.SUBTREE),
    ):
        relayed.search(base, "(objectClass=*)", scope, attributes=["cn"])
        assert relayed.result["description"] == "insufficientAccessRights", (base, scope)
        assert not relayed.response


def test_before_a_sign_in_the_server_is_not_asked(certificates, with_schema):
    server = ldap3.Server("127.0.0.1", with_schema.port, use_ssl=True, get_info=ldap3.NONE)
    connection = ldap3.Connection(server)
    connection.open()
    connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["highestCommittedUSN", "namingContexts"])
    (found,) = connection.response
    assert {name for name, values in found["raw_attributes"].items() if values} == {"namingContexts"}
    connection.unbind()
