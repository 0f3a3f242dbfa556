"""A directory behind two gateways and a link between them: slapd, the inside, the outside, and clients before it."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ask.client import Disconnection
from gateway.link.keys import write_pair
from tests.servers.gateway_process import configuration
from tests.servers.link_ends import LinkKeys, inside_of, outside_of
from tests.servers.slapd_tree import CONTACTS, GROUPS, STAFF, SYNC_ACCOUNT, SYNC_PASSWORD
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
    direct = configuration(certificates, slapd.gateway_directory, client)
    return Site(start_gateway, tmp_path_factory.mktemp("keys"), direct)


def test_a_sync_through_a_link_is_complete(slapd, site, open_client):
    direct = read_directly(slapd.url, slapd.certificates.ca_file, ACCOUNT, BASES, ATTRIBUTES)
    whole = read(open_client(site.outside, *ACCOUNT), BASES, ATTRIBUTES)
    assert whole.code == 0
    assert whole.entries == direct


def test_both_ends_record_what_comes_over_a_link(site, open_client):
    client = open_client(site.outside, *ACCOUNT)
    assert client.result(client.search(STAFF, attributes=("mail",)))[1].code == 0
    outside = site.outside.wait_for_audit(operation="search")[-1]
    assert outside["server"] == "link://inside/inside-1"
    inside = site.insides["inside-1"].wait_for_audit(operation="search")[-1]
    assert (inside["source"], inside["client"], inside["decision"]) == ("link dmz", "mimecast", "permit")
    assert inside["entries"] == outside["entries"] > 0


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


def test_a_certificate_that_is_replaced_cuts_off_whoever_had_the_old_one(
    slapd, certificates, start_gateway, open_client, tmp_path
):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": BASES, "attributes": ATTRIBUTES}
    site = Site(start_gateway, tmp_path, configuration(certificates, slapd.gateway_directory, client))
    session = open_client(site.outside, *ACCOUNT)
    pinned = site.keys.agents["inside-1"].certificate
    (tmp_path / "new").mkdir()
    new = write_pair(tmp_path / "new", "inside-1", datetime.now(UTC))
    new.certificate.rename(pinned)
    site.outside.wait_for("agent inside-1 is not here any more")
    notice = session.event()
    assert isinstance(notice, Disconnection)
    assert session.event() is None


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


def memory_of(pid):
    """All that a process may write to, or has read."""
    found = []
    process = Path("/proc") / str(pid)
    with (process / "maps").open() as maps, (process / "mem").open("rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            begin, end = (int(each, 16) for each in span.split("-"))
            with contextlib.suppress(OSError, ValueError):
                mem.seek(begin)
                found.append(mem.read(end - begin))
    return b"".join(found)
