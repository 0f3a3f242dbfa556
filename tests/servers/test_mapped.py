"""Mapped credentials at work: what the service holds opens the gateway and nothing behind it."""

import json
import socket
import subprocess
import sys
import time
from itertools import cycle

import pytest
from argon2 import PasswordHasher

from gateway.demo.certificates import make_certificates
from gateway.ldap import messages as m
from gateway.ldap.results import LDAPResult
from tests.observe.admin_client import samples
from tests.servers.gateway_process import PATIENCE, ROOT, GatewayProcess, configuration
from tests.servers.ldapsearch import ldapsearch
from tests.servers.raw_client import RawClient
from tests.servers.slapd_tree import GROUPS, STAFF, SYNC_ACCOUNT, SYNC_PASSWORD, USER_PASSWORD, user_dn
from tests.servers.stub_server import StubServer, accept_binds
from tests.servers.sync_client import connect, sync

NAME = "mimecast-sync"
SECRET, NEXT_SECRET = "Outer-Passw0rd-of-today", "Outer-Passw0rd-of-tomorrow"
# The least that is served, so that the tests do not wait.
HASHER = PasswordHasher(5, 7_168, 1)
# Of SECRET; it takes a while to make as well.
SLOW_HASH = "$argon2id$v=19$m=65536,t=2,p=1$d7lSlmSgjaspynA4ojtnkA$Vp9cY9YJ4ugfrlshjqdHxdLRJvfMe2ni0N87Ra9L8wk"
HASH, NEXT_HASH = HASHER.hash(SECRET), HASHER.hash(NEXT_SECRET)
ATTRIBUTES = ["mail", "cn", "objectClass", "objectGUID", "member"]
WRONG_PASSWORD = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 52e, v3839"


class Mapped:
    """A gateway's configuration with one mapped account, and the file with the password of the gateway's own."""

    def __init__(self, tmp_path, certificates, directory, **client):
        self.password_file = tmp_path / "own.password"
        self.give(SYNC_PASSWORD)
        self._certificates = certificates
        self._directory = directory
        self._client = client

    def give(self, password):
        self.password_file.write_text(f"{password}\n")
        self.password_file.chmod(0o600)

    def text(self, *hashes, **others):
        account = {"hashes": list(hashes or (HASH,)), "bind_dn": SYNC_ACCOUNT, "password_file": str(self.password_file)}
        client = {
            "base_dns": [STAFF, GROUPS],
            "attributes": ATTRIBUTES,
            "login_base_dns": [STAFF],
            "credentials": {"mode": "mapped", "accounts": {NAME: account}},
            **self._client,
        }
        return configuration(self._certificates, self._directory, client, **others)


@pytest.fixture
def inside(tmp_path, certificates, slapd):
    return Mapped(tmp_path, certificates, slapd.gateway_directory)


@pytest.fixture
def at(certificates):
    """A function that takes a GatewayProcess and a secret and returns the code of a bind with it."""

    def sign_in(running, secret=SECRET, name=NAME):
        with RawClient(running.port, certificates.ca_file) as session:
            return session.bind(name, secret)

    return sign_in


def nothing_shown(running):
    shown = running.log() + running.audit_text()
    assert not any(hidden in shown for hidden in (SECRET, NEXT_SECRET, SYNC_PASSWORD, HASH, "$argon2id$")), shown


def test_a_sync_with_the_outer_secret_is_what_the_inner_account_sees(
    tmp_path, certificates, slapd, start_gateway, inside
):
    running = start_gateway(inside.text())
    through = connect("127.0.0.1", running.port, certificates.ca_file, NAME, SECRET)
    assert through.result["result"] == 0
    directly = connect("127.0.0.1", slapd.port, slapd.certificates.ca_file, SYNC_ACCOUNT, SYNC_PASSWORD)
    seen = sync(through, [STAFF, GROUPS], ATTRIBUTES)
    assert len(seen) > 500
    assert seen == sync(directly, [STAFF, GROUPS], ATTRIBUTES)
    record = running.reaching.audit(operation="bind")[0]
    assert (record["account"], record["mapped_to"], record["code"]) == (NAME, SYNC_ACCOUNT, 0)
    nothing_shown(running)


@pytest.mark.direct("the outside has no account of its own to know by its name")
def test_the_outer_secret_is_worth_nothing_inside_and_the_inner_one_nothing_outside(
    tmp_path, certificates, slapd, start_gateway, at
):
    for name in (SYNC_ACCOUNT, NAME):
        ended = ldapsearch(slapd.url, slapd.certificates.ca_file, (name, SECRET), "-b", STAFF, "-s", "base")
        assert ended.returncode in (34, 49), ended.stderr
    inside = Mapped(tmp_path, certificates, slapd.gateway_directory, lockout={"failures": 0})
    running = start_gateway(inside.text())
    assert at(running, SYNC_PASSWORD) == 49
    assert at(running, SYNC_PASSWORD, SYNC_ACCOUNT) == 49
    assert at(running, SECRET, SYNC_ACCOUNT) == 49
    assert {record["reason"] for record in running.audit(operation="bind")} == {"secret-wrong", "gateway-account"}
    assert not any(record["server"] for record in running.audit(operation="bind"))
    assert at(running) == 0


def test_people_sign_in_as_ever(certificates, start_gateway, inside, at):
    running = start_gateway(inside.text())
    assert at(running, USER_PASSWORD, user_dn(1)) == 0
    assert at(running, "wrong", user_dn(1)) == 49


def test_guesses_at_the_secret_end_in_the_guard_and_reach_no_server(start_gateway, inside, at):
    running = start_gateway(inside.text())
    assert [at(running, f"guess {i}") for i in range(4)] == [49] * 4
    assert at(running) == 49
    records = running.wait_for_audit(5, operation="bind")
    assert [record["reason"] for record in records] == ["secret-wrong"] * 3 + ["account-guarded"] * 2
    assert not any(record["server"] for record in records)
    assert f"the sync account {NAME} came with a wrong secret" in running.log()
    nothing_shown(running)


def test_a_rotation_cuts_no_session_and_has_both_secrets_valid_in_between(
    certificates, start_gateway, open_client, inside, at
):
    running = start_gateway(inside.text(HASH))
    early = open_client(running, NAME, SECRET)
    assert at(running, NEXT_SECRET) == 49
    assert "reloaded" in running.reload(inside.text(HASH, NEXT_HASH))
    assert (at(running, SECRET), at(running, NEXT_SECRET)) == (0, 0)
    late = open_client(running, NAME, SECRET)
    assert "reloaded" in running.reload(inside.text(NEXT_HASH))
    assert (at(running, SECRET), at(running, NEXT_SECRET)) == (49, 0)
    for session in (early, late):
        names, result = session.result(session.search(GROUPS))
        assert (len(names), result.code) == (4, 0)
    nothing_shown(running)


def test_a_reload_with_a_bad_hash_or_an_empty_file_changes_nothing(start_gateway, inside, at):
    running = start_gateway(inside.text())
    said = running.reload(inside.text("$2b$12$abcdefghijklmnopqrstuv"))
    assert "a hash of another kind" in said
    assert "abcdefghij" not in said
    assert "stays in force" in running.wait_for("stays in force")
    assert at(running) == 0
    inside.give("")
    assert "it is empty" in running.reload(inside.text())
    assert at(running) == 0


def own_account_refused(running):
    return samples(running.reaching.admin_port)["ldap_gateway_own_account_refused", "mimecast"]


def test_the_own_account_refused_is_unavailable_and_loud_until_it_is_put_right(certificates, start_gateway, inside, at):
    inside.give("Old-Passw0rd")
    running = start_gateway(inside.text(admin={"address": "127.0.0.1:0"}))
    assert own_account_refused(running) == 0
    assert [at(running) for _ in range(5)] == [52] * 5
    records = running.reaching.wait_for_audit(5, operation="bind")
    assert [record["reason"] for record in records] == ["gateway-account-refused"] + ["gateway-account-guarded"] * 4
    # The same password is not tried twice.
    assert [record.get("server_code") for record in records] == [49, None, None, None, None]
    log = running.reaching.wait_for("is not tried for now")
    assert f"refuses the gateway's own account {SYNC_ACCOUNT}: wrong name or password" in log
    assert own_account_refused(running) == 1
    # A new password is tried at once.
    inside.give(SYNC_PASSWORD)
    assert "reloaded" in running.reload(inside.text(admin={"address": "127.0.0.1:0"}))
    assert at(running) == 0
    assert own_account_refused(running) == 0
    assert "Old-Passw0rd" not in running.log() + running.audit_text()
    nothing_shown(running)


def test_neither_side_ever_sees_what_the_other_one_holds(tmp_path, certificates, stub_certificates):
    """Octet by octet: binds, a search, a person's sign-in, a refusal by the server with a text."""
    answers = []

    def answer(request):
        if isinstance(request, m.BindRequest) and answers:
            return [m.BindResponse(LDAPResult(49, "", answers.pop()))]
        return accept_binds(request)

    with StubServer(stub_certificates, answer) as server:
        inside = Mapped(tmp_path, certificates, server.gateway_directory(), pass_diagnostics=True)
        with GatewayProcess(tmp_path, inside.text()) as running:
            with RawClient(running.port, certificates.ca_file) as session:
                received = record_octets(session)
                for secret, code in ((SECRET, 0), ("guess", 49), (SECRET, 0)):
                    assert session.bind(NAME, secret) == code
                assert session.result(session.search(STAFF))[1].code == 0
                assert session.bind(user_dn(1), "Personal-Passw0rd") == 0
                answers.append(f"{WRONG_PASSWORD} {SYNC_PASSWORD}")
                assert session.bind(NAME, SECRET) == 52
            log = running.wait_for("refuses the gateway's own account")
            assert "wrong password, or no account has this name" in log
            assert "AcceptSecurityContext" not in log + running.audit_text()
            nothing_shown(running)
    binds = [each for each in server.requests if isinstance(each, m.BindRequest)]
    own = (SYNC_ACCOUNT, SYNC_PASSWORD.encode())
    person = (user_dn(1).lower(), b"Personal-Passw0rd")
    sent = [(each.name, each.authentication.password) for each in binds]
    assert sent[:2] + sent[3:] == [own, own, own]
    assert (sent[2][0].lower(), sent[2][1]) == person
    assert SYNC_PASSWORD.encode() in server.received
    assert not any(text.encode() in server.received for text in (SECRET, "guess", NAME, HASH))
    assert not any(text.encode() in received for text in (SYNC_PASSWORD, SYNC_ACCOUNT, HASH, "AcceptSecurity"))


def record_octets(session):
    """All that the client receives from here on."""
    received = bytearray()
    take = session.client.receive

    def receive(data):
        received.extend(data)
        return take(data)

    session.client.receive = receive
    return received


@pytest.fixture(scope="module")
def stub_certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"), "server")


def test_a_session_that_began_before_does_not_try_the_replaced_password(tmp_path, certificates, stub_certificates, at):
    with StubServer(stub_certificates) as server:
        inside = Mapped(tmp_path, certificates, server.gateway_directory())
        with GatewayProcess(tmp_path, inside.text()) as running:
            with RawClient(running.port, certificates.ca_file) as session:
                assert session.bind(NAME, SECRET) == 0
                assert "reloaded" in running.reload(inside.text())
                inside.give("New-Passw0rd")
                assert "reloaded" in running.reload(inside.text())
                assert session.result(session.search(STAFF))[1].code == 0
                assert session.bind(NAME, SECRET) == 52
                assert at(running) == 0
            assert running.wait_for_audit(reason="gateway-account-replaced")
    binds = [each.authentication.password for each in server.requests if isinstance(each, m.BindRequest)]
    assert binds == [SYNC_PASSWORD.encode(), b"New-Passw0rd"]


def test_a_client_that_leaves_while_its_secret_is_verified_leaves_nothing_behind(
    tmp_path, certificates, stub_certificates, at
):
    with StubServer(stub_certificates) as server:
        inside = Mapped(tmp_path, certificates, server.gateway_directory())
        with GatewayProcess(tmp_path, inside.text(SLOW_HASH, admin={"address": "127.0.0.1:0"})) as running:
            # More than may wait: were those that left still waiting, the last one would be told `busy`.
            leaving = [RawClient(running.port, certificates.ca_file) for _ in range(160)]
            for session, name in zip(leaving, cycle(("nobody", NAME)), strict=False):
                session.socket.sendall(session.client.bind(name, b"guess").data)
            # Some are told so already: as many as may wait are waiting by now.
            running.wait_for_audit(operation="bind", reason="too-many-verifications")
            for session in leaving:
                session.socket.shutdown(socket.SHUT_WR)
            until = time.monotonic() + PATIENCE
            while samples(running.admin_port)["ldap_gateway_open_sessions", "mimecast"]:
                assert time.monotonic() < until
                time.sleep(0.02)
            assert running.audit(operation="bind", reason="client-gone")
            for session in leaving:
                session.socket.close()
            assert at(running) == 0
            assert running.stop() == 0
            assert "Traceback" not in running.log()


def test_other_sessions_are_served_while_secrets_are_verified(tmp_path, certificates, stub_certificates, open_client):
    """A reactor that waited for a verification would have answered all of them first."""
    with StubServer(stub_certificates) as server:
        inside = Mapped(tmp_path, certificates, server.gateway_directory())
        with GatewayProcess(tmp_path, inside.text(SLOW_HASH)) as running:
            served = open_client(running, NAME, SECRET)
            guessing = [RawClient(running.port, certificates.ca_file) for _ in range(12)]
            for session in guessing:
                session.socket.sendall(session.client.bind("nobody", b"guess").data)
            assert served.result(served.search(STAFF))[1].code == 0
            # One that the gateway remembers does not wait behind them either.
            assert served.bind(NAME, SECRET) == 0
            assert len(running.audit(operation="bind", code=49)) < len(guessing)
            for session in guessing:
                assert session.event().result.code == 49
                session.socket.close()


def test_more_guesses_than_may_wait_are_busy(tmp_path, certificates, stub_certificates):
    with StubServer(stub_certificates) as server:
        inside = Mapped(tmp_path, certificates, server.gateway_directory())
        with GatewayProcess(tmp_path, inside.text(SLOW_HASH)) as running:
            guessing = [RawClient(running.port, certificates.ca_file) for _ in range(90)]
            for session in guessing:
                session.socket.sendall(session.client.bind("nobody", b"guess").data)
            busy = running.wait_for_audit(operation="bind", reason="too-many-verifications")
            assert {record["code"] for record in busy} == {51}
            for session in guessing:
                session.socket.close()


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )


def test_the_tools_sign_in_with_the_gateways_own_account(tmp_path, inside):
    path = tmp_path / "gateway.yaml"
    path.write_text(inside.text())
    checked = command("check", "-c", str(path))
    assert f"client mimecast: {NAME} is mapped to {SYNC_ACCOUNT}" in checked.stdout
    seen = command("preview", "-c", str(path), "--client", "mimecast", "--json")
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout)["account"] == SYNC_ACCOUNT
    examined = json.loads(command("doctor", "-c", str(path), "--json").stdout)
    (signs_in,) = [each for each in examined["findings"] if each["step"] == "signs in"]
    assert (signs_in["status"], signs_in["said"]) == ("ok", f"as {SYNC_ACCOUNT}")
    said = {each["said"] for each in examined["findings"] if each["step"] == "secret"}
    assert said == {f"{NAME} has another one than the gateway's own account"}
    path.write_text(inside.text(HASH, HASHER.hash(SYNC_PASSWORD)))
    examined = json.loads(command("doctor", "-c", str(path), "--json").stdout)
    (secret,) = [each for each in examined["findings"] if each["step"] == "secret"]
    assert (secret["status"], "worth something inside" in secret["advice"]) == ("warning", True)
    explained = command("explain", "-c", str(path), "--client", "mimecast", "--bind", NAME.upper(), "--json")
    assert json.loads(explained.stdout) == {
        "decision": "permit",
        "as": "sync",
        "account": NAME,
        "sent": SYNC_ACCOUNT,
        "then": "the gateway verifies the secret, and then signs in with this account of its own",
    }
    refused = command("explain", "-c", str(path), "--client", "mimecast", "--bind", SYNC_ACCOUNT, "--json")
    assert json.loads(refused.stdout)["reason"] == "gateway-account"
    shown = "".join(each.stdout + each.stderr for each in (checked, seen, explained, refused))
    assert not any(hidden in shown for hidden in (SECRET, SYNC_PASSWORD, HASH))
