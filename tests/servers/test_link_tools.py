"""What the tools say at either end of a link: doctor, preview, escape, explain, link export."""

import json
import os
import subprocess
import sys

import pytest

from tests.servers.gateway_process import ROOT, configuration, free_port
from tests.servers.link_ends import LinkKeys, inside_of, outside_of
from tests.servers.slapd_tree import STAFF, SYNC_ACCOUNT, SYNC_PASSWORD

ATTRIBUTES = ("mail", "displayName", "objectClass", "entryUUID")
THERE = (
    "directory corp is reached by link inside, so its servers cannot be asked from here; run this command at the "
    "gateway inside"
)


class Tool:
    """One run of a command."""

    def __init__(self, *arguments):
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "LDAP_GATEWAY_PASSWORD"},
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert SYNC_PASSWORD not in ended.stdout + ended.stderr
        self.status, self.output, self.error = ended.returncode, ended.stdout, ended.stderr

    def findings(self, area):
        """By subject the status, and what was said, of each step."""
        found = {}
        for each in json.loads(self.output)["findings"]:
            if each["area"] == area:
                found.setdefault(each["subject"], {})[each["step"]] = each["status"], each["said"]
        return found


class Site:
    """Both ends, whose admin pages have ports that their configurations name."""

    def __init__(self, start_gateway, directory, direct):
        self.keys = LinkKeys(directory)
        self.password = directory / "password"
        self.password.write_text(SYNC_PASSWORD)
        self.password.chmod(0o600)
        self.outside = start_gateway(with_admin(outside_of(direct, self.keys)))
        self.inside = start_gateway(with_admin(inside_of(direct, self.keys)))
        self.outside.wait_for("the policies here and at agent inside-1 agree")

    def doctor(self, end, *arguments):
        return Tool("doctor", "-c", end.config, "--json", "--client", "mimecast", *arguments)


def with_admin(config):
    return json.dumps({**json.loads(config), "admin": {"address": f"127.0.0.1:{free_port()}"}}, indent=1)


@pytest.fixture(scope="module")
def site(slapd, certificates, start_gateway, tmp_path_factory):
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ATTRIBUTES}
    direct = configuration(certificates, slapd.gateway_directory, client)
    return Site(start_gateway, tmp_path_factory.mktemp("site"), direct)


def test_doctor_at_the_inside_walks_to_the_outside_and_to_the_servers(site, slapd):
    ran = site.doctor(site.inside, "--password-file", site.password)
    links = ran.findings("link")
    assert links["dmz"]["own key"][0] == "ok"
    steps = links[f"dmz, {site.keys.address}"]
    assert {status for status, _ in steps.values()} == {"ok"}, steps
    assert steps["clients"][1] == "it asks for mimecast"
    assert steps["policies"][1] == "both ends have the same"
    assert ran.findings("server")[slapd.url]["answers"][0] == "ok"
    assert ran.findings("account")["client mimecast"]["signs in"][0] == "ok"
    assert not ran.findings("listener")


def test_doctor_at_the_outside_tells_of_the_agents_and_where_to_go_on(site):
    ran = site.doctor(site.outside)
    links = ran.findings("link")
    assert links["inside"]["own key"][0] == links["inside"]["listens"][0] == "ok"
    assert links["inside"]["sources"] == ("warning", "every address may connect")
    agent = links["inside, agent inside-1"]
    assert {status for status, _ in agent.values()} == {"ok"}, agent
    # The round trip is known from the first ping on.
    assert "connections wait" in agent["here"][1]
    assert agent["clients"][1] == "ready for mimecast"
    (servers,) = ran.findings("server").values()
    assert servers == {"servers": ("ok", "the gateway inside alone knows them; 1 of 1 agents of link inside are here")}
    for area in ("account", "directory"):
        skipped = [step for steps in ran.findings(area).values() for step in steps.values() if step[0] == "skipped"]
        assert skipped and {said for _, said in skipped} == {THERE}
    assert "failed" not in ran.output


def test_a_look_takes_no_line_and_no_berth_and_is_no_stranger(site):
    before = len(site.outside.log())
    site.doctor(site.inside)
    later = site.outside.log()[before:]
    assert "agent" not in later and "nobody" not in later


@pytest.mark.parametrize(
    "arguments", [("preview", "--client", "mimecast"), ("escape", "--directory", "corp", "CN=a,DC=corp,DC=example")]
)
def test_what_asks_servers_is_sent_to_the_inside_before_it_asks_for_a_password(site, arguments):
    ran = Tool(*arguments, "-c", site.outside.config)
    assert (ran.status, ran.output, ran.error.strip()) == (2, "", THERE)


def test_preview_at_the_inside_shows_what_the_outside_can_get(site):
    ran = Tool("preview", "-c", site.inside.config, "--client", "mimecast", "--password-file", site.password)
    assert ran.status == 0, ran.error
    assert STAFF in ran.output


def test_each_end_has_a_health_page_and_a_check(site):
    for end in (site.outside, site.inside):
        assert Tool("health", "-c", end.config, "--ready").status == 0
        assert Tool("check", "-c", end.config).output.endswith("ok\n")


def test_records_of_either_end_can_be_judged_again(site, open_client):
    session = open_client(site.outside, SYNC_ACCOUNT, SYNC_PASSWORD)
    assert session.result(session.search(STAFF, attributes=("mail",)))[1].code == 0
    for end in (site.outside, site.inside):
        (record,) = end.wait_for_audit(operation="search", base=STAFF)[-1:]
        ran = Tool("explain", "-c", end.config, "--record", json.dumps(record), "--json")
        assert (ran.status, json.loads(ran.output)["decision"]) == (0, "permit")


def test_both_ends_that_are_alone(slapd, certificates, start_gateway, tmp_path):
    """One of them at a time; the directory's servers are well."""
    client = {"sync_accounts": [SYNC_ACCOUNT], "base_dns": [STAFF], "attributes": ATTRIBUTES}
    site = Site(start_gateway, tmp_path, configuration(certificates, slapd.gateway_directory, client))
    site.inside.kill()
    site.outside.wait_for("agent inside-1 is not here any more")
    ran = site.doctor(site.outside)
    assert ran.status == 2
    assert ran.findings("link")["inside, agent inside-1"]["here"][0] == "failed"
    (servers,) = ran.findings("server").values()
    assert servers["servers"] == (
        "failed",
        "the gateway inside alone knows them; 0 of 1 agents of link inside are here, and none is ready for mimecast",
    )
    site.outside.kill()
    ran = site.doctor(site.outside)
    agent = ran.findings("link")["inside, agent inside-1"]
    assert agent["here"][0] == "skipped" and "cannot be asked" in agent["here"][1]
    assert ran.findings("link")["inside"]["listens"] == ("warning", "nothing listens yet; the port is free")
    (servers,) = ran.findings("server").values()
    assert servers == {"servers": ("skipped", THERE)}
    ran = site.doctor(site.inside)
    steps = ran.findings("link")[f"dmz, {site.keys.address}"]
    assert steps["connects"] == ("failed", "refused: the host is there, and nothing listens on this port")
    assert ran.status == 2
