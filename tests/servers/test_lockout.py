"""The service whose password has changed, the stranger who guesses at it, and the administrator who helps."""

import json
import shlex
import socket
import stat
import subprocess
import sys
import time

import pytest

from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.framing import Framer
from gateway.ldap.messages import BindRequest, BindResponse, LDAPMessage, SimpleAuthentication
from gateway.ldap.results import LDAPResult
from gateway.state.lockout_socket import SOCKET_NAME
from tests.servers.gateway_process import PATIENCE, ROOT, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer, accept_binds

SYNC, PERSON_DN = "svc-sync@corp.example", "CN=Jane,OU=Staff,DC=corp,DC=example"
OLD, NEW = "The-old-Passw0rd", "The-new-Passw0rd"
FAILURES = 3


class Directory:
    """A server with one right password. tried: the passwords that it was sent, in their order."""

    def __init__(self, certificates):
        self.right = NEW.encode()
        self.tried = []
        self.server = StubServer(certificates, self._answer)

    def _answer(self, operation):
        if not isinstance(operation, BindRequest):
            return accept_binds(operation)
        password = operation.authentication.password
        self.tried.append(password.decode())
        code = 0 if password == self.right else 49
        return (BindResponse(LDAPResult(code, diagnostic="" if code == 0 else "x, data 52e, v1")),)


@pytest.fixture
def directory(certificates):
    found = Directory(certificates)
    with found.server:
        yield found


@pytest.fixture
def start(certificates, directory, start_gateway, tmp_path):
    def start(**others):
        client = {
            "sync_accounts": [SYNC],
            "login_base_dns": ["OU=Staff,DC=corp,DC=example"],
            "base_dns": ["OU=Staff,DC=corp,DC=example"],
            "attributes": ["mail"],
            "lockout": {"failures": FAILURES, "window": "30m"},
        }
        others = {"state_dir": str(tmp_path), "limits": {"refusal_floor": 0}, **others}
        return start_gateway(configuration(certificates, directory.server.gateway_directory(), client, **others))

    return start


@pytest.fixture
def bind(certificates):
    def bind(running, password, name=SYNC):
        with RawClient(running.port, certificates.ca_file) as client:
            return client.bind(name, password)

    return bind


def lockout(running, *arguments):
    """The exit status of `ldap-gateway lockout` and what it prints."""
    command = [sys.executable, "-m", "gateway", "lockout", *arguments, "-c", running.config]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def test_an_old_password_that_comes_for_ever_never_keeps_the_new_one_out(start, bind, directory):
    running = start()
    for _ in range(3 * FAILURES):
        assert bind(running, OLD) == 49
    assert bind(running, NEW) == 0
    # Over a reload as well.
    assert "reloaded" in running.reload(running.config.read_text())
    for _ in range(2 * FAILURES):
        assert (bind(running, OLD), bind(running, NEW)) == (49, 0)
    assert directory.tried.count(OLD) == 1
    records = running.audit(operation="bind", reason="password-known-wrong")
    assert len(records) == 5 * FAILURES - 1
    for record in records:
        assert (record["decision"], record["result"], record["server"]) == ("refuse", "invalidCredentials", "")
        assert 1700 < record["guarded_for"] <= 1800
    assert "has proved wrong before" in running.log()
    assert OLD not in running.log() and "is guarded" not in running.log()


def test_the_old_password_in_parallel_leaves_one_try_for_the_new_one(certificates, start, bind, directory):
    running = start()
    clients = [RawClient(running.port, certificates.ca_file) for _ in range(12)]
    for client in clients:
        client.socket.sendall(client.client.bind(SYNC, OLD.encode()).data)
    for client in clients:
        assert client.event().result.code == 49
        client.socket.close()
    assert 1 <= directory.tried.count(OLD) < FAILURES
    assert bind(running, NEW) == 0


def test_binds_in_one_piece_that_the_guard_refuses_at_once_are_all_answered(certificates, start, bind, directory):
    running = start()
    text = running.config.read_text()
    people = [f"CN=Person {number},OU=Staff,DC=corp,DC=example" for number in range(150)]

    def refused_at_once(names):
        tried = len(directory.tried)
        requests = [BindRequest(3, name, SimpleAuthentication(OLD.encode())) for name in names]
        with RawClient(running.port, certificates.ca_file) as client:
            client.socket.sendall(b"".join(encode(LDAPMessage(number, one)) for number, one in enumerate(requests, 1)))
            framer, answers = Framer(1000), []
            while len(answers) < len(names) and (data := client.socket.recv(65_536)):
                framer.feed(data)
                while (octets := framer.next_message()) is not None:
                    answers.append(decode_response(octets))
        assert [answer.message_id for answer in answers] == list(range(1, len(names) + 1))
        assert {answer.operation.result.code for answer in answers} == {49}
        assert directory.tried[tried:] == []

    assert "reloaded" in running.reload(text.replace(f'"failures": {FAILURES}', '"failures": 1'))
    with RawClient(running.port, certificates.ca_file) as client:
        assert {client.bind(name, OLD) for name in people} == {49}
    refused_at_once(people)
    assert "reloaded" in running.reload(text)
    assert bind(running, OLD) == 49
    refused_at_once([SYNC] * len(people))
    assert bind(running, NEW) == 0


def test_a_new_password_is_tried_again_once_an_administrator_says_so(start, bind, directory):
    running = start()
    directory.right = OLD.encode()
    assert bind(running, NEW) == 49
    directory.right = NEW.encode()
    assert bind(running, NEW) == 49
    code, said = lockout(running, "list")
    assert code == 0 and "not guarded" in said and "svc-sync" in said
    code, said = lockout(running, "release", "SVC-Sync@corp.example")
    assert (code, said) == (0, "released: sync account svc-sync (directory corp): 1 wrong password forgotten\n")
    assert bind(running, NEW) == 0
    assert directory.tried == [NEW, NEW]


def test_the_commands_that_the_log_names_can_be_pasted_into_a_shell(start, bind):
    dn = "CN=Peter O'Sync,OU=Service Accounts,DC=corp,DC=example"
    running = start()
    assert "reloaded" in running.reload(running.config.read_text().replace(SYNC, dn))

    def paste(after):
        said = running.wait_for("`ldap-gateway lockout release ", after)
        command = shlex.split(said.split("`ldap-gateway lockout ")[1].split("`")[0])
        return lockout(running, *command)

    assert (bind(running, OLD, dn), bind(running, OLD, dn)) == (49, 49)
    assert "not guarded; 1 old or wrong one is refused" in lockout(running, "list")[1]
    known = "released: sync account petero'sync (directory corp): 1 wrong password forgotten\n"
    assert paste(0) == (0, known)
    before = len(running.log())
    for number in range(FAILURES):
        assert bind(running, f"guess {number}", dn) == 49
    assert paste(before) == (0, known.replace("1 wrong password", "3 wrong passwords"))
    assert bind(running, NEW, dn) == 0


def test_a_guard_is_told_shown_and_released(start, bind, directory, tmp_path):
    running = start()
    for number in range(2 * FAILURES):
        assert bind(running, f"guess {number}") == 49
    assert len(directory.tried) == FAILURES
    assert bind(running, NEW) == 49
    said = running.wait_for("is guarded for")
    assert "lockout guard: the sync account svc-sync (directory corp) is guarded for 30 min" in said
    assert "because 3 wrong passwords came" in said and "lockout release svc-sync" in said
    (begun,) = running.audit(record="guard", event="begun")
    assert (begun["kind"], begun["account"], begun["directory"]) == ("sync account", "svc-sync", "corp")
    assert (begun["decision"], begun["reason"], begun["failures"]) == ("refuse", "account-guarded", FAILURES)
    assert 1790 <= begun["guarded_for"] <= 1800
    for record in running.audit(reason="account-guarded"):
        assert record["decision"] == "refuse" and 1700 < record["guarded_for"] <= 1800

    assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600
    code, said = lockout(running, "list", "--json")
    (shown,) = json.loads(said)["accounts"]
    assert (shown["account"], shown["failures"], shown["guarded"], shown["known_wrong"]) == ("svc-sync", 3, True, 3)
    code, said = lockout(running, "release", "CORP\\svc-sync")
    assert (code, said) == (0, "released: sync account svc-sync (directory corp): 3 wrong passwords forgotten\n")
    assert bind(running, NEW) == 0
    assert "is guarded no more: its wrong passwords are forgotten" in running.log()
    (ended,) = running.audit(record="guard", event="ended")
    assert (ended["account"], ended["why"]) == ("svc-sync", "lifted")
    assert lockout(running, "list") == (0, "no account is guarded\n")
    code, said = lockout(running, "release", "nobody@corp.example")
    assert (code, said) == (1, "nobody@corp.example: this gateway has counted no wrong password of it\n")


def test_the_end_of_a_guard_is_told_when_its_time_is_over(start, bind, directory):
    running = start()
    text = running.config.read_text()
    assert "reloaded" in running.reload(text.replace('"30m"', '"1s"'))
    for number in range(FAILURES):
        assert bind(running, f"guess {number}") == 49
    running.wait_for("is guarded no more: its time is over")
    (ended,) = running.audit(record="guard", event="ended")
    assert ended["why"] == "expired"
    assert bind(running, NEW) == 0


def test_a_guard_goes_by_the_settings_of_after_a_reload(start, bind):
    running = start()
    text = running.config.read_text()
    for name in (SYNC, PERSON_DN):
        for number in range(FAILURES):
            assert bind(running, f"guess {number}", name) == 49
    running.wait_for("people or addresses are guarded")
    more = text.replace(f'"failures": {FAILURES}', f'"failures": {FAILURES + 1}')
    assert "reloaded" in running.reload(more)
    # Nobody has tried to sign in meanwhile.
    running.wait_for("is guarded no more: `lockout` of the configuration has changed")
    assert len(running.audit(record="guard", event="ended", why="settings")) == 2
    said = json.loads(lockout(running, "list", "--all", "--json")[1])["accounts"]
    assert [(found["failures"], found["guarded"]) for found in said] == [(FAILURES, False)] * 2
    assert "reloaded" in running.reload(text)
    said = json.loads(lockout(running, "list", "--json")[1])["accounts"]
    assert [found["guarded"] for found in said] == [True] * 2
    assert "reloaded" in running.reload(text.replace('"30m"', '"1s"'))
    running.wait_for_audit(2, record="guard", event="ended", why="expired")
    assert bind(running, NEW, PERSON_DN) == 0


def test_people_are_released_by_any_of_their_names(start, bind, directory):
    running = start()
    for number in range(FAILURES):
        assert bind(running, f"guess {number}", PERSON_DN) == 49
    assert bind(running, NEW, PERSON_DN) == 49
    assert "1 people or addresses are guarded" in running.wait_for("people or addresses")
    code, said = lockout(running, "release", PERSON_DN.lower().replace(",", ", "))
    assert code == 0 and said.startswith("released: person jane,staff,corp,example (directory corp): 3 wrong")
    assert bind(running, NEW, PERSON_DN) == 0


@pytest.mark.parametrize("name", [SYNC, PERSON_DN])
def test_who_leaves_before_the_answer_has_had_the_guess(certificates, start, directory, name):
    running = start()
    for number in range(4 * FAILURES):
        with RawClient(running.port, certificates.ca_file) as client:
            client.socket.sendall(client.client.bind(name, f"guess {number}".encode()).data)
            if number < FAILURES:
                # So that the bind is on its way.
                until = time.monotonic() + PATIENCE
                while len(directory.tried) <= number:
                    assert time.monotonic() < until
                    time.sleep(0.002)
    running.wait_for_audit(4 * FAILURES, operation="bind")
    assert len(directory.tried) == FAILURES


def test_without_a_gateway_or_its_state_dir_the_commands_say_so(start, tmp_path):
    running = start()
    text = running.config.read_text()
    assert running.stop() == 0
    assert not (tmp_path / SOCKET_NAME).exists()
    assert lockout(running, "list") == (2, f"{tmp_path / SOCKET_NAME}: no gateway runs with this state_dir\n")
    running.config.write_text(json.dumps({key: value for key, value in json.loads(text).items() if key != "state_dir"}))
    code, said = lockout(running, "list")
    assert code == 2 and "without state_dir the running gateway cannot be asked" in said


@pytest.mark.parametrize("length", [10, 200])
def test_a_socket_that_a_killed_gateway_has_left_is_replaced(start, bind, tmp_path, length):
    """Also where the path is longer than those of sockets may be."""
    place = tmp_path / ("x" * length)
    place.mkdir()
    first = start(state_dir=str(place))
    first.kill()
    assert (place / SOCKET_NAME).exists()
    second = start(state_dir=str(place))
    assert lockout(second, "list") == (0, "no account is guarded\n")
    assert second.stop() == 0
    assert "will not work" not in first.log() + second.log()


def doctor(running):
    command = [sys.executable, "-m", "gateway", "doctor", "-c", running.config]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE, stdin=subprocess.DEVNULL
    )
    return " ".join(done.stdout.split())


def test_doctor_says_that_the_running_gateway_holds_the_account_back(start, bind):
    running = start()
    assert "the running gateway does not hold the account back" in doctor(running)
    assert bind(running, OLD) == 49
    assert "svc-sync has come to the running gateway with a password that is wrong" in doctor(running)
    for number in range(FAILURES - 1):
        assert bind(running, f"guess {number}") == 49
    said = doctor(running)
    assert "sends no server anything of the sync account svc-sync for another" in said
    assert "because 3 wrong passwords came" in said and "lockout release svc-sync" in said
    assert running.stop() == 0
    assert "lockout guard" not in doctor(running)


def test_a_request_that_is_nested_deeply_does_not_end_the_answering(start, tmp_path):
    running = start()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(tmp_path / SOCKET_NAME))
        connection.sendall(b"[" * 16_000 + b"\n")
        connection.recv(1000)
    assert lockout(running, "list") == (0, "no account is guarded\n")


@pytest.mark.parametrize("name", [b"\xff", b"CORP\\\xed\xa0\x80", b"x" * 17_000, b"\x1b[31m", b"", b"-x", b"cn=\xff"])
def test_odd_names_are_answered(start, name):
    running = start()
    command = [sys.executable, "-m", "gateway", "lockout", "release", "-c", str(running.config), "--", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=PATIENCE)
    assert b"Traceback" not in done.stderr and "Traceback" not in running.log()
    assert done.returncode in (1, 2) and b"of another version" not in done.stderr
