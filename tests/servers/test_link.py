"""A directory behind two gateways and a link between them: slapd, the inside, the outside, and clients before it."""

import json
import time
from datetime import UTC, datetime

import pytest

from gateway.ask.client import Disconnection
from gateway.ask.link_page import ask_links
from gateway.ldap.messages import BASE_OBJECT
from gateway.link.keys import write_pair
from gateway.link.standing import Side
from tests.observe.admin_client import get, samples
from tests.servers.gateway_process import configuration
from tests.servers.link_ends import LinkKeys, inside_of, outside_of
from tests.servers.memory import memory_of
from tests.servers.raw_client import RawClient
from tests.servers.slapd_tree import CONTACTS, GROUPS, STAFF, SUFFIX, SYNC_ACCOUNT, SYNC_PASSWORD
from tests.servers.whole_reads import read, read_directly

ACCOUNT = (SYNC_ACCOUNT, SYNC_PASSWORD)
BASES = (STAFF, GROUPS, CONTACTS)
ATTRIBUTES = ("mail", "displayName", "cn", "member", "memberOf", "objectClass")


class Site:
    """Both ends, started. direct: the configuration of one gateway that would do without a link."""

    def __init__(self, start_gateway, directory, direct, agents=("inside-1",)):
        self.keys = LinkKeys(directory, agents)
        self.direct = direct
        self.outside = start_gateway(outside_of(direct, self.keys))
        self.insides = {name: start_gateway(inside_of(direct, self.keys, name)) for name in agents}
        for name in agents:
            self.outside.wait_for(f"link inside: agent {name} is here")


@pytest.fixture(scope="module")
def site(slapd, certificates, start_gateway, tmp_path_factory):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
    admin = {"address": "127.0.0.1:0"}
    direct = configuration(certificates, slapd.gateway_directory, client, admin=admin)
    return Site(start_gateway, tmp_path_factory.mktemp("keys"), direct)


def test_a_sync_through_a_link_is_complete(slapd, site, open_client):
    direct = read_directly(slapd.url, slapd.certificates.ca_file, ACCOUNT, BASES, ATTRIBUTES)
    whole = read(open_client(site.outside, *ACCOUNT), BASES, ATTRIBUTES)
    assert whole.code == 0
    assert whole.entries == direct


def test_both_ends_say_at_their_start_what_they_do(site):
    assert f"link inside waits for agents at {site.keys.address}" in site.outside.log()
    assert f"link dmz calls {site.keys.address}" in site.insides["inside-1"].log()


def test_both_ends_record_what_comes_over_a_link(site, open_client):
    client = open_client(site.outside, *ACCOUNT)
    assert client.result(client.search(STAFF, attributes=("mail",)))[1].code == 0
    outside = site.outside.wait_for_audit(operation="search")[-1]
    assert outside["server"] == "link://inside/inside-1"
    inside = site.insides["inside-1"].wait_for_audit(operation="search")[-1]
    assert (inside["source"], inside["client"], inside["decision"]) == ("link dmz", "mimecast", "permit")
    assert inside["entries"] == outside["entries"] > 0


def test_the_two_records_of_an_operation_name_each_other(site, open_client):
    client = open_client(site.outside, *ACCOUNT)
    assert client.result(client.search(GROUPS, attributes=("cn",)))[1].code == 0
    outside = site.outside.wait_for_audit(operation="search", base=GROUPS)[-1]
    (inside,) = site.insides["inside-1"].wait_for_audit(
        operation="search", session=outside["server_session"], outside_session=outside["session"]
    )
    assert (inside["link"], inside["said_source"]) == ("dmz", outside["source"])
    assert (inside["base"], inside["entries"]) == (outside["base"], outside["entries"])
    (bind,) = site.insides["inside-1"].audit(operation="bind", outside_session=outside["session"])
    assert bind["said_source"] == outside["source"]
    # Of a listener's session nobody else has said anything.
    assert "outside_session" not in outside
    assert "server_session" not in inside


def test_both_ends_show_how_the_link_stands(site, open_client):
    open_client(site.outside, *ACCOUNT)
    inside = site.insides["inside-1"]
    (outside_end,) = ask_links(f"127.0.0.1:{site.outside.admin_port}")
    (agent,) = outside_end.peers
    assert (outside_end.link, outside_end.side, outside_end.address) == ("inside", Side.outside, site.keys.address)
    assert (agent.name, agent.up, agent.ready, agent.why) == ("inside-1", True, ("mimecast",), "")
    assert agent.sessions > 0
    assert agent.key_expires > time.time() + 700 * 86_400
    (inside_end,) = ask_links(f"127.0.0.1:{inside.admin_port}")
    (host,) = inside_end.peers
    assert (inside_end.link, inside_end.side) == ("dmz", Side.inside)
    assert (host.name, host.up, host.ready) == (site.keys.address, True, ("mimecast",))
    assert host.sessions == agent.sessions
    for end in (site.outside, inside):
        assert get(end.admin_port, "/readyz")[0] == 200
        assert "Link " in get(end.admin_port, "/")[2]


def test_a_sync_and_sign_ins_through_a_link_trip_no_wire(slapd, certificates, start_gateway, open_client, tmp_path):
    """What an honest outside sends, also where a person's sign-in is refused inside."""
    client = {
        "sync_accounts": [SYNC_ACCOUNT],
        "base_dns": BASES,
        "attributes": ATTRIBUTES,
        "login_base_dns": [STAFF],
        "login_domains": ["corp.example"],
    }
    admin = {"address": "127.0.0.1:0"}
    site = Site(start_gateway, tmp_path, configuration(certificates, slapd.gateway_directory, client, admin=admin))
    assert read(open_client(site.outside, *ACCOUNT), BASES, ATTRIBUTES).code == 0
    person = f"cn=user1,{STAFF}"
    with RawClient(site.outside.port, certificates.ca_file) as session:
        for name, password in (
            (person, "wrong"),
            (f"cn=nobody,{STAFF}", "wrong"),
            ("cn=elsewhere,dc=other", "wrong"),
            (SYNC_ACCOUNT, "wrong"),
            (SYNC_ACCOUNT, SYNC_PASSWORD),
        ):
            session.bind(name, password)
        for base, filter_, attributes in (
            (STAFF, "(telephoneNumber=*)", ("mail",)),
            ("dc=other", "(mail=*)", ("mail",)),
            ("", "(objectClass=*)", ("*",)),
            (STAFF, "(mail=*)", ("*", "+")),
        ):
            session.result(session.search(base, filter_, attributes=attributes))
    inside = site.insides["inside-1"]
    inside.wait_for_audit(operation="search")
    tripped = {key: value for key, value in samples(inside.admin_port).items() if "policy_refusals_total" in key[0]}
    assert len(tripped) > 30
    assert not any(tripped.values())


def test_rises_falls_and_changed_keys_are_records_and_readyz_says_why(
    slapd, certificates, start_gateway, open_client, tmp_path
):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
    admin = {"address": "127.0.0.1:0"}
    site = Site(start_gateway, tmp_path, configuration(certificates, slapd.gateway_directory, client, admin=admin))
    inside = site.insides["inside-1"]
    (risen,) = site.outside.wait_for_audit(record="link", event="risen")
    assert (risen["link"], risen["peer"]) == ("inside", "inside-1")
    (called,) = inside.wait_for_audit(record="link", event="risen")
    assert (called["link"], called["peer"]) == ("dmz", site.keys.address)
    site.outside.send("SIGSTOP")
    site.outside.kill()
    (lost,) = inside.wait_for_audit(record="link", event="fallen")
    assert (lost["why"], lost["peer"]) == ("closed", site.keys.address)
    status, _, text = get(inside.admin_port, "/readyz")
    assert status == 503
    assert f"link dmz: there is no line to a gateway outside: {site.keys.address}: " in text
    outside = start_gateway(outside_of(site.direct, site.keys))
    outside.wait_for("agent inside-1 is here")
    inside.kill()
    (fallen,) = outside.wait_for_audit(record="link", event="fallen")
    assert (fallen["why"], fallen["peer"]) == ("closed", "inside-1")
    status, _, text = get(outside.admin_port, "/readyz")
    assert status == 503
    assert "directory corp: no gateway inside is ready on link inside: agent inside-1 is not here: " in text
    with RawClient(outside.port, certificates.ca_file) as session:
        assert session.bind(*ACCOUNT) == 52
    new = write_pair(tmp_path, "newer", datetime.now(UTC))
    new.certificate.rename(site.keys.agents["inside-1"].certificate)
    (changed,) = outside.wait_for_audit(record="link", event="key-changed")
    assert changed["peer"] == "inside-1"
    assert changed["said"].startswith("SHA256:")


def test_what_the_inside_does_not_list_does_not_leave_it(slapd, certificates, start_gateway, open_client, tmp_path):
    """The outside's own policy lists more than the inside's: as one would that somebody has taken over."""
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ["mail", "displayName"]}
    direct = configuration(certificates, slapd.gateway_directory, client)
    keys = LinkKeys(tmp_path)
    wider = json.loads(direct)
    wider["clients"]["mimecast"] |= {
        "base_dns": list(BASES),
        "attributes": ["mail", "displayName", "telephoneNumber"],
        "filter_attributes": ["objectClass", "telephoneNumber"],
    }
    outside = start_gateway(outside_of(json.dumps(wider), keys))
    inside = start_gateway(inside_of(direct, keys))
    outside.wait_for("agent inside-1 is here")
    session = open_client(outside, *ACCOUNT)
    assert session.result(session.search(STAFF, attributes=("mail",)))[1].code == 0
    for asked, reason in (
        (session.search(STAFF, attributes=("mail", "telephoneNumber")), "attribute-not-allowed"),
        (session.search(GROUPS, attributes=("mail",)), "base-not-allowed"),
        (session.search(STAFF, "(telephoneNumber=*)", attributes=("mail",)), "filter-attribute-not-allowed"),
    ):
        assert session.result(asked)[1].code != 0
        assert inside.wait_for_audit(reason=reason)


def test_whoever_is_not_pinned_any_more_is_cut_off(slapd, certificates, start_gateway, open_client, tmp_path):
    """By its file alone: no signal is sent, but for a reload while a file is gone."""
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
    site = Site(start_gateway, tmp_path, configuration(certificates, slapd.gateway_directory, client))
    inside = site.insides["inside-1"]
    agent, host = site.keys.agents["inside-1"].certificate, site.keys.outside.certificate
    its_own = agent.read_bytes(), host.read_bytes()
    (tmp_path / "new").mkdir()
    new = write_pair(tmp_path / "new", "inside-1", datetime.now(UTC)).certificate.read_bytes()
    # Each end reads the other's certificate elsewhere than that one reads its own.
    (tmp_path / "there").mkdir()
    agent_there, host_there = tmp_path / "there" / "agent.pem", tmp_path / "there" / "host.pem"
    agent_there.write_bytes(its_own[0])
    host_there.write_bytes(its_own[1])
    outside_text = site.outside.config.read_text().replace(str(agent), str(agent_there), 1)
    inside_text = inside.config.read_text()
    at = inside_text.rindex(str(host))
    inside_text = inside_text[:at] + str(host_there) + inside_text[at + len(str(host)) :]
    assert "reloaded" in site.outside.reload(outside_text)
    assert "reloaded" in inside.reload(inside_text)

    def cut_off(change, *said):
        session = open_client(site.outside, *ACCOUNT)
        before = len(site.outside.log()), len(inside.log())
        change()
        for text in said:
            site.outside.wait_for(text, before[0])
        inside.wait_for("lost the gateway at" if said else "is shut out", before[1])
        assert isinstance(session.event(), Disconnection)
        assert session.event() is None

    def comes_back(file, octets):
        before = len(site.outside.log())
        file.write_bytes(octets)
        site.outside.wait_for("agent inside-1 is here", before)

    cut_off(lambda: agent_there.write_bytes(new), "agent inside-1 is not here any more")
    comes_back(agent_there, its_own[0])
    cut_off(agent_there.unlink, "inside-1 is shut out: ", "agent inside-1 is not here any more")
    said = site.outside.reload(outside_text)
    assert f"{agent_there}: cannot be read: there is no such file; inside-1 is shut out until" in said
    assert "nobody is at the other end of this link" in said
    assert "reloaded" in site.outside.wait_for("] reload")
    comes_back(agent_there, its_own[0])
    cut_off(host_there.unlink)
    comes_back(host_there, its_own[1])
    assert read(open_client(site.outside, *ACCOUNT), [STAFF], ATTRIBUTES).code == 0


def test_an_agent_that_is_killed_leaves_its_sessions_to_the_other_one(
    slapd, certificates, start_gateway, open_client, tmp_path
):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
    direct = configuration(certificates, slapd.gateway_directory, client)
    site = Site(start_gateway, tmp_path, direct, ("inside-1", "inside-2"))
    session = open_client(site.outside, *ACCOUNT)
    serving = site.outside.wait_for_audit(operation="bind")[-1]["server"].rpartition("/")[2]
    site.insides[serving].kill()
    # What was open ends with an error, and whoever comes then is served by the other one.
    assert isinstance(session.event(), Disconnection)
    again = open_client(site.outside, *ACCOUNT)
    assert again.result(again.search(STAFF, attributes=("mail",)))[1].code == 0
    (other,) = site.insides.keys() - {serving}
    assert site.outside.wait_for_audit(operation="search")[-1]["server"] == f"link://inside/{other}"


def test_the_outside_holds_nothing_of_the_directory(slapd, site):
    """No name, address or port of a server is in what the outside has in memory, in its files or in its logs."""
    needles = [f":{slapd.port}".encode(), slapd.url.encode()]
    kept = site.outside.config.read_bytes() + site.outside.log().encode() + site.outside.audit_text().encode()
    assert not any(needle in kept for needle in needles)
    memory = memory_of(site.outside.process.pid)
    assert b"link://inside/inside-1" in memory
    assert not any(needle in memory for needle in needles)


def test_a_container_above_the_allowed_bases_can_be_read_by_itself(site, open_client):
    """The test buttons of services do that, and the inside must not take it for a break-in."""
    client = open_client(site.outside, *ACCOUNT)
    names, result = client.result(client.search(SUFFIX, attributes=("objectClass",), scope=BASE_OBJECT))
    assert (names, result.code) == ([SUFFIX], 0)
