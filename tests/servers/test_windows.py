"""The stand-in for Windows AD does what it is there for; seen by ldap3, and on the wire."""

import contextlib
import socket
import ssl

import ldap3
import pytest
from ldap3.core.exceptions import LDAPException, LDAPSocketReceiveError
from ldaptor.protocols import pureldap

from tests.servers.windows import people
from tests.servers.windows.people import CONTACTS, GROUPS, STAFF, SUFFIX, SYNC_DN, SYNC_NAME, SYNC_PASSWORD
from tests.servers.windows_process import SERVER_NAME, WindowsLike

USERS = 3200
LARGE = f"CN=GG-Large,{GROUPS}"
ALL = "(objectClass=*)"


@pytest.fixture(scope="module")
def process():
    with WindowsLike(users=USERS) as running:
        yield running


@pytest.fixture
def windows(process):
    process.received()
    yield process
    process.set_faults()


@pytest.fixture
def small():
    with WindowsLike(users=30, max_page_size=10, max_val_range=8, max_result_sets=2) as running:
        yield running


def connect(windows, name=SYNC_NAME, password=SYNC_PASSWORD, patience=10):
    tls = ldap3.Tls(ca_certs_file=windows.ca_file, validate=ssl.CERT_REQUIRED)
    server = ldap3.Server(SERVER_NAME, windows.port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(
        server,
        name,
        password,
        auto_range=False,
        auto_referrals=False,
        check_names=False,
        return_empty_attributes=False,
        receive_timeout=patience,
    )
    connection.bind()
    return connection


def search(connection, base=STAFF, text=ALL, scope=ldap3.SUBTREE, **more):
    """(result code, entries, cookie)."""
    connection.search(base, text, scope, **more)
    entries = [item for item in connection.response or [] if item["type"] == "searchResEntry"]
    control = connection.result.get("controls", {}).get("1.2.840.113556.1.4.319", {"value": {"cookie": None}})
    return connection.result["result"], entries, control["value"]["cookie"]


def paged(connection, size, base=STAFF, **more):
    """The DNs of each page."""
    pages, cookie = [], None
    while cookie != b"":
        code, entries, cookie = search(connection, base, paged_size=size, paged_cookie=cookie, **more)
        assert code == 0
        pages.append([entry["dn"] for entry in entries])
    return pages


def test_without_paging_a_search_stops_at_a_thousand(windows):
    code, entries, _ = search(connect(windows))
    assert (code, len(entries)) == (4, 1000)


def test_a_smaller_size_limit_of_the_client_holds(windows):
    code, entries, _ = search(connect(windows), size_limit=7)
    assert (code, len(entries)) == (4, 7)


@pytest.mark.parametrize("size, largest", [(5000, 1000), (1000, 1000), (999, 999)])
def test_pages_are_never_larger_than_the_limit_and_lose_nobody(windows, size, largest):
    pages = paged(connect(windows), size)
    assert {len(page) for page in pages[:-1]} == {largest}
    found = [dn for page in pages for dn in page]
    expected = [entry.dn for entry in people.make_directory(USERS) if entry.dn.endswith(STAFF)]
    assert found == expected


def test_a_page_size_of_one(small):
    assert [len(page) for page in paged(connect(small), 1)] == [1] * 35


def test_a_cookie_is_good_on_its_own_connection_only(windows):
    first = connect(windows)
    _, _, cookie = search(first, paged_size=10)
    assert search(connect(windows), paged_size=10, paged_cookie=cookie)[0] == 12
    assert search(first, paged_size=10, paged_cookie=b"nonsense")[0] == 12
    assert search(first, text="(cn=*)", paged_size=10, paged_cookie=cookie)[0] == 12


def test_a_bind_loses_all_cookies(windows):
    connection = connect(windows)
    _, _, cookie = search(connection, paged_size=10)
    connection.rebind(SYNC_NAME, SYNC_PASSWORD)
    assert search(connection, paged_size=10, paged_cookie=cookie)[0] == 12


def test_the_oldest_paged_search_is_given_up_for_a_new_one(small):
    connection = connect(small)
    cookies = [search(connection, paged_size=2)[2] for _ in range(3)]
    assert [search(connection, paged_size=2, paged_cookie=cookie)[0] for cookie in cookies] == [12, 0, 0]


def test_a_page_size_of_zero_ends_a_paged_search(windows):
    connection = connect(windows)
    _, _, cookie = search(connection, paged_size=10)
    control = ldap3.protocol.rfc2696.paged_search_control(False, 0, cookie)
    assert search(connection, controls=[control]) == (0, [], b"")
    assert search(connection, paged_size=10, paged_cookie=cookie)[0] == 12


def test_many_values_come_in_ranges(windows):
    connection = connect(windows)
    expected = next(entry for entry in people.make_directory(USERS) if entry.dn == LARGE).attributes["member"]
    asked, found, names = "member", [], []
    while not names or not names[-1].endswith("-*"):
        attributes = search(connection, LARGE, scope=ldap3.BASE, attributes=[asked])[1][0]["raw_attributes"]
        ((name, values),) = [item for item in attributes.items() if item[1]]
        names.append(name)
        found += values
        asked = f"member;range={len(found)}-*"
    assert names == ["member;range=0-1499", "member;range=1500-*"]
    assert found == expected


@pytest.mark.parametrize(
    "asked, name, count",
    [
        ("member;range=0-*", "member;range=0-7", 8),
        ("member;range=8-*", "member;range=8-15", 8),
        ("member;range=2-4", "member;range=2-4", 3),
        ("MEMBER;Range=24-*", "member;range=24-*", 6),
        ("member;range=24-29", "member;range=24-*", 6),
        ("mail;range=0-*", "mail;range=0-*", 1),
    ],
)
def test_ranges_on_request(small, asked, name, count):
    _, entries, _ = search(connect(small), LARGE, scope=ldap3.BASE, attributes=[asked])
    assert {key: len(values) for key, values in entries[0]["raw_attributes"].items()} == {name: count}


def test_a_range_behind_the_last_value_is_an_error(small):
    assert search(connect(small), LARGE, scope=ldap3.BASE, attributes=["member;range=30-*"])[0] == 1


@pytest.mark.parametrize("name", [SYNC_DN, SYNC_DN.lower(), SYNC_NAME, "CORP\\svc-mimecast", "corp\\SVC-mimecast"])
def test_names_that_bind(windows, name):
    assert connect(windows, name).result["result"] == 0
    wrong = connect(windows, name, "Wrong-Passw0rd")
    assert wrong.result["result"] == 49
    assert "data 52e" in wrong.result["message"]


def test_a_disabled_person_does_not_bind(windows):
    assert "data 533" in connect(windows, "u00009@corp.example", people.USER_PASSWORD).result["message"]
    assert connect(windows, "u00008@corp.example", people.USER_PASSWORD).result["result"] == 0


def test_nobody_reads_unbound_except_the_root_dse(windows):
    connection = connect(windows, None, None)
    assert search(connection)[0] == 1
    code, entries, _ = search(connection, "", scope=ldap3.BASE, attributes=["*"])
    shown = entries[0]["attributes"]
    assert code == 0
    assert "1.2.840.113556.1.4.800" in shown["supportedCapabilities"]
    assert "1.2.840.113556.1.4.319" in shown["supportedControl"]
    assert SUFFIX in shown["namingContexts"]


def test_a_person_can_be_found_as_the_identity_that_bound(windows):
    connection = connect(windows)
    _, entries, _ = search(connection, "", scope=ldap3.BASE, attributes=["tokenGroups"])
    token = entries[0]["raw_attributes"]["tokenGroups"][0]
    assert search(connection, f"<SID={token.hex()}>", scope=ldap3.BASE)[1][0]["dn"] == SYNC_DN
    assert connection.extend.standard.who_am_i() == "u:CORP\\svc-mimecast"


def test_a_foreign_base_ends_in_a_referral(windows):
    connection = connect(windows)
    code, entries, _ = search(connection, "OU=Staff,DC=other,DC=example")
    assert (code, entries) == (10, [])
    assert connection.result["referrals"] == ["ldap://other.example/OU=Staff,DC=other,DC=example"]


def test_references_come_at_the_domain_root_only_and_last(small):
    connection = connect(small)
    kinds, cookie = [], None
    while cookie != b"":
        _, _, cookie = search(connection, SUFFIX, paged_size=10, paged_cookie=cookie)
        kinds.append([item["type"] for item in connection.response])
    assert all(set(page) == {"searchResEntry"} for page in kinds[:-1])
    assert kinds[-1][-3:] == ["searchResRef"] * 3
    search(connection, CONTACTS)
    assert {item["type"] for item in connection.response} == {"searchResEntry"}


@pytest.mark.parametrize(
    "base, code, matched", [(f"OU=No,{STAFF}", 32, STAFF), ("OU=No,OU=Nor", 10, ""), ("", 32, ""), ("nonsense", 34, "")]
)
def test_bases_that_are_not_there(windows, base, code, matched):
    connection = connect(windows)
    connection.search(base, ALL, ldap3.SUBTREE)
    assert (connection.result["result"], connection.result["dn"]) == (code, matched)


def test_scopes(windows):
    connection = connect(windows)
    assert [entry["dn"] for entry in search(connection, SUFFIX, scope=ldap3.BASE)[1]] == [SUFFIX]
    assert STAFF in [entry["dn"] for entry in search(connection, SUFFIX, scope=ldap3.LEVEL)[1]]
    for name in ("OU=Sales\\, EMEA", "ou=sales\\2c emea", "OU=R\\+D", "OU=\\#Ops", "OU=M\\C3\\BCller"):
        assert len(search(connection, f"{name}, {STAFF}", text="(objectClass=user)", size_limit=700)[1]) == 640


@pytest.mark.parametrize(
    "text, count",
    [
        ("(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))", 27),
        ("(userAccountControl:1.2.840.113556.1.4.804:=514)", 30),
        ("(&(objectClass=USER)(sAMAccountName=U00007))", 1),
        ("(|(mail=u00001@*)(mail=*00002@corp*)(mail=u*3@*.example))", 5),
        ("(&(uSNChanged>=12345)(uSNChanged<=12345)(objectClass=user))", 30),
        ("(uSNChanged>=12346)", 0),
        (f"(memberOf=cn=gg-large,{GROUPS})", 30),
        ("(employeeID=LEAK-100001)", 1),
        ("(!(noSuchType=x))", 0),
        ("(&(objectClass=user)(!(manager=*)))", 0),
        ("(&(objectClass=user)(!(dc=*)))", 30),
    ],
)
def test_filters(small, text, count):
    connection = connect(small)
    entries = []
    cookie = None
    while cookie != b"":
        code, page, cookie = search(connection, STAFF, text, paged_size=10, paged_cookie=cookie)
        assert code == 0
        entries += page
    assert len(entries) == count


def test_what_is_asked_for_comes_in_the_spelling_of_the_schema(windows):
    connection = connect(windows)
    _, entries, _ = search(connection, text="(sAMAccountName=u00001)", attributes=["MAIL", "samaccountname", "nothing"])
    assert list(entries[0]["raw_attributes"]) == ["mail", "sAMAccountName"]
    _, entries, _ = search(connection, text="(sAMAccountName=u00001)", attributes=["1.1"])
    assert not entries[0]["raw_attributes"]


def test_an_unknown_critical_control_is_refused_and_another_ignored(windows):
    connection = connect(windows)
    assert search(connection, CONTACTS, controls=[("1.2.3.4", True, None)])[0] == 12
    assert search(connection, CONTACTS, controls=[("1.2.3.4", False, None)])[0] == 0


def test_nothing_is_written(windows):
    connection = connect(windows)
    assert not connection.delete(LARGE)
    assert connection.result["result"] == 50
    assert connection.result["type"] == "delResponse"


@contextlib.contextmanager
def tls_socket(windows):
    context = ssl.create_default_context(cafile=windows.ca_file)
    with (
        socket.create_connection((SERVER_NAME, windows.port), 10) as plain,
        context.wrap_socket(plain, server_hostname=SERVER_NAME) as connection,
    ):
        yield connection


@contextlib.contextmanager
def raw(windows):
    """A function that sends a request and returns the messages of its answer, as octets."""
    with tls_socket(windows) as connection:

        def ask(operation, number=1):
            connection.sendall(pureldap.LDAPMessage(operation, id=number).toWire())
            messages = [read_message(connection)]
            while operation_tag(messages[-1]) in (0x64, 0x73):
                messages.append(read_message(connection))
            return messages

        yield ask


def read_message(connection):
    header = read_exactly(connection, 6)
    assert header[:2] == b"\x30\x84"
    return header + read_exactly(connection, int.from_bytes(header[2:], "big"))


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        received = connection.recv(count - len(data))
        assert received, "the server closed the connection"
        data += received
    return data


def elements(data, long_primitives=True):
    """(tag, content) of every element at every depth, where lengths are as AD writes them."""
    while data:
        if long_primitives or data[0] & 0x20:
            assert data[1] == 0x84
            start, length = 6, int.from_bytes(data[2:6], "big")
        else:
            assert data[1] < 0x80
            start, length = 2, data[1]
        content, tag, data = data[start : start + length], data[0], data[start + length :]
        yield tag, content
        if tag & 0x20:
            yield from elements(content, long_primitives)


def operation_tag(message):
    tags = [tag for tag, _ in elements(message)]
    return tags[2]


def test_every_length_is_long_and_an_empty_twin_stands_beside_a_range(windows):
    with raw(windows) as ask:
        ask(pureldap.LDAPBindRequest(dn=SYNC_DN, auth=SYNC_PASSWORD))
        request = pureldap.LDAPSearchRequest(baseObject=LARGE, scope=0, attributes=["member", "cn"])
        entry, done = ask(request, 2)
    attributes = [content for tag, content in elements(entry) if tag == 0x30][2:]
    found = {}
    for attribute in attributes:
        name, *values = [content for tag, content in elements(attribute) if tag == 0x04]
        found[name] = len(values)
    assert found == {b"member": 0, b"member;range=0-1499": 1500, b"cn": 1}
    assert operation_tag(done) == 0x65


def test_short_lengths_for_primitive_elements():
    with WindowsLike(users=1, primitives_short=True) as windows, tls_socket(windows) as connection:
        request = pureldap.LDAPBindRequest(dn=SYNC_DN, auth=SYNC_PASSWORD)
        connection.sendall(pureldap.LDAPMessage(request, id=1).toWire())
        message = read_message(connection)
    assert [tag for tag, _ in elements(message, long_primitives=False)] == [0x30, 0x02, 0x61, 0x0A, 0x04, 0x04]


def test_a_name_with_an_empty_password_is_anonymous_and_a_success(windows):
    with raw(windows) as ask:
        (answer,) = ask(pureldap.LDAPBindRequest(dn=SYNC_DN, auth=b""))
        assert [content for tag, content in elements(answer) if tag == 0x0A] == [b"\0"]
        (answer,) = ask(pureldap.LDAPSearchRequest(baseObject=STAFF), 2)
        assert [content for tag, content in elements(answer) if tag == 0x0A] == [b"\1"]


def test_malformed_bytes_get_a_notice_of_disconnection(windows):
    with tls_socket(windows) as connection:
        connection.sendall(b"\x30\x80\x00\x00")
        assert b"1.3.6.1.4.1.1466.20036" in read_message(connection)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("size", [None, 100])
def test_the_connection_drops_after_so_many_entries(windows, size):
    connection = connect(windows)
    windows.set_faults(drop_after=250)
    if size:
        cookie = None
        for _ in range(2):
            code, entries, cookie = search(connection, paged_size=size, paged_cookie=cookie)
            assert (code, len(entries)) == (0, size)
    with pytest.raises(LDAPException):
        search(connection, paged_size=size, paged_cookie=cookie if size else None)


def test_silence_after_so_many_entries(windows):
    connection = connect(windows, patience=1)
    windows.set_faults(silent_after=3)
    with pytest.raises(LDAPSocketReceiveError):
        search(connection)
    # Others are served all the same; their count is their own.
    assert search(connect(windows), CONTACTS, size_limit=2)[0] == 4


def test_an_entry_that_cannot_be_decoded(windows):
    windows.set_faults(garble_after=0)
    with raw(windows) as ask:
        ask(pureldap.LDAPBindRequest(dn=SYNC_DN, auth=SYNC_PASSWORD))
        with pytest.raises(AssertionError):
            ask(pureldap.LDAPSearchRequest(baseObject=LARGE, scope=0), 2)


def test_done_as_another_type(windows):
    windows.set_faults(done_as="extendedResponse")
    with raw(windows) as ask:
        ask(pureldap.LDAPBindRequest(dn=SYNC_DN, auth=SYNC_PASSWORD))
        entry, done = ask(pureldap.LDAPSearchRequest(baseObject=LARGE, scope=0, attributes=["cn"]), 2)
    assert (operation_tag(entry), operation_tag(done)) == (0x64, 0x78)


def test_a_page_that_fails(windows):
    connection = connect(windows)
    windows.set_faults(fail_page=2, fail_code=52)
    code, _, cookie = search(connection, paged_size=10)
    assert code == 0
    assert search(connection, paged_size=10, paged_cookie=cookie)[:2] == (52, [])


def test_cookies_that_are_forgotten(windows):
    connection = connect(windows)
    _, _, cookie = search(connection, paged_size=10)
    windows.set_faults(forget_cookies=True)
    assert search(connection, paged_size=10, paged_cookie=cookie)[0] == 12


def test_an_entry_that_goes_between_its_ranges(small):
    connection = connect(small)
    small.set_faults(vanish_after_range=True)
    assert len(search(connection, GROUPS, "(cn=GG-Large)", attributes=["member"])[1]) == 1
    assert search(connection, LARGE, scope=ldap3.BASE, attributes=["member;range=8-*"])[0] == 32


def test_lost_rights_on_a_subtree_and_an_attribute(windows):
    connection = connect(windows)
    before = sum(map(len, paged(connection, 1000)))
    windows.set_faults(hidden_subtrees=[f"OU=M\\c3\\bcller,{STAFF}"], hidden_attributes=["mail"])
    assert sum(map(len, paged(connection, 1000))) == before - USERS // 5 - 1
    assert search(connection, text="(mail=*)")[:2] == (0, [])
    _, entries, _ = search(connection, text="(sAMAccountName=u00001)", attributes=["mail", "cn"])
    assert list(entries[0]["raw_attributes"]) == ["cn"]
    windows.set_faults()
    assert sum(map(len, paged(connection, 1000))) == before


def test_entries_and_values_change_in_mid_search(small):
    connection = connect(small)
    _, first, cookie = search(connection, paged_size=10)
    gone = f"OU=R\\+D,{STAFF}"
    small.delete(gone)
    rest = []
    while cookie:
        _, entries, cookie = search(connection, paged_size=10, paged_cookie=cookie)
        rest += [entry["dn"] for entry in entries]
    assert rest and not any(dn.endswith(gone) for dn in rest)
    small.replace(LARGE, "member", [first[-1]["dn"]])
    _, entries, _ = search(connection, LARGE, scope=ldap3.BASE, attributes=["member"])
    assert entries[0]["attributes"]["member"] == [first[-1]["dn"]]


def test_what_was_received(windows):
    connection = connect(windows)
    search(connection, CONTACTS, attributes=["mail"], paged_size=10)
    bind, asked = windows.received()[-2:]
    assert (bind["operation"], bind["name"]) == ("bind", SYNC_NAME)
    assert asked == {
        "connection": bind["connection"],
        "operation": "search",
        "base": CONTACTS,
        "scope": "sub",
        "attributes": ["mail"],
        "size_limit": 0,
        "page_size": 10,
        "continues": False,
    }
    assert windows.received() == []


def test_an_unknown_fault_ends_the_server():
    with pytest.raises(AssertionError, match="status 1"), WindowsLike(users=1) as windows:
        windows.set_faults(drop_before=1)
