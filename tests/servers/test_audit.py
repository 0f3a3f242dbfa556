"""The audit of a gateway at work: rotated, full, hung, moved, and complete at the end."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gateway.ldap import messages as m
from gateway.ldap.messages import BASE_OBJECT
from gateway.ldap.results import LDAPResult
from gateway.link.observer import LinkEvent, LinkEventKind
from gateway.observe.audit.records import audit_object, guard_object, link_object, lost_object, sync_object
from gateway.observe.sync_runs import SyncRun
from gateway.policy.decision import Mended
from gateway.policy.lockout import GuardedAccount
from gateway.relay.audit import AuditRecord, CameBy
from gateway.state.guards import GuardChange, GuardEnd
from tests.observe.admin_client import get, samples
from tests.observe.syslog_server import SyslogServer
from tests.servers.gateway_process import PATIENCE, ROOT, GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds
from tests.servers.terminal import Terminal
from tests.skips import KernelFeature

ACCOUNT = ("svc@corp.example", "Passw0rd")
BASE = "DC=corp,DC=example"
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": [BASE], "attributes": ["cn"]}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def one_entry(request):
    if not isinstance(request, m.SearchRequest):
        return accept_binds(request)
    entry = m.SearchResultEntry(f"CN=x,{BASE}", (m.Attribute("cn", (b"x",)),))
    return [entry, m.SearchResultDone(LDAPResult(0))]


@pytest.fixture(scope="module")
def server(certificates):
    with StubServer(certificates, one_entry) as running:
        yield running


@pytest.fixture
def text(certificates, server):
    """A function that makes a configuration from the keys of its audit block, and those of its client."""

    def make(audit, **client):
        return configuration(
            certificates, server.gateway_directory(), CLIENT | client, audit=audit, admin={"address": "127.0.0.1:0"}
        )

    return make


def records(*paths):
    """Every line of these files must be a whole record."""
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def until(reached):
    end = time.monotonic() + PATIENCE
    while not (found := reached()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def search(session, count=1, text="(objectClass=*)"):
    for _ in range(count):
        assert session.result(session.search(BASE, text, scope=BASE_OBJECT))[1].code == 0


@contextmanager
def searching(running, certificates):
    """Searches one after another while the context lasts; yields a list that grows with each."""
    done, stop = [], threading.Event()

    def work():
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.bind(*ACCOUNT) == 0
            while not stop.is_set():
                search(session)
                done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert done and not thread.is_alive()


@pytest.mark.parametrize("signal", ["SIGUSR1", "SIGHUP"])
def test_rotation_under_load_loses_nothing(certificates, text, tmp_path, signal):
    path = tmp_path / "audit.jsonl"
    with GatewayProcess(tmp_path, text({"file": "audit.jsonl"})) as running:
        with searching(running, certificates) as done:
            for number in range(8):
                before = len(done)
                until(lambda before=before: len(done) > before + 20)
                path.rename(tmp_path / f"audit.jsonl.{number}")
                said = len(running.log())
                running.send(signal)
                running.wait_for(f"audit: {path}: opened anew", said)
                assert path.exists()
        assert running.stop() == 0
    rotated = [tmp_path / f"audit.jsonl.{number}" for number in range(8)]
    assert all(len(records(each)) >= 20 for each in rotated)
    found = [record for record in records(*rotated, path) if record["operation"] == "search"]
    assert len(found) == len(done)
    # Each operation once, in its order.
    assert [record["message_id"] for record in found] == list(range(2, len(done) + 2))


def test_a_sync_is_summed_up_when_its_gap_has_passed(certificates, text, tmp_path, open_client):
    with GatewayProcess(tmp_path, text({}, sync_gap=0.5)) as running:
        session = open_client(running, *ACCOUNT)
        for _ in range(3):
            assert session.result(session.search(BASE))[1].code == 0
        (run,) = running.wait_for_audit(record="sync")
        assert (run["client"], run["operations"], run["entries"], run["complete"]) == ("mimecast", 3, 3, True)
        assert run["why_not"] == ""
        (sign_in,) = running.audit(record="sign-in")
        assert (sign_in["account"], sign_in["meaning"], sign_in["sync_account"]) == (ACCOUNT[0], "signed in", True)


def test_the_stop_writes_everything_and_sums_up_what_is_under_way(certificates, text, tmp_path):
    path = tmp_path / "audit.jsonl"
    with GatewayProcess(tmp_path, text({"file": "audit.jsonl"})) as running:
        with RawClient(running.port, certificates.ca_file) as session:
            assert session.bind(*ACCOUNT) == 0
            ids = [session.search(BASE) for _ in range(80)]
            session.results(*ids)
        assert running.stop() == 0
    found = records(path)
    assert sum(record.get("operation") == "search" for record in found) == 80
    (run,) = [record for record in found if record["record"] == "sync"]
    assert (run["operations"], run["complete"], run["cut_short"]) == (80, True, True)
    assert found[-1] == run


def test_a_disk_that_is_full_stops_no_search_and_is_told(certificates, text, tmp_path, open_client):
    with GatewayProcess(tmp_path, text({"file": "/dev/full"})) as running:
        session = open_client(running, *ACCOUNT)
        search(session, 20)
        why = "audit records are not written: /dev/full: the disk is full"
        until(lambda: json.loads(get(running.admin_port, "/readyz")[2])["notes"] == [why])
        assert get(running.admin_port, "/readyz")[0] == 200
        found = samples(running.admin_port)
        assert (found["ldap_gateway_audit_up",], found["ldap_gateway_audit_records_lost_total",]) == (0, 0)
        assert found["ldap_gateway_audit_waiting_bytes",] > 5000
        assert f"A{why[1:]}." in get(running.admin_port, "/")[2]
        assert running.log().count("audit: /dev/full: the disk is full") == 1
        running.terminate()
        assert running.process.wait(PATIENCE) == 0
        assert "audit: 21 records could not be written before the end" in running.log()


@pytest.fixture
def small_disk(tmp_path):
    """Of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", place], capture_output=True, text=True, timeout=PATIENCE
    )
    if mounted.returncode != 0:
        KernelFeature.mount.skip()
    yield place
    subprocess.run(["umount", "--lazy", place], check=True, timeout=PATIENCE)


def test_what_a_full_disk_cost_is_in_the_audit_once_there_is_room(
    certificates, text, tmp_path, small_disk, open_client
):
    path = small_disk / "audit.jsonl"
    audit = {"file": str(path), "filter_values": True, "buffer": 2**20}
    # A line of it has nearly as many octets as a line may have.
    long = f"(objectClass={'x' * 30_000})"
    with GatewayProcess(tmp_path, text(audit)) as running:
        session = open_client(running, *ACCOUNT)
        # What the file takes, what the queue takes, and what is lost.
        search(session, 80, long)
        lost = until(lambda: samples(running.admin_port)["ldap_gateway_audit_records_lost_total",])
        assert 20 < lost < 80
        for record in records(path):
            assert record["operation"] in ("bind", "search")
        full = path.stat().st_size
        subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True, timeout=PATIENCE)
        until(lambda: samples(running.admin_port)["ldap_gateway_audit_up",] == 1)
        until(lambda: samples(running.admin_port)["ldap_gateway_audit_waiting_bytes",] == 0)
        search(session)
        (note,) = json.loads(get(running.admin_port, "/readyz")[2])["notes"]
        assert note == f"{lost:.0f} audit records lost since the start; the audit says when"
        assert running.stop() == 0
        assert "takes records again" in running.log()
    assert 100_000 < full <= 256 * 1024
    found = records(path)
    (told,) = [record for record in found if record["record"] == "lost"]
    assert (told["records"], told["why"]) == (lost, f"{path}: the disk is full")
    searches = [record for record in found if record.get("operation") == "search"]
    assert len(searches) == 81 - lost
    # It stands where they would.
    assert found.index(searches[-1]) > found.index(told) > found.index(searches[-2])


def test_a_pipe_that_nobody_reads_stops_no_search(certificates, text, tmp_path, open_client):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with GatewayProcess(tmp_path, text({"file": "pipe"})) as running:
        session = open_client(running, *ACCOUNT)
        search(session, 300)
        until(lambda: samples(running.admin_port)["ldap_gateway_audit_waiting_bytes",] > 50_000)
        search(session)
        os.set_blocking(reading, True)
        taken = b""
        while taken.count(b'"operation": "search"') < 301:
            taken += os.read(reading, 65_536)
        until(lambda: samples(running.admin_port)["ldap_gateway_audit_waiting_bytes",] == 0)
        assert samples(running.admin_port)["ldap_gateway_audit_records_lost_total",] == 0
        os.set_blocking(reading, False)
        # One that is not read at the end either does not hold the process up for ever.
        search(session, 300)
        running.terminate()
        assert running.process.wait(PATIENCE) == 0
        assert "records could not be written before the end" in running.log()
    os.close(reading)


def test_a_reload_moves_the_audit_or_leaves_it_where_it_is(certificates, text, tmp_path, open_client):
    with SyslogServer("tcp") as syslog, GatewayProcess(tmp_path, text({"file": "first"})) as running:
        session = open_client(running, *ACCOUNT)
        search(session, 3)
        said = running.reload(text({"file": "missing/second"}))
        assert f"audit.file {tmp_path}/missing/second: cannot be written: {tmp_path}/missing is not there" in said
        assert "reload refused: the configuration from before stays in force" in said
        search(session, 3)
        # Nothing of a configuration that is refused elsewhere is taken over.
        broken = json.loads(text({"file": "second"}))
        broken["listeners"].append({**broken["listeners"][0], "address": "192.0.2.1:1636"})
        assert "no interface of this host has this address" in running.reload(json.dumps(broken))
        search(session, 3)
        # What is not written yet goes to the new place.
        until(lambda: (tmp_path / "first").read_text().count("\n") == 10)
        assert "reloaded" in running.reload(text({"file": "second", "format": "text"}))
        search(session, 3)
        until(lambda: (tmp_path / "second").read_text().count("\n") == 3)
        assert "reloaded" in running.reload(text({"syslog": {"address": syslog.address}}))
        search(session, 3)
        messages = syslog.wait_for(3)
        assert [json.loads(message["text"])["operation"] for message in messages] == ["search"] * 3
        assert running.stop() == 0
    assert [record["operation"] for record in records(tmp_path / "first")] == ["bind"] + ["search"] * 9
    for line in (tmp_path / "second").read_text().splitlines():
        assert f" search session={records(tmp_path / 'first')[0]['session']} client=mimecast " in line


def test_the_command_follows_a_gateway_over_a_rotation(certificates, text, tmp_path, open_client):
    path = tmp_path / "audit.jsonl"
    with GatewayProcess(tmp_path, text({"file": "audit.jsonl"})) as running:
        session = open_client(running, *ACCOUNT)
        search(session, 15)
        until(lambda: path.read_bytes().count(b"\n") == 16)
        with Terminal("audit", "-c", running.config, "--follow", columns=200) as terminal:
            terminal.wait_for_lines(10)
            search(session, 5)
            terminal.wait_for_lines(15)
            path.rename(tmp_path / "audit.jsonl.1")
            search(session, 5)
            running.send("SIGUSR1")
            running.wait_for("opened anew")
            search(session, 5)
            terminal.wait_for_lines(25)
            terminal.interrupt()
            assert terminal.end() == 0
        shown = [line for line in terminal.lines if line and not line.startswith("^C")]
        assert len(shown) == 25
        assert all("  mimecast  " in line and "  success  base DC=corp,DC=example" in line for line in shown)
        assert running.stop() == 0


def test_every_field_is_in_the_documentation():
    whole = AuditRecord(
        "s1", "c", "192.0.2.1", "search", 1, 0.0, mapped_to="x", guarded_for=1.0, narrowed_to=("x",), suspicious=("x",),
        reported=("x",), mended=(Mended("base", "x", "y"),), detail="x", server_code=0, server_meaning="x", code=0,
        came_by=CameBy("dmz", "s7", "192.0.2.1"), server_session="s8",
    )  # fmt: skip
    run = SyncRun("c", 0.0, 1.0, 1, 1, 0, 1, 1, {}, True, cut_short=True)
    shown = [audit_object(each, True, 0.0) for each in (whole, replace(whole, operation="bind"))]
    account = GuardedAccount("corp", "name:jane")
    changes = GuardChange(account, 3, 1800.0), GuardChange(account, end=GuardEnd.expired)
    shown += [sync_object(run), lost_object(1, 0.0, 0.0, "x"), {"shortened": {}}]
    shown += [guard_object(change, 0.0) for change in changes]
    shown.append(link_object(LinkEvent("dmz", LinkEventKind.refused, "inside-1", "x", "x", 2), 0.0))
    section = OPERATIONS.partition("## The audit\n")[2].partition("\n**")[0]
    documented = {name for row in re.findall("^\\| (`.*?) \\|", section, re.M) for name in re.findall("`(.*?)`", row)}
    assert documented == {name for each in shown for name in each}


def test_logrotate_as_the_documentation_has_it(certificates, text, tmp_path, open_client):
    if shutil.which("logrotate") is None:
        pytest.skip("needs logrotate")
    (example,) = re.findall(r"^```\n(/var/log/ldap-gateway/audit\.jsonl \{\n.*?)^```$", OPERATIONS, re.M | re.S)
    path = tmp_path / "logs" / "audit.jsonl"
    path.parent.mkdir(mode=0o755)
    with GatewayProcess(tmp_path, text({"file": str(path)})) as running:
        session = open_client(running, *ACCOUNT)
        command = re.search("systemctl kill .*", example)[0]
        rules = example.replace("/var/log/ldap-gateway/audit.jsonl", str(path))
        (tmp_path / "rules").write_text(rules.replace(command, f"kill -USR1 {running.process.pid}"))
        (tmp_path / "rules").chmod(0o644)
        for _ in range(3):
            search(session, 5)
            until(lambda: path.exists() and path.read_bytes().count(b'"search"') == 5)
            said = len(running.log())
            subprocess.run(
                ["logrotate", "--force", "--state", tmp_path / "state", tmp_path / "rules"],
                check=True,
                timeout=PATIENCE,
            )
            running.wait_for("opened anew", said)
        assert running.stop() == 0
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "audit.jsonl",
        "audit.jsonl.1",
        "audit.jsonl.2.gz",
        "audit.jsonl.3.gz",
    ]
    said = subprocess.run(
        [sys.executable, "-m", "gateway", "audit", "--json", *path.parent.iterdir()],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert [each["message_id"] for each in found] == list(range(1, 17))
