"""The embedded directory as ldap3, another client, sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest
from ldap3.core.exceptions import LDAPException

from gateway.demo.certificates import CertificateFiles, make_certificates
from gateway.demo.people import (
    GROUPS,
    SECRET_PROJECTS,
    STAFF,
    SUFFIX,
    SYNC_ACCOUNT,
    DirectoryEntry,
    a_person,
    below,
    make_directory,
)
from gateway.ldap.dn import key, parse
from tests.demo.clients import connect

pytestmark = pytest.mark.servers

ENTRIES = make_directory()


# ldap3 blocks, so the directory runs in a process of its own until its standard input is closed.
SERVE = """
import sys
from pathlib import Path
from twisted.internet import reactor, stdio
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from gateway.demo.certificates import CertificateFiles
from gateway.demo.directory import EmbeddedDirectory
from gateway.demo.people import make_directory

class UntilClosed(Protocol):
    def connectionLost(self, reason):
        Deferred.fromCoroutine(directory.stop()).addBoth(lambda _: reactor.stop())

directory = EmbeddedDirectory(make_directory(), CertificateFiles(*map(Path, sys.argv[1:])), reactor)

async def start():
    await directory.start()
    stdio.StandardIO(UntilClosed())
    print(directory.port, flush=True)

reactor.callWhenRunning(lambda: Deferred.fromCoroutine(start()))
reactor.run()
"""


class Served:
    """The directory in a process of its own."""

    def __init__(self, certificates: CertificateFiles) -> None:
        self.certificates = certificates
        files = (certificates.ca_file, certificates.certificate, certificates.private_key)
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        try:
            self._process.communicate(timeout=20)
        finally:
            self._process.kill()
            self._process.wait()
        assert self._process.returncode == 0

    def connect(self, name: str, password: str) -> ldap3.Connection:
        return connect(self.port, self.certificates.ca_file, name, password)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory: Path = tmp_path_factory.mktemp("certificates")
    running = Served(make_certificates(directory, "directory"))
    yield running
    running.stop()


@pytest.fixture
def connection(served: Served) -> Iterator[ldap3.Connection]:
    bound = served.connect(str(SYNC_ACCOUNT.dn), SYNC_ACCOUNT.password.decode())
    assert bound.bind()
    yield bound
    bound.unbind()


def found(connection: ldap3.Connection) -> dict[object, dict[str, set[bytes]]]:
    return {
        key(parse(entry["dn"])): {name: set(values) for name, values in entry["raw_attributes"].items()}
        for entry in connection.response
        if entry["type"] == "searchResEntry"
    }


def expected(entries: list[DirectoryEntry], names: list[str]) -> dict[object, dict[str, set[bytes]]]:
    return {
        key(entry.dn): {name: set(entry.attributes[name]) for name in names if name in entry.attributes}
        for entry in entries
    }


def test_a_paged_search_gives_everything_once(connection: ldap3.Connection) -> None:
    names = ["mail", "proxyAddresses", "memberOf", "objectGUID", "employeeID"]
    pages: list[dict[object, dict[str, set[bytes]]]] = []
    cookie = None
    while cookie is None or cookie:
        assert connection.search(
            str(STAFF),
            "(&(objectCategory=person)(objectClass=user))",
            attributes=names,
            paged_size=100,
            paged_cookie=cookie,
        )
        pages.append(found(connection))
        cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
    assert [len(page) for page in pages] == [100, 100, 100, 100, 72]
    people = [e for e in ENTRIES if e.dn.is_inside(STAFF) and e.has_class("user")]
    merged: dict[object, dict[str, set[bytes]]] = {}
    for page in pages:
        assert not merged.keys() & page.keys()
        merged.update(page)
    assert merged == expected(people, names)


def test_two_paged_searches_do_not_disturb_each_other(connection: ldap3.Connection) -> None:
    def page(base: str, cookie: bytes | None) -> tuple[int, bytes]:
        connection.search(base, "(cn=*)", attributes=["cn"], paged_size=15, paged_cookie=cookie)
        return len(found(connection)), connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]

    groups, first = page(str(GROUPS), None)
    _, second = page(str(STAFF), None)
    assert first != second
    assert groups == 15
    assert page(str(GROUPS), first) == (9, b"")


def test_a_cookie_of_another_connection_is_refused(served: Served, connection: ldap3.Connection) -> None:
    connection.search(str(STAFF), "(cn=*)", attributes=["cn"], paged_size=10)
    cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
    other = served.connect(str(SYNC_ACCOUNT.dn), SYNC_ACCOUNT.password.decode())
    assert other.bind()
    assert not other.search(str(STAFF), "(cn=*)", attributes=["cn"], paged_size=10, paged_cookie=cookie)
    assert other.result["description"] == "unwillingToPerform"
    other.unbind()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", 460 + 12 - 27),
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", 27),
        ("(mail=ADA.ABBOTT@demo.example)", 1),
        ("(sn=B*)", 18),
        ("(|(sAMAccountName=ada.abbott)(sAMAccountName=nobody))", 1),
    ],
)
def test_filters(connection: ldap3.Connection, text: str, count: int) -> None:
    connection.search(str(STAFF), text, attributes=["cn"])
    assert len(found(connection)) == count


def test_an_entry_is_found_by_its_binary_guid(connection: ldap3.Connection) -> None:
    wanted = next(e for e in ENTRIES if e.has_class("group"))
    text = "".join(f"\\{octet:02x}" for octet in wanted.attributes["objectGUID"][0])
    connection.search(str(SUFFIX), f"(objectGUID={text})", attributes=["objectGUID"])
    assert found(connection) == expected([wanted], ["objectGUID"])


@pytest.mark.parametrize("unit", ["Sales, EMEA", "R+D", "#Ops", "Müller"])
def test_units_with_special_characters_serve_as_bases(connection: ldap3.Connection, unit: str) -> None:
    base = below(STAFF, "OU", unit)
    connection.search(str(base), "(objectClass=user)", attributes=["cn"])
    inside = [e for e in ENTRIES if e.dn.is_inside(base) and e.has_class("user")]
    assert len(inside) == 92
    assert found(connection) == expected(inside, ["cn"])


def test_a_size_limit_is_kept_and_said(connection: ldap3.Connection) -> None:
    connection.search(str(STAFF), "(objectClass=user)", attributes=["cn"], size_limit=5)
    assert len(found(connection)) == 5
    assert connection.result["description"] == "sizeLimitExceeded"


def test_people_sign_in_by_dn_and_by_principal_name(served: Served) -> None:
    person = a_person(3)
    for name in (str(person.dn), person.user_principal_name, person.user_principal_name.upper()):
        connection = served.connect(name, person.password.decode())
        assert connection.bind()
        connection.unbind()


@pytest.mark.parametrize(
    "name", [str(a_person(3).dn), a_person(3).user_principal_name, "nobody@demo.example", "cn=x,dc=other"]
)
def test_a_wrong_password_or_name_is_invalid_credentials_and_leaves_anonymous(served: Served, name: str) -> None:
    connection = served.connect(name, "Wrong-Passw0rd")
    assert not connection.bind()
    assert connection.result["description"] == "invalidCredentials"
    connection.open()
    assert not connection.search(str(STAFF), "(cn=*)")
    assert connection.result["description"] == "insufficientAccessRights"
    connection.unbind()


def test_nothing_can_be_changed(connection: ldap3.Connection) -> None:
    target = str(a_person(3).dn)
    for change in (
        lambda: connection.delete(target),
        lambda: connection.modify(target, {"mail": [(ldap3.MODIFY_REPLACE, ["x@demo.example"])]}),
        lambda: connection.add(f"cn=new,{SECRET_PROJECTS}", ["person"], {"sn": "x"}),
        lambda: connection.modify_dn(target, "cn=new"),
    ):
        assert not change()
        assert connection.result["description"] == "unwillingToPerform"


def test_the_root_dse_names_the_suffix_and_paging(served: Served) -> None:
    connection = served.connect("", "")
    connection.open()
    connection.search("", "(objectClass=*)", "BASE", attributes=["namingContexts", "supportedControl"])
    (attributes,) = found(connection).values()
    assert attributes == {
        "namingContexts": {str(SUFFIX).encode()},
        "supportedControl": {b"1.2.840.113556.1.4.319"},
    }
    connection.unbind()


def test_tls_is_required(served: Served) -> None:
    plain = ldap3.Server("127.0.0.1", served.port, get_info=ldap3.NONE, connect_timeout=10)
    with pytest.raises(LDAPException):
        ldap3.Connection(plain, receive_timeout=10, auto_bind=True)
