"""The responder at its socket, asked by clients that share no code with it: ldapsearch and ldap3."""

import os
import socket
import stat
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import ldap3
import pytest

from gateway.entra.published import replace_all, write_entries
from gateway.ldap import ber
from gateway.ldap.decoding import decode_response
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.framing import Framer
from gateway.ldap.messages import BindRequest, LDAPMessage, SearchRequest, SearchResultDone, SimpleAuthentication
from tests.entra.company import ANN, ANN_GUID, ANN_ID, BOB, EVERYTHING, PEOPLE, STAFF, company
from tests.entra.copies import BASE, USERS, containers, make_copy, person
from tests.entra.responder_process import ResponderProcess
from tests.entra.talk import TOKEN
from tests.servers.slapd import slapd_binaries

pytestmark = pytest.mark.servers

SCHEMA = f"CN=Aggregate,CN=Schema,CN=Configuration,{BASE}"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("responder")
    writer = make_copy(directory / "copy.db", company(), int(time.time()))
    with ResponderProcess(directory) as process:
        yield process
    writer.close()
    assert "Traceback" not in process.log()
    assert "a bind was refused" in process.log()
    assert "Passw0rd" not in process.log()
    assert process.process.returncode == 0
    assert not process.socket.exists()


def ldapsearch(running, *arguments, password=TOKEN):
    slapd_binaries()
    options = ["-x", "-LLL", "-o", "ldif-wrap=no", "-H", running.url, "-D", "CN=gateway", "-w", password]
    return subprocess.run(
        ["ldapsearch", *options, *arguments],
        env={"PATH": "/usr/bin:/bin", "LDAPCONF": "/dev/null"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def found(answer):
    assert answer.returncode == 0, answer.stderr
    return sorted(line.removeprefix("dn: ") for line in answer.stdout.splitlines() if line.startswith("dn"))


class Raw:
    """A connection that says what it wants and reads when it wants."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.framer = Framer(2**30)
        self.say(1, BindRequest(3, "CN=gateway", SimpleAuthentication(TOKEN.encode())))
        assert self.hear().operation.result.code == 0

    def say(self, message_id, operation):
        self.socket.sendall(encode(LDAPMessage(message_id, operation)))

    def hear(self):
        while (octets := self.framer.next_message()) is None:
            data = self.socket.recv(65536)
            assert data, "the responder has closed"
            self.framer.feed(data)
        return decode_response(octets)


def test_the_socket_is_for_owner_and_group(running):
    mode = running.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


def test_ldapsearch_finds_people(running):
    assert found(ldapsearch(running, "-b", BASE, f"(objectGUID={ANN_ID})", "mail")) == [ANN]
    assert len(found(ldapsearch(running, "-b", BASE))) == len(EVERYTHING)
    answer = ldapsearch(running, "-b", ANN, "-s", "base", "objectClass=*", "sAMAccountName", "objectGUID")
    assert "sAMAccountName: ann\n" in answer.stdout
    assert f"objectGUID:: {b64encode(ANN_GUID).decode()}\n" in answer.stdout


@pytest.mark.parametrize("size", [1, 3, 500])
def test_ldapsearch_reads_pages(running, size):
    assert len(found(ldapsearch(running, "-b", BASE, "-E", f"!pr={size}/noprompt"))) == len(EVERYTHING)


def test_ldapsearch_reads_the_root_dse_without_a_bind(running):
    answer = subprocess.run(
        ["ldapsearch", "-x", "-LLL", "-H", running.url, "-b", "", "-s", "base"],
        env={"PATH": "/usr/bin:/bin", "LDAPCONF": "/dev/null"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"defaultNamingContext: {BASE}\n" in answer.stdout
    assert answer.returncode == 0


def test_ldapsearch_without_the_token_reads_nothing(running):
    answer = ldapsearch(running, "-b", BASE, password="Wrong-Passw0rd-of-the-tests")
    assert answer.returncode == 49
    assert answer.stdout == ""


def test_ldap3_reads_schema_and_people(running):
    server = ldap3.Server(f"ldapi://{running.socket}", get_info=ldap3.ALL)
    with ldap3.Connection(server, "CN=gateway", TOKEN, raise_exceptions=True) as connection:
        assert server.info.naming_contexts == [BASE]
        assert server.schema.attribute_types["sAMAccountName"].single_value
        assert server.schema.object_classes["user"].superior == ["organizationalPerson"]
        connection.search(BASE, "(&(objectClass=user)(mail=*))", attributes=["*", "+"])
        assert sorted(each.entry_dn for each in connection.entries) == [ANN, BOB]
        assert connection.entries[0].mail.values == ["Ann.Ash@corp.example"]
        assert connection.entries[0].subschemaSubentry.value == SCHEMA
        paged = connection.extend.standard.paged_search(BASE, "(objectClass=user)", paged_size=3, generator=False)
        assert sorted(each["dn"] for each in paged) == sorted(PEOPLE)
        connection.search(BASE, f"(member:1.2.840.113556.1.4.1941:={BOB})")
        assert STAFF in [each.entry_dn for each in connection.entries]


def test_ldap3_cannot_change_anything(running):
    server = ldap3.Server(f"ldapi://{running.socket}")
    with ldap3.Connection(server, "CN=gateway", TOKEN) as connection:
        assert not connection.delete(ANN)
        assert connection.result["description"] == "unwillingToPerform"
        assert not connection.modify(ANN, {"mail": [(ldap3.MODIFY_REPLACE, ["x@y"])]})
        assert connection.result["description"] == "unwillingToPerform"
        connection.search(BASE, "(cn=ann)", attributes=["mail"])
        assert connection.entries[0].mail.values == ["Ann.Ash@corp.example"]


def test_a_second_responder_does_not_take_the_place_of_a_running_one(running):
    arguments = [running.store, running.socket, running.token_file, BASE, "60"]
    second = subprocess.run(
        [sys.executable, "-m", "tests.entra.responder_process", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path.cwd(),
    )
    assert second.returncode != 0
    assert "another process listens there" in second.stderr
    assert len(found(ldapsearch(running, "-b", BASE, "(cn=ann)"))) == 1


def test_what_a_killed_one_left_there_is_replaced(tmp_path):
    writer = make_copy(tmp_path / "copy.db", company(), int(time.time()))
    process = ResponderProcess(tmp_path)
    process.process.kill()
    process.close()
    assert process.socket.exists()
    with ResponderProcess(tmp_path) as again:
        assert found(ldapsearch(again, "-b", BASE, "(cn=ann)")) == [ANN]
    writer.close()


def test_a_slow_reader_makes_nothing_grow_and_holds_nobody_up(tmp_path):
    """While one peer does not read its answer, the responder makes no more of it, and others are answered."""
    many = (person(f"P{number:05}", department=["x" * 4000]) for number in range(3_000))
    writer = make_copy(tmp_path / "copy.db", [*containers(), *many], int(time.time()))
    with ResponderProcess(tmp_path) as process:
        slow, quick = Raw(process.socket), Raw(process.socket)
        before = resident(process.process.pid)
        for message_id in range(2, 12):
            slow.say(message_id, SearchRequest(BASE, 2, parse_filter("(objectClass=user)")))
        for number in range(100):
            quick.say(number + 2, SearchRequest(BASE, 2, parse_filter(f"(cn=P{number:05})"), ("cn",)))
            assert quick.hear().operation.dn == f"CN=P{number:05},{USERS}"
            assert isinstance(quick.hear().operation, SearchResultDone)
        # The answers are 120 MB.
        assert resident(process.process.pid) - before < 20_000_000
        # What was held back comes once it is read, all of it, from the state in which the search began.
        write_all(writer, [*containers()])
        entries = 0
        while not isinstance(message := slow.hear().operation, SearchResultDone):
            entries += 1
        assert (entries, message.result.code) == (3_000, 0)
    assert "Traceback" not in process.log()
    writer.close()


def write_all(writer, entries):
    writer.execute("BEGIN IMMEDIATE")
    replace_all(writer, entries)
    writer.execute("COMMIT")


def resident(pid):
    """Octets of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_searches_are_answered_while_a_publish_goes_on(tmp_path):
    """A publish that is not at its end holds nobody up, and nobody sees anything of it."""
    writer = make_copy(tmp_path / "copy.db", company(), int(time.time()))
    with ResponderProcess(tmp_path) as process:
        raw = Raw(process.socket)
        writer.execute("BEGIN IMMEDIATE")
        write_entries(writer, [person("New")], [])
        for message_id in range(2, 50):
            raw.say(message_id, SearchRequest(BASE, 2, parse_filter("(cn=new)")))
            assert isinstance(raw.hear().operation, SearchResultDone)
        writer.execute("COMMIT")
        raw.say(60, SearchRequest(BASE, 2, parse_filter("(cn=new)")))
        assert raw.hear().operation.dn == f"CN=New,{USERS}"
    writer.close()


def test_what_is_no_ldap_is_told_so_and_closed(running):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(60)
        stranger.connect(str(running.socket))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = b""
        while data := stranger.recv(4096):
            received += data
    assert received.startswith(ber.header(ber.SEQUENCE, len(received) - 2))
    assert decode_response(received).operation.result.code == 2
