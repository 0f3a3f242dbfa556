"""What a directory says of itself, against the configuration; by a server whose answers the test sets."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.ask.connection import Connection
from gateway.ask.findings import Area
from gateway.ask.root_dse import RootDse
from gateway.ldap import messages as m
from gateway.ldap.dn import parse
from gateway.ldap.results import LDAPResult
from gateway.net.servers.settings import DirectorySettings, ServerSettings
from gateway.policy.settings import Paging
from gateway.tools.doctor.bases import check_base, check_exists, check_spelling
from gateway.tools.doctor.directory import check_clock, check_contexts, check_directory
from gateway.tools.doctor.worst_case import Block, WorstCase
from tests.policy.policies import policy
from tests.servers.stub_server import StubServer
from tests.tools.said import Said

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
BASE = "DC=corp,DC=example"
PAGED = "1.2.840.113556.1.4.319"
QUERY_POLICY = (
    "CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration," + BASE
)


def entry(dn, **attributes):
    return m.SearchResultEntry(
        dn, tuple(m.Attribute(name, tuple(value.encode() for value in values)) for name, values in attributes.items())
    )


def active_directory(**changes):
    """Entries of a domain controller by DN; changes: of the root DSE, None takes an attribute out."""
    root = {
        "namingContexts": [BASE, f"CN=Configuration,{BASE}"],
        "defaultNamingContext": [BASE],
        "configurationNamingContext": [f"CN=Configuration,{BASE}"],
        "subschemaSubentry": [f"CN=Aggregate,CN=Schema,CN=Configuration,{BASE}"],
        "supportedControl": [PAGED],
        "supportedCapabilities": ["1.2.840.113556.1.4.800"],
        "currentTime": ["20260504030200.0Z"],
    } | changes
    return {
        "": entry("", **{name: values for name, values in root.items() if values is not None}),
        BASE: entry(BASE, lockoutThreshold=["10"], lockOutObservationWindow=["-18000000000"]),
        QUERY_POLICY: entry(QUERY_POLICY, lDAPAdminLimits=["MaxValRange=1500", "MaxPageSize=1000"]),
        root["subschemaSubentry"][0]: entry(
            root["subschemaSubentry"][0],
            attributeTypes=[f"( 1.2.{i} NAME '{name}' )" for i, name in enumerate(policy().attributes)],
        ),
    }


@pytest.fixture
def ask(server_certificates, on_reactor):
    """A function that calls an async function with a connection to a server that has these entries."""

    def call(entries, main):
        def answer(request):
            if not isinstance(request, m.SearchRequest):
                return []
            found = entries.get(request.base) if request.scope == m.BASE_OBJECT else None
            result = LDAPResult(0 if found else 32)
            return [*([found] if found else []), m.SearchResultDone(result)]

        async def connected(reactor):
            place = ServerSettings("127.0.0.1", server.port, "localhost")
            directory = DirectorySettings("corp", (place,), server.ca_file)
            async with await Connection.open(directory, place, reactor) as connection:
                return await main(connection)

        with StubServer(server_certificates, answer) as server:
            return on_reactor(connected)

    return call


def examine(ask, entries, **changes):
    said = Said(Area.directory)
    settings = policy(naming_contexts=(parse(BASE),), directory="corp", **changes)
    worst_case = WorstCase((Block("corp", (settings,)),), counts_alone=False)
    ask(entries, lambda connection: check_directory(said.section, connection, settings, worst_case, lambda: NOW))
    return said


def test_an_active_directory_that_is_well(ask):
    said = examine(ask, active_directory())
    assert set(said.status().values()) == {"ok"}
    assert "up to 1000 entries" in said["paging"].said
    assert said["lockout"].said == (
        "the domain locks an account after 10 wrong passwords within 30 minutes; a person may be tried 9 times before "
        "the guard stops: 3 (lockout.failures) x 3 (ways to write the name: userPrincipalName, sAMAccountName, DN) "
        "x 1 (directory block of this domain: corp)"
    )


def test_what_is_not_told_is_skipped_and_not_guessed(ask):
    said = examine(ask, {"": entry("", objectClass=["top"])})
    assert said.status() == {
        "naming contexts": "skipped",
        "clock": "skipped",
        "schema": "skipped",
        "paging": "warning",
        "lockout": "skipped",
    }


@pytest.mark.parametrize(
    ("controls", "changes", "status", "advice"),
    [
        (None, {}, "warning", "paging: never"),
        (None, {"paging": Paging.never}, "ok", ""),
        ([PAGED], {"paging": Paging.never}, "ok", "paging: auto"),
        ([PAGED], {"page_size": 5000}, "warning", "page_size: 1000"),
        ([PAGED], {"page_size": 1000}, "ok", ""),
    ],
)
def test_paging(ask, controls, changes, status, advice):
    found = examine(ask, active_directory(supportedControl=controls), **changes)["paging"]
    assert (found.status, advice in found.advice) == (status, True)


AGGREGATE = f"CN=Aggregate,CN=Schema,CN=Configuration,{BASE}"


@pytest.mark.parametrize(
    ("configured", "status", "words"),
    [
        (AGGREGATE.lower(), "ok", "is the entry with the server's schema"),
        ("cn=Subschema", "failed", f'write "{AGGREGATE}"'),
        (f"CN=Schema,CN=Configuration,{BASE}", "failed", f'write "{AGGREGATE}"'),
    ],
)
def test_the_entry_with_the_schema_is_the_servers(ask, configured, status, words):
    found = examine(ask, active_directory(), subschema=parse(configured))["subschema"]
    assert (found.status, words in found.said + found.advice) == (status, True)


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        (["\0"], "", "the root is one of the server's"),
        ([""], "", "the root is one of the server's"),
        (["\0"], "O=Acme", "O=Acme lies in one of the server's"),
        (["O=Acme"], "", "the root is none of the server's"),
    ],
)
def test_the_root_is_a_naming_context_however_a_server_writes_it(ask, theirs, ours, said):
    root = {"namingcontexts": theirs, "subschemasubentry": ["cn=schema"], "supportedextension": ["LanguageCodes"]}
    found = Said(Area.directory)
    settings = policy(naming_contexts=(parse(ours),), paging=Paging.never, directory="corp")
    worst_case = WorstCase((Block("corp", (settings,)),), counts_alone=False)
    main = lambda connection: check_directory(found.section, connection, settings, worst_case, lambda: NOW)  # noqa: E731
    dse = ask({"": entry("", **root)}, main)
    assert found["naming contexts"].said == said
    assert (dse.kind, dse.is_domino, dse.can_page) == ("HCL Domino", True, False)


def test_a_page_limit_that_cannot_be_read_is_unknown(ask):
    entries = active_directory()
    del entries[QUERY_POLICY]
    assert "unknown" in examine(ask, entries)["paging"].said


@pytest.mark.parametrize(
    ("threshold", "said"), [(["0"], "locks nobody out"), (["3"], "after 3 wrong passwords"), ([], "cannot read")]
)
def test_lockout(ask, threshold, said):
    entries = active_directory()
    entries[BASE] = entry(BASE, **({"lockoutThreshold": threshold} if threshold else {}))
    assert said in examine(ask, entries)["lockout"].said


@pytest.mark.parametrize(
    ("window", "minutes"),
    [("-18000000000", " within 30 minutes"), ("-18000000001", " within 31 minutes"), ("soon", "")],
)
def test_the_window_of_the_domain_is_not_taken_for_a_shorter_one(ask, window, minutes):
    entries = active_directory()
    entries[BASE] = entry(BASE, lockoutThreshold=["10"], lockOutObservationWindow=[window])
    assert f"after 10 wrong passwords{minutes}; a person" in examine(ask, entries)["lockout"].said


@pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (60, "ok"), (61, "warning"), (-300, "warning")])
def test_clock(seconds, status):
    said = Said()
    check_clock(said.section, NOW + timedelta(seconds=seconds), NOW)
    assert said["clock"].status == status
    if seconds == -300:
        assert said["clock"].said == "the server is 300 s behind this host"


@pytest.mark.parametrize(
    ("there", "status"),
    [(("dc=CORP, dc=example",), "ok"), (("DC=example",), "ok"), (("DC=corp2,DC=example",), "failed"), ((), "skipped")],
)
def test_naming_contexts(there, status):
    said = Said()
    check_contexts(said.section, RootDse(naming_contexts=there), [parse(BASE)])
    assert said["naming contexts"].status == status
    if status == "failed":
        assert "DC=corp2,DC=example" in said["naming contexts"].advice


@pytest.mark.parametrize("key", ["login_base_dns", "excluded_base_dns"])
def test_a_base_that_need_only_be_there(ask, key):
    there, missing = Said(), Said()
    ask(active_directory(), lambda connection: check_exists(there.section, connection, parse(BASE), key))
    name = parse(f"OU=Board,{BASE}")
    ask(active_directory(), lambda connection: check_exists(missing.section, connection, name, key))
    assert (there["exists"].status, missing["exists"].status) == ("ok", "failed")
    assert key in missing["exists"].said


@pytest.mark.parametrize(
    ("answered", "status", "says"),
    [
        ("ou=staff, dc=CORP,dc=example", "ok", "as the configuration does"),
        ("OU=Sta\u0301ff,DC=corp,DC=example", "warning", 'write "OU=Sta\\cc\\81ff,DC=corp,DC=example"'),
        ("companyUnit=Staff,DC=corp,DC=example", "failed", 'write "companyUnit=Staff,DC=corp,DC=example"'),
        ("Staff", "failed", "no DN"),
    ],
)
def test_the_name_that_the_server_has_for_a_base(answered, status, says):
    said = Said()
    check_spelling(said.section, parse(f"OU=Staff,{BASE}"), answered)
    assert said["spelling"].status == status
    assert says in said["spelling"].said + said["spelling"].advice


def test_a_search_that_is_cut_short_is_not_a_count(server_certificates, on_reactor):
    def answer(request):
        if not isinstance(request, m.SearchRequest):
            return []
        return [entry(f"CN=a,{BASE}", objectClass=["user"]), m.SearchResultDone(LDAPResult(4))]

    async def main(reactor):
        place = ServerSettings("127.0.0.1", server.port, "localhost")
        directory = DirectorySettings("corp", (place,), server.ca_file)
        async with await Connection.open(directory, place, reactor) as connection:
            await check_base(said.section, connection, parse(BASE), 0, whole=False)

    said = Said()
    with StubServer(server_certificates, answer) as server:
        on_reactor(main)
    assert said["contents"].status == "failed"
    assert "not complete: there are more entries than the server gives at once" in said["contents"].said
