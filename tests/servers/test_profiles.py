"""The same sync through the gateway with each shipped profile, against slapd loaded with what the profile is for.

Of a profile nothing is replaced but addresses and files. slapd pages or not, and asks for a client certificate or not,
as the server that it stands for does.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ldap3
import pytest
import yaml

from gateway.ask.client import page_control
from tests.config.certificates import write_pair
from tests.servers import profile_trees
from tests.servers.domino_like import DominoLike
from tests.servers.profile_trees import CONTACTS, PEOPLE
from tests.servers.raw_client import RawClient
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import HIDDEN_MARKS, SYNC_PASSWORD, USER_PASSWORD
from tests.servers.sync_client import connect

CONF = Path(__file__).parents[2] / "conf"


@dataclass(frozen=True)
class Profile:
    """file: in conf. slapd: how it is started, besides the tree's entries; DominoLike knows that by itself. suffix: the
    naming context. account: of the service.

    searches: what a service asks for, as (base, filter) and the number of entries that come of it. top: where it asks
    for everything at once, and how much comes of it. person, outsider: DNs inside and outside login_base_dns.
    hidden: an attribute that the directory holds and the profile does not list. pages: whether the server can.
    """

    file: str
    tree: Callable
    slapd: dict
    suffix: str
    account: str
    searches: dict
    top: tuple
    person: str
    outsider: str
    hidden: str
    pages: bool = True
    client_certificate: bool = False


DOMINO = Profile(
    file="domino.yaml",
    tree=profile_trees.domino_tree,
    slapd={},
    suffix="",
    account="CN=Mimecast Sync,O=Acme",
    searches={
        "users": ("", "(objectClass=dominoPerson)", PEOPLE + CONTACTS + 1),
        "users of the organization": ("O=Acme", "(&(objectClass=dominoPerson)(mail=*))", PEOPLE + 1),
        "groups": ("", "(objectClass=dominoGroup)", 3),
        "contacts": ("", "(&(objectClass=dominoPerson)(mailAddress=*))", CONTACTS),
    },
    top=("", PEOPLE + CONTACTS + 4),
    person="CN=Jürgen O'Neil 00001,OU=Sales,O=Acme",
    outsider="CN=Partner 00001",
    hidden="httpPassword",
    pages=False,
)
OPENLDAP = Profile(
    file="openldap.yaml",
    tree=profile_trees.openldap_tree,
    suffix="dc=acme,dc=example",
    slapd={
        "suffix": "dc=acme,dc=example",
        "schemas": [],
        "indexed": "objectClass,mail",
        "settings": "moduleload memberof",
        "database_settings": "sizelimit 500\n"
        'limits dn.exact="cn=mimecast,ou=Services,dc=acme,dc=example" size=unlimited\n'
        "overlay memberof",
    },
    account="cn=mimecast,ou=Services,dc=acme,dc=example",
    searches={
        "users": ("ou=People,dc=acme,dc=example", "(objectClass=inetOrgPerson)", PEOPLE),
        "groups": ("ou=Groups,dc=acme,dc=example", "(objectClass=groupOfNames)", 2),
        "contacts": ("ou=Contacts,dc=acme,dc=example", "(mail=*)", CONTACTS),
        "changes": ("ou=People,dc=acme,dc=example", "(&(uid=*)(modifyTimestamp>=20000101000000Z))", PEOPLE),
    },
    top=("dc=acme,dc=example", PEOPLE + CONTACTS + 5),
    person="uid=u00001,ou=People,dc=acme,dc=example",
    outsider="cn=Partner 00001,ou=Contacts,dc=acme,dc=example",
    hidden="employeeNumber",
)
GOOGLE = Profile(
    file="google-secure-ldap.yaml",
    tree=profile_trees.google_tree,
    suffix="dc=example,dc=com",
    slapd={"suffix": "dc=example,dc=com", "indexed": "objectClass,mail"},
    account="uid=ldap-sync,ou=Services,ou=Users,dc=example,dc=com",
    searches={
        "users": ("ou=Users,dc=example,dc=com", "(&(objectClass=person)(mail=*))", PEOPLE + 1),
        "groups": ("ou=Groups,dc=example,dc=com", "(objectClass=groupOfNames)", 1),
    },
    top=("dc=example,dc=com", PEOPLE + 6),
    person="uid=u00001,ou=Sales,ou=Users,dc=example,dc=com",
    outsider="cn=everybody,ou=Groups,dc=example,dc=com",
    hidden="employeeNumber",
    client_certificate=True,
)


@dataclass(frozen=True)
class Stage:
    """A profile with its server and the gateway before it."""

    profile: Profile
    server: Slapd
    gateway: object
    ca_file: Path

    def through(self, name, password):
        return connect("127.0.0.1", self.gateway.port, self.ca_file, name, password)

    def directly(self):
        """The account's connection to slapd itself, where no certificate is asked for."""
        server = ldap3.Server("127.0.0.1", self.server.plain_port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, self.profile.account, SYNC_PASSWORD, return_empty_attributes=False)
        assert connection.bind()
        return connection

    @property
    def listed(self):
        return self.client["attributes"]

    @property
    def client(self):
        (client,) = yaml.safe_load((CONF / self.profile.file).read_text())["clients"].values()
        return client


def configuration(profile, server, certificates, directory, **changes):
    """The profile's text with addresses and files of the test. changes: of the client's keys."""
    whole = yaml.safe_load((CONF / profile.file).read_text())
    whole["listeners"][0] |= {
        "address": "127.0.0.1:0",
        "certificate": certificates.certificate,
        "private_key": certificates.private_key,
    }
    (block,) = whole["directories"].values()
    block |= {"servers": server.gateway_directory["servers"], "ca_file": server.certificates.ca_file}
    if "client_certificate" in block:
        block["client_certificate"] = {"certificate": directory / "own.pem", "private_key": directory / "own.key"}
    (client,) = whole["clients"].values()
    client |= {"sources": ["127.0.0.0/8"], **changes}
    # JSON is YAML.
    return json.dumps({**whole, "admin": None, "state_dir": directory}, default=str)


def start_server(profile, directory):
    keywords = dict(profile.slapd)
    if profile.client_certificate:
        write_pair(directory, "own")
        keywords["settings"] = f"TLSCACertificateFile {directory / 'own.pem'}\nTLSVerifyClient demand"
    return DominoLike(profile.tree()) if profile is DOMINO else Slapd(profile.tree(), **keywords)


@pytest.fixture(scope="module", params=[DOMINO, OPENLDAP, GOOGLE], ids=lambda profile: profile.file)
def stage(request, tmp_path_factory, certificates, start_gateway):
    directory = tmp_path_factory.mktemp("profile")
    with start_server(request.param, directory) as server:
        gateway = start_gateway(configuration(request.param, server, certificates, directory))
        yield Stage(request.param, server, gateway, certificates.ca_file)


@pytest.fixture(scope="module")
def domino(tmp_path_factory, certificates, start_gateway):
    """A function that takes changes of the client's keys and returns the Stage."""
    directory = tmp_path_factory.mktemp("domino")
    with start_server(DOMINO, directory) as server:

        def start(**changes):
            # One gateway at a time has a state_dir.
            state_dir = tmp_path_factory.mktemp("domino")
            gateway = start_gateway(configuration(DOMINO, server, certificates, state_dir, **changes))
            return Stage(DOMINO, server, gateway, certificates.ca_file)

        yield start


def entries(found):
    """Raw values, sorted, by DN and by the attribute's name in lower case, as Domino writes it."""
    return {
        entry["raw_dn"]: {name.lower(): sorted(values) for name, values in entry["raw_attributes"].items() if values}
        for entry in found
        if entry["type"] == "searchResEntry"
    }


def read(connection, base, text, attributes, scope=ldap3.SUBTREE):
    connection.search(base, text, scope, attributes=attributes)
    assert connection.result["result"] == 0, connection.result
    return entries(connection.response)


def read_paged(connection, base, text, attributes, size):
    pages = connection.extend.standard.paged_search(base, text, attributes=attributes, paged_size=size, generator=True)
    return entries(pages)


# A sync.


@pytest.mark.parametrize("page", [None, 100, 1000], ids=["unpaged", "pages of 100", "pages of 1000"])
def test_a_sync_gives_exactly_what_a_direct_read_gives(stage, page):
    directly, through = stage.directly(), stage.through(stage.profile.account, SYNC_PASSWORD)
    for base, text, count in stage.profile.searches.values():
        expected = read(directly, base, text, stage.listed)
        if page is None:
            relayed = read(through, base, text, stage.listed)
        else:
            relayed = read_paged(through, base, text, stage.listed, page)
        assert len(relayed) == count, text
        assert relayed == expected, text


def test_everything_at_once_gives_what_the_profile_lists_and_no_more(stage):
    base, count = stage.profile.top
    relayed = read(stage.through(stage.profile.account, SYNC_PASSWORD), base, "(objectClass=*)", ["*"])
    everything = read(stage.directly(), base, "(objectClass=*)", stage.listed)
    assert len(relayed) == count < len(everything)
    assert relayed.items() <= everything.items()


@pytest.mark.parametrize("asked", ["*", "+", "hidden"])
def test_what_is_not_listed_stays_behind(stage, asked):
    names = {"*": ["*"], "+": ["*", "+"], "hidden": [stage.profile.hidden, "userPassword", "description"]}[asked]
    connection = stage.through(stage.profile.account, SYNC_PASSWORD)
    for base, text, count in stage.profile.searches.values():
        direct = read(stage.directly(), base, text, names)
        assert any(mark in repr(direct).encode() for mark in HIDDEN_MARKS)
        relayed = read(connection, base, text, names)
        assert len(relayed) == count
        assert not any(mark in repr(relayed).encode() for mark in HIDDEN_MARKS)
        known = {name.lower() for name in stage.listed}
        assert {name.lower() for values in relayed.values() for name in values} <= known


@pytest.mark.parametrize("text", ["({hidden}=LEAK-u00001)", "(!({hidden}=*))", "(&(mail=*)(userPassword=*))"])
def test_a_filter_on_a_hidden_attribute_is_refused(stage, text):
    connection = stage.through(stage.profile.account, SYNC_PASSWORD)
    base, _ = stage.profile.top
    connection.search(base, text.format(hidden=stage.profile.hidden))
    assert connection.result["description"] == "insufficientAccessRights"
    assert connection.response == []


def test_the_naming_contexts_are_those_of_the_profile(stage):
    connection = stage.through(stage.profile.account, SYNC_PASSWORD)
    (root,) = read(connection, "", "(objectClass=*)", ["*", "+"], ldap3.BASE).values()
    suffix = stage.profile.suffix.encode()
    assert root["namingcontexts"] == [suffix]
    assert root.get("defaultnamingcontext", [b""]) == [suffix]
    assert (b"1.2.840.113556.1.4.319" in root.get("supportedcontrol", [])) is stage.profile.pages


def test_a_service_that_insists_on_pages_gets_them_or_an_error(stage):
    base, text, _ = stage.profile.searches["users"]
    with RawClient(stage.gateway.port, stage.ca_file) as client:
        assert client.bind(stage.profile.account, SYNC_PASSWORD) == 0
        names, result = client.result(client.search(base, text, controls=(page_control(50),)))
    if stage.profile.pages:
        assert (len(names), result.code) == (50, 0)
    else:
        assert (names, result.code) == ([], 12)
        assert "paging-not-supported" in result.diagnostic
        # And the server itself does not give it any more.
        with RawClient(stage.server.front_port, stage.server.certificates.ca_file) as client:
            assert client.bind(stage.profile.account, SYNC_PASSWORD) == 0
            assert client.result(client.search(base, text, controls=(page_control(50),)))[1].code == 12


# Sign-ins.


@pytest.mark.parametrize(
    "spelling", [str, str.upper, lambda dn: dn.replace(",", " , ")], ids=["as it is", "upper case", "blanks"]
)
def test_a_person_signs_in_by_dn_and_may_do_nothing_else(stage, spelling):
    connection = stage.through(spelling(stage.profile.person), USER_PASSWORD)
    assert connection.result["description"] == "success"
    base, _ = stage.profile.top
    connection.search(base, "(mail=*)", attributes=["mail"])
    assert connection.result["description"] == "insufficientAccessRights"


@pytest.mark.parametrize("who", ["wrong password", "nobody", "outside", "bare name", "address", "account"])
def test_everybody_else_is_turned_away_alike(stage, who):
    person = stage.profile.person
    name, password = {
        "wrong password": (person, "Wrong-Passw0rd"),
        "nobody": (person.replace("00001", "99999"), USER_PASSWORD),
        "outside": (stage.profile.outsider, USER_PASSWORD),
        "bare name": ("Jürgen O'Neil 00001", USER_PASSWORD),
        "address": ("u00001@acme.example", USER_PASSWORD),
        "account": (stage.profile.account, USER_PASSWORD),
    }[who]
    connection = stage.through(name, password)
    assert connection.result["description"] == "invalidCredentials"
    assert connection.result["message"] == ""


def test_no_value_is_in_log_or_audit(stage):
    text = (stage.gateway.audit_text() + stage.gateway.log()).encode()
    assert stage.gateway.audit(operation="search", result="success")
    assert not any(mark in text for mark in (*HIDDEN_MARKS, SYNC_PASSWORD.encode(), USER_PASSWORD.encode()))


# What the comments in the profiles say.


def test_one_level_below_the_root_of_domino_are_groups_and_flat_names(domino):
    connection = domino().through(DOMINO.account, SYNC_PASSWORD)
    found = read(connection, "", "(objectClass=*)", ["cn"], ldap3.LEVEL)
    assert len(found) == CONTACTS + 3
    assert b"cn=Everybody" in found


def test_an_organization_and_one_group_may_stand_for_the_root(domino):
    connection = domino(base_dns=["O=Acme", "CN=Everybody"]).through(DOMINO.account, SYNC_PASSWORD)
    found = read(connection, "", "(objectClass=*)", ["mail"])
    assert len(found) == PEOPLE + 2
    assert b"cn=Everybody" in found
    assert b"cn=Few" not in found


def test_who_is_not_for_foreign_directories_can_be_kept_inside(domino):
    text = (CONF / DOMINO.file).read_text()
    (commented,) = [line.strip(' #"') for line in text.splitlines() if line.startswith('    # "(&(availableForDirSync')]
    connection = domino(required_filter=commented).through(DOMINO.account, SYNC_PASSWORD)
    found = read(connection, "", "(objectClass=dominoPerson)", ["availableForDirSync"])
    assert len(found) == PEOPLE - PEOPLE // 10 + CONTACTS + 1
    assert {tuple(values["availablefordirsync"]) for values in found.values()} == {(b"1",)}


@pytest.mark.parametrize("page", [None, 100], ids=["unpaged", "paged"])
def test_slapds_own_limit_is_an_error_where_it_is_not_lifted(certificates, start_slapd, start_gateway, tmp_path, page):
    server = start_slapd(OPENLDAP.tree(), **OPENLDAP.slapd | {"database_settings": "sizelimit 500\noverlay memberof"})
    gateway = start_gateway(configuration(OPENLDAP, server, certificates, tmp_path))
    connection = connect("127.0.0.1", gateway.port, certificates.ca_file, OPENLDAP.account, SYNC_PASSWORD)
    base, text, _ = OPENLDAP.searches["users"]
    found, cookie = 0, None
    while connection.search(base, text, paged_size=page, paged_cookie=cookie) and page is not None:
        found += len(connection.response)
        cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
        assert cookie, "the search is complete"
    assert connection.result["description"] == "sizeLimitExceeded"
    assert found + len(connection.response) == 500


@pytest.mark.parametrize("shown", ["none", "another"])
def test_a_server_that_asks_for_a_certificate_gets_no_password_without_it(certificates, start_gateway, tmp_path, shown):
    with start_server(GOOGLE, tmp_path) as server:
        text = configuration(GOOGLE, server, certificates, tmp_path)
        if shown == "none":
            whole = json.loads(text)
            del whole["directories"]["google"]["client_certificate"]
            text = json.dumps(whole)
        else:
            write_pair(tmp_path, "own")
        gateway = start_gateway(text)
        with RawClient(gateway.port, certificates.ca_file) as client:
            assert client.bind(GOOGLE.account, SYNC_PASSWORD) == 52
        (record,) = gateway.wait_for_audit(operation="bind")
        assert record["reason"] == "server-lost"
        assert "client_certificate" in record["detail"]
