"""Each alert, fired from the metrics of a gateway in the state that causes it, and nothing beside it."""

import json
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from argon2 import PasswordHasher

from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from tests.observe.admin_client import get, samples
from tests.observe.timeline import Timeline, as_test, written
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration, free_port
from tests.servers.link_ends import LinkKeys, inside_of, outside_of
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

ALERTS = Path(__file__).parents[1] / "docker" / "monitoring" / "alerts.yaml"
BASE = "DC=corp,DC=example"
ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {
    "sources": ["127.0.0.1"],
    "sync_accounts": [ACCOUNT[0]],
    "base_dns": [BASE],
    "attributes": ["cn", "mail"],
    "sync_gap": 1,
}
WRONG = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 52e, v3839"
# Minutes of a gateway that is well, before a state begins.
WELL = 30

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"), "gateway", valid=timedelta(days=90))


@pytest.fixture(scope="module")
def server_certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server", valid=timedelta(days=90))


class Answers:
    """What a directory does, which the test changes."""

    def __init__(self):
        self.wrong = self.silent = False
        self.entries = 60

    def __call__(self, request):
        if isinstance(request, m.BindRequest):
            if self.silent:
                return []
            return [m.BindResponse(LDAPResult(49, "", WRONG) if self.wrong else LDAPResult(0))]
        if isinstance(request, m.SearchRequest):
            found = (m.SearchResultEntry(f"CN=u{i},{BASE}", (m.Attribute("cn", (b"u",)),)) for i in range(self.entries))
            return [*found, m.SearchResultDone(LDAPResult(0))]
        return []


class Site:
    """A gateway before one server, and the minutes of its metrics: it is well when the test begins."""

    def __init__(self, running, certificates, server, answers):
        self.running = running
        self.server = server
        self.place = ("corp", f"localhost:{server.port}")
        self.answers = answers
        self.certificates = certificates
        self.began = time.time()
        self.minutes = Timeline(self.began)
        self.firing = {}

    def scrape(self):
        status, _, text = get(self.running.admin_port, "/metrics")
        assert status == 200
        return text

    def sign_in(self, name=ACCOUNT[0], password=ACCOUNT[1]):
        with RawClient(self.running.port, self.certificates.ca_file) as session:
            return session.bind(name, password)

    def sync(self, base=BASE):
        """One whole sync run; the result of its search."""
        with RawClient(self.running.port, self.certificates.ca_file) as session:
            assert session.bind(*ACCOUNT) == 0
            code = session.result(session.search(base, attributes=("cn",)))[1].code
        self.until("sync_running", "mimecast", holds=lambda value: value == 0)
        return code

    def until(self, name, *labels, holds=bool):
        """Waits until a sample is as wanted."""
        until = time.monotonic() + PATIENCE
        while not holds((found := samples(self.running.admin_port))["ldap_gateway_" + name, *labels]):
            assert time.monotonic() < until, found
            time.sleep(0.1)

    def well(self):
        self.sync()
        self.minutes.lasts(WELL, self.scrape())
        self.expect()

    def lasts(self, minutes, *alerts):
        """The state lasts so long, and then these alerts fire."""
        self.minutes.lasts(minutes, self.scrape())
        self.expect(*alerts)

    def expect(self, *alerts):
        self.firing[self.minutes.now] = set(alerts)


@pytest.fixture
def check(tmp_path):
    """Has promtool judge the minutes of a site."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs Prometheus's own checker: apt-get install prometheus")

    def judge(site):
        tests = tmp_path / "tests.yaml"
        tests.write_text(written(str(ALERTS), as_test("state", site.minutes, site.firing)))
        ended = subprocess.run([program, "test", "rules", tests], capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return judge


@pytest.fixture
def start(tmp_path, certificates, server_certificates):
    """A function that starts a site. client, others: of the configuration. directory: of its block."""
    with ExitStack() as open_:

        def begin(client=None, directory=None, servers=(), launcher=(), files=certificates, **others):
            answers = Answers()
            server = open_.enter_context(StubServer(server_certificates, answers))
            block = {**server.gateway_directory(), **(directory or {})}
            block["servers"] = block["servers"] and [*block["servers"], *servers]
            block = {key: value for key, value in block.items() if value is not None}
            others = {"admin": {"address": "127.0.0.1:0"}, **others}
            config = configuration(files, block, {**CLIENT, **(client or {})}, **others)
            running = open_.enter_context(GatewayProcess(tmp_path, config, launcher=launcher))
            return Site(running, files, server, answers)

        yield begin


def test_a_gateway_that_is_well_fires_none(start, check):
    site = start()
    site.well()
    site.lasts(23 * 60)
    check(site)


def test_a_sync_account_that_cannot_sign_in_does_within_a_quarter_of_an_hour(start, check):
    site = start()
    site.well()
    site.answers.wrong = True
    assert site.sign_in() == 49
    site.lasts(5)
    site.lasts(10, "LdapGatewaySyncAccountRefused")
    assert site.sign_in() == 49
    site.lasts(8 * 60, "LdapGatewaySyncAccountRefused")
    site.answers.wrong = False
    assert site.sign_in(password="Passw0rd-new") == 0
    site.lasts(2)
    check(site)


def test_a_guess_at_the_account_of_a_client_that_syncs_on_does_not(start, check):
    site = start()
    site.well()
    site.answers.wrong = True
    assert site.sign_in(password="guess-Passw0rd") == 49
    site.lasts(5)
    site.answers.wrong = False
    assert site.sync() == 0
    site.lasts(60)
    check(site)


def test_a_closed_guard_does(start, check):
    site = start(client={"lockout": {"failures": 2, "window": "30m"}})
    site.well()
    site.answers.wrong = True
    for number in range(3):
        assert site.sign_in(password=f"guess-{number}-Passw0rd") == 49
    assert samples(site.running.admin_port)["ldap_gateway_guarded_accounts", "sync account"] == 1
    site.lasts(14, "LdapGatewaySyncAccountRefused")
    check(site)


def test_an_own_account_that_is_refused_does(start, check, tmp_path):
    password = tmp_path / "own.password"
    password.write_text("Passw0rd-of-the-gateway")
    password.chmod(0o600)
    account = {
        "hashes": [PasswordHasher(5, 7_168, 1).hash("Outer-Passw0rd")],
        "bind_dn": f"CN=gateway,{BASE}",
        "password_file": str(password),
    }
    mapped = {"sync_accounts": [], "credentials": {"mode": "mapped", "accounts": {"sync": account}}}
    site = start(client=mapped)
    assert site.sign_in("sync", "Outer-Passw0rd") == 0
    site.minutes.lasts(WELL, site.scrape())
    site.expect()
    site.answers.wrong = True
    assert site.sign_in("sync", "Outer-Passw0rd") == 52
    site.lasts(14, "LdapGatewayOwnAccountRefused")
    check(site)


def test_a_day_without_a_sync_does(start, check):
    site = start()
    site.well()
    site.lasts(25 * 60, "LdapGatewaySyncOverdue")
    check(site)


def test_a_day_without_any_sync_does(start, check):
    site = start()
    site.lasts(23 * 60)
    site.lasts(2 * 60, "LdapGatewayNoSyncSeen")
    check(site)


def test_a_sync_that_is_not_complete_does(start, check):
    site = start()
    site.well()
    assert site.sync("DC=elsewhere") == 50
    site.until("sync_runs_total", "mimecast", "no")
    site.lasts(10, "LdapGatewaySyncNotComplete")
    site.lasts(60)
    check(site)


def test_a_result_that_shrank_does(start, check):
    site = start()
    site.well()
    site.answers.entries = 10
    assert site.sync() == 53
    site.until("sync_runs_total", "mimecast", "no")
    site.lasts(10, "LdapGatewayResultShrank", "LdapGatewaySyncNotComplete")
    check(site)


HEALTH = {"interval": 1, "timeout": 1, "fall": 1, "rise": 1}


def test_servers_that_are_gone_do(start, check):
    site = start(directory={"health": HEALTH})
    site.well()
    site.server.__exit__()
    site.until("server_up", *site.place, holds=lambda value: value == 0)
    site.lasts(5, "LdapGatewayServersUnreachable")
    directory, server = site.place
    site.until("server_connection_failures_total", directory, "refused", server, holds=lambda value: value > 3)
    site.lasts(12, "LdapGatewayServersUnreachable", "LdapGatewayServerFailing")
    check(site)


def test_one_server_of_two_that_is_down_does(start, check, server_certificates):
    with StubServer(server_certificates) as other:
        servers = [{"url": f"ldaps://127.0.0.1:{other.port}", "server_name": "localhost"}]
        site = start(directory={"health": HEALTH | {"interval": 2}}, servers=servers)
        second = ("corp", f"localhost:{other.port}")
        site.until("server_connections_total", *second)
        site.well()
    assert site.sign_in() == 0
    site.until("server_up", *second, holds=lambda value: value == 0)
    site.lasts(12, "LdapGatewayServerDown")
    check(site)


def test_a_server_that_breaks_sessions_does(start, check):
    site = start(limits={"bind": 1})
    site.well()
    site.answers.silent = True
    assert site.sign_in() == 52
    site.until("server_doubtful", *site.place)
    site.lasts(14, "LdapGatewayServerDoubtful")
    check(site)


def test_dns_that_names_no_server_does(start, check):
    discover = {"domain": "corp.example", "resolver": f"127.0.0.1:{free_port()}"}
    site = start(directory={"servers": None, "discover": discover})
    site.until("discovery_success", "corp", holds=lambda value: value == 0)
    site.lasts(12, "LdapGatewayDiscoveryFails")
    check(site)


@pytest.mark.parametrize(
    ("days", "alert"), [(15, "LdapGatewayCertificateExpiresSoon"), (5, "LdapGatewayCertificateExpiresNow")]
)
def test_a_certificate_that_expires_does(start, check, tmp_path, days, alert):
    site = start(files=make_certificates(tmp_path, "gateway", valid=timedelta(days=days)))
    site.lasts(65, alert)
    check(site)


def test_certificate_files_that_do_not_fit_do(start, check, tmp_path, server_certificates):
    files = make_certificates(tmp_path, "gateway", valid=timedelta(days=90))
    site = start(files=files)
    site.well()
    shutil.copyfile(server_certificates.private_key, files.private_key)
    site.until("tls_files_waiting")
    site.lasts(12, "LdapGatewayTlsFilesNotUsed")
    check(site)


def test_a_gateway_that_is_gone_does(start, check):
    site = start()
    site.well()
    site.running.kill()
    with pytest.raises(OSError):
        site.scrape()
    site.minutes.lasts(4, None)
    site.expect("LdapGatewayDown")
    check(site)


def test_a_reload_that_was_refused_does(start, check):
    site = start()
    site.well()
    assert "reload refused" in site.running.reload("listeners: []")
    site.lasts(7, "LdapGatewayReloadRefused")
    check(site)


def test_an_audit_that_takes_nothing_does(start, check):
    # Records come as fast as they can.
    site = start(audit={"file": "/dev/full", "buffer": 2**20}, limits={"requests_per_source": 1_000_000})
    site.minutes.lasts(WELL, site.scrape())
    site.expect()
    assert site.sign_in() == 0
    site.until("audit_up", holds=lambda value: value == 0)
    site.lasts(4, "LdapGatewayAuditNotWritten")
    with RawClient(site.running.port, site.certificates.ca_file) as session:
        while not samples(site.running.admin_port)["ldap_gateway_audit_records_lost_total",]:
            assert [session.bind(*ACCOUNT) for _ in range(200)] == [0] * 200
    site.lasts(4, "LdapGatewayAuditNotWritten", "LdapGatewayAuditLost")
    check(site)


def test_a_client_that_is_refused_again_and_again_does(start, check):
    site = start(client={"login_base_dns": [BASE], "login_domains": ["corp.example"]}, limits={"refusal_floor": 0})
    site.well()
    with RawClient(site.running.port, site.certificates.ca_file) as session:
        assert {session.bind("jane@elsewhere.example", "guess-Passw0rd") for _ in range(30)} == {49}
    site.lasts(8, "LdapGatewayRefusals")
    check(site)


def connect(site, source):
    return socket.create_connection(("127.0.0.1", site.running.port), PATIENCE, source_address=(source, 0))


def test_many_strangers_do(start, check):
    site = start()
    site.well()
    for _ in range(130):
        with connect(site, "127.0.0.9") as stranger:
            assert stranger.recv(1) == b""
    site.lasts(5, "LdapGatewayStrangers")
    check(site)


def test_many_connections_that_only_take_places_do(start, check):
    site = start(limits={"sessions_per_source": 4})
    site.well()
    with ExitStack() as silent:
        for _ in range(140):
            silent.enter_context(connect(site, "127.0.0.1"))
        site.until("refusals_total", "", "displaced", holds=lambda value: value > 120)
        site.lasts(5, "LdapGatewayConnectionsDisplaced")
    check(site)


def test_a_lockout_store_that_is_gone_does(start, check):
    site = start(lockout_store=f"redis://127.0.0.1:{free_port()}")
    site.lasts(4, "LdapGatewayLockoutStoreGone")
    check(site)


def test_an_event_loop_that_is_late_does(start, check):
    site = start()
    site.well()
    before = site.scrape()
    late = samples(site.running.admin_port)["ldap_gateway_event_loop_lag_seconds_sum",] + 1.5
    while samples(site.running.admin_port)["ldap_gateway_event_loop_lag_seconds_sum",] < late:
        # The process does not get the processor for longer than the second after which it looks at its clock.
        site.running.send("SIGSTOP")
        time.sleep(1.5)
        site.running.send("SIGCONT")
    site.minutes.goes_on(20, before, site.scrape())
    site.expect("LdapGatewayEventLoopLate")
    check(site)


def test_a_process_that_runs_out_of_files_does(start, check):
    if shutil.which("prlimit") is None:
        pytest.skip("needs util-linux: apt-get install util-linux")
    site = start(launcher=["prlimit", "--nofile=128:128"], client={"sources": ["127.0.0.0/8"]})
    site.well()
    with ExitStack() as open_:
        while samples(site.running.admin_port)["process_open_fds",] < 110:
            open_.enter_context(connect(site, "127.0.0.1"))
        site.lasts(7, "LdapGatewayFilesRunOut")
    check(site)


class Ends:
    """The two ends of a link, of which either may be asked how it is. direct: what one gateway without a link would
    have."""

    def __init__(self, tmp_path, open_, certificates, server, agents, age=timedelta(0)):
        self._tmp_path = tmp_path
        self._open = open_
        self.certificates = certificates
        self._server = server
        self._keys = LinkKeys(tmp_path, agents, age)
        block = {**server.gateway_directory(), "connect_timeout": 2}
        self.direct = configuration(certificates, block, CLIENT, admin={"address": "127.0.0.1:0"})

    def outside(self, **client):
        whole = json.loads(self.direct)
        whole["clients"]["mimecast"] |= client
        return self._site("outside", outside_of(json.dumps(whole), self._keys))

    def inside(self, agent="inside-1", directory=""):
        return self._site(directory or agent, inside_of(self.direct, self._keys, agent))

    def _site(self, name, config):
        directory = self._tmp_path / name
        directory.mkdir()
        running = self._open.enter_context(GatewayProcess(directory, config))
        return Site(running, self.certificates, self._server, None)


@pytest.fixture
def ends(tmp_path, certificates, server_certificates):
    """A function that makes the ends of a link with these agents."""
    with ExitStack() as open_:

        def begin(agents=("inside-1",), **others):
            server = open_.enter_context(StubServer(server_certificates, Answers()))
            return Ends(tmp_path, open_, certificates, server, agents, **others)

        yield begin


def test_a_link_without_a_line_and_one_with_a_second_process_of_an_agent_do(ends, check):
    found = ends(("inside-1", "inside-2"))
    outside = found.outside()
    outside.lasts(4, "LdapGatewayLinkDown")
    found.inside("inside-1")
    outside.until("link_up", "inside-1", "inside")
    outside.lasts(12, "LdapGatewayLinkAgentDown")
    found.inside("inside-2")
    outside.until("link_up", "inside-2", "inside")
    assert outside.sign_in() == 0
    outside.lasts(12)
    found.inside("inside-1", "twin")
    outside.until("link_refused_total", "inside", "already-here")
    outside.lasts(5, "LdapGatewayLinkAgentTwice")
    check(outside)


def test_a_link_on_which_sessions_wait_does(ends, check):
    found = ends()
    outside, inside = found.outside(), found.inside()
    outside.until("link_ready", "inside-1", "mimecast", "inside")
    outside.lasts(5)
    before = outside.scrape()
    inside.running.send("SIGSTOP")
    assert outside.sign_in() == 52
    after = outside.scrape()
    inside.running.send("SIGCONT")
    outside.minutes.goes_on(20, before, after)
    outside.expect("LdapGatewayLinkWaits")
    check(outside)


def test_a_link_with_an_old_key_does(ends, check):
    outside = ends(age=timedelta(days=700)).outside()
    outside.lasts(70, "LdapGatewayLinkDown", "LdapGatewayLinkKeyOld")
    check(outside)


def test_a_request_by_a_link_that_the_inside_refuses_does(ends, check):
    found = ends()
    outside, inside = found.outside(attributes=["cn", "mail", "telephoneNumber"]), found.inside()
    outside.until("link_ready", "inside-1", "mimecast", "inside")
    with RawClient(outside.running.port, found.certificates.ca_file) as session:
        assert session.bind(*ACCOUNT) == 0
        assert session.result(session.search(BASE, attributes=("cn",)))[1].code == 0
        inside.lasts(30)
        assert session.result(session.search(BASE, attributes=("cn", "telephoneNumber")))[1].code != 0
    inside.until("link_policy_refusals_total", "mimecast", "dmz", "attribute-not-allowed")
    inside.lasts(5, "LdapGatewayLinkRefuses")
    check(inside)


def test_no_alert_is_left_out():
    here = Path(__file__).read_text()
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert f'"{rule["alert"]}"' in here
