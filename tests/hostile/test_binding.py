"""What a server says while a bind runs, and StartTLS where it has no place: nobody is signed in by it."""

import pytest

from gateway.ldap import messages as m
from gateway.relay import commands as c
from tests.hostile import octets as o
from tests.hostile.served import Served
from tests.hostile.verdicts import Verdict, answered, ended
from tests.relay.harness import bind, search

DN = f"CN=u,{o.BASE}"
SUCCESS = o.result(0x61, id=1)
LOST = ended((1, 52), code=52)


def wrong(code):
    """The bind fails, and the session is anonymous."""
    return answered((1, code), forwarded=0)


SIGNED_IN = answered((1, 0), forwarded=0)
STILL_WAITING = Verdict()

DISCONNECTED = o.result(0x78, 52, b"", b"", o.text(o.NOTICE, 0x8A), id=0)
WHILE_THE_SYNC_ACCOUNT_BINDS = [
    ("a bind response", SUCCESS, SIGNED_IN),
    ("a wrong password", o.result(0x61, 49, id=1), wrong(49)),
    ("an entry for the bind", o.entry(DN, id=1), wrong(52)),
    ("a search result for the bind", o.done(id=1), wrong(52)),
    ("a failed search result for the bind", o.done(49, id=1), wrong(52)),
    ("an extended success for the bind", o.result(0x78, id=1), wrong(52)),
    ("a compare of compareTrue for the bind", o.result(0x6F, 6, id=1), wrong(52)),
    ("a reference for the bind", o.message(o.tlv(0x73, o.text("ldap://evil.example/")), id=1), wrong(52)),
    ("a bind request for the bind", o.bind(id=1), wrong(52)),
    ("a success that is not to end the bind", o.result(0x61, 14, id=1), wrong(52)),
    ("a referral", o.result(0x61, 10, b"", b"", o.tlv(0xA3, o.text("ldap://evil.example/")), id=1), wrong(52)),
    ("a success with an octet behind", o.result(0x61, 0, b"", b"", b"\0", id=1), wrong(52)),
    ("a success with a negative code", o.result(0x61, -1, id=1), wrong(52)),
    ("a success of nothing", o.message(o.tlv(0x61), id=1), wrong(52)),
    ("a success with credentials of SASL", o.result(0x61, 0, b"", b"", o.text("x", 0x87), id=1), SIGNED_IN),
    ("a success for another message ID", o.result(0x61, id=2), STILL_WAITING),
    ("a success for message ID 0", o.result(0x61, id=0), STILL_WAITING),
    ("a success for the client's next message ID", o.result(0x61, id=7), STILL_WAITING),
    ("an intermediate response", o.message(o.tlv(0x79), id=1), STILL_WAITING),
    ("a success twice", SUCCESS * 2, SIGNED_IN),
    ("a success, then a failure", SUCCESS + o.result(0x61, 49, id=1), SIGNED_IN),
    ("a failure, then a success", o.result(0x61, 49, id=1) + SUCCESS, wrong(49)),
    ("a success, then a search's answers", SUCCESS + o.entry(DN, id=2) + o.done(id=2), SIGNED_IN),
    ("a notice of disconnection, then a success", DISCONNECTED + SUCCESS, LOST),
    ("rubbish", b"\xff" * 100, LOST),
    ("rubbish, then a success", b"\xff" + SUCCESS, LOST),
    ("a success of 4 GiB", b"\x30\x84\xff\xff\xff\xff\x02\x01\x01\x61",
     ended((1, 11), code=52)),
]  # fmt: skip


def test_a_notice_of_disconnection_is_no_answer_and_the_bind_is_sent_once_more():
    served = Served(bound=False)
    served.send(bind(o.SYNC, o.PASSWORD.encode()))
    for results in ([], [(1, 52)]):
        served.connected()
        assert isinstance(served.to_server.pop().operation, m.BindRequest)
        served.do(served.session.server_data(DISCONNECTED, served.now))
        assert [(number, code) for number, code in served.results() if number] == results
    assert served.verdict() == LOST


@pytest.mark.parametrize("octets, verdict", [pytest.param(*row[1:], id=row[0]) for row in WHILE_THE_SYNC_ACCOUNT_BINDS])
def test_while_the_sync_account_binds(octets, verdict):
    served = Served(bound=False)
    served.send(bind(o.SYNC, o.PASSWORD.encode()))
    served.connected()
    served.to_server.clear()
    served.do(served.session.server_data(octets, served.now))
    assert served.verdict() == verdict
    if verdict.results != ((1, 0),):
        assert served.session.standing.account is None
    if verdict.end == "open" and verdict.results not in ((), ((1, 0),)):
        served.to_client.clear()
        served.send(search(), start=2)
        assert served.results() == [(2, 50)]
        assert not served.to_server or isinstance(served.to_server[-1].operation, m.UnbindRequest)


def token_groups(id=2):
    return o.entry("", o.attribute("tokenGroups", b"\1\1\0\0\0\0\0\5\x15\0\0\0"), id=id) + o.done(id=id)


NOBODY = [
    ("nothing at all", b""),
    ("no such entry", o.done(32, id=2) + o.result(0x78, 2, id=3) + o.done(id=4)),
    ("two people of one name", o.done(id=2) + o.result(0x78, 2, id=3) + o.entry(DN, id=4) * 2 + o.done(id=4)),
    ("another's DN by who am I", o.done(id=2) + o.result(0x78, 0, b"", b"", o.text("dn:CN=a,DC=other", 0x8B), id=3)),
    ("the sync account's DN by who am I",
     o.done(id=2) + o.result(0x78, 0, b"", b"", o.text("dn:CN=svc-sync,OU=Service,DC=corp,DC=example", 0x8B), id=3)),
    ("rubbish by who am I", o.done(id=2) + o.result(0x78, 0, b"", b"", o.text(b"\xff\xfe", 0x8B), id=3)
     + o.done(id=4)),
    ("a DN with a NUL by who am I", o.done(id=2) + o.result(0x78, 0, b"", b"", o.text(f"dn:{DN}\0", 0x8B), id=3)
     + o.done(id=4)),
    ("somebody outside", o.done(id=2) + o.result(0x78, 2, id=3) + o.entry("CN=u,OU=Other,DC=corp,DC=example", id=4)
     + o.done(id=4)),
    ("a name that is no DN", o.done(id=2) + o.result(0x78, 2, id=3) + o.entry("u", id=4) + o.done(id=4)),
    ("a SID of another's", token_groups() + o.entry(DN, o.attribute("userPrincipalName", "v@corp.example"), id=3)
     + o.done(id=3) + o.result(0x78, 2, id=4) + o.done(id=5)),
    ("a second bind response for the look-up", o.result(0x61, id=2)),
    ("a result twice for the look-up", o.done(id=2) * 2 + o.result(0x78, 2, id=3) + o.done(id=4)),
    ("an entry that cannot be read", o.message(o.tlv(0x64, b"\xff"), id=2)),
]  # fmt: skip


@pytest.mark.parametrize("octets", [pytest.param(row[1], id=row[0]) for row in NOBODY])
def test_a_person_whom_the_server_cannot_name_is_not_signed_in(octets):
    served = Served(bound=False)
    served.send(bind("u@corp.example", o.PASSWORD.encode()))
    served.connected()
    served.do(served.session.server_data(SUCCESS + octets, served.now))
    if not served.results():
        served.tick(30)
    assert [code for number, code in served.results() if number == 1] in ([49], [52])
    assert served.session.standing.account is None
    # The server has accepted the bind, so the connection is somebody's.
    assert c.CloseServer in served.other


def test_nothing_is_sent_while_a_bind_and_its_look_up_run():
    served = Served(bound=False)
    served.send(bind("u@corp.example", o.PASSWORD.encode()), search(), search())
    served.connected()
    assert [x.message_id for x in served.to_server] == [1]
    served.do(served.session.server_data(SUCCESS, served.now))
    assert [x.message_id for x in served.to_server] == [1, 2]
    assert {name.lower() for name in served.to_server[-1].operation.attributes} == {"tokengroups"}


def test_starttls_with_an_operation_open_begins_no_tls():
    served = Served(bound=False, tls=False)
    served.send(bind(o.SYNC, o.PASSWORD.encode()))
    served.serve()
    served.send(search(), m.ExtendedRequest(m.START_TLS), start=2)
    assert served.results() == [(1, 0), (3, 1)]
    assert c.StartTls not in served.other
