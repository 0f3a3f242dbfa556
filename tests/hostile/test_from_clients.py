"""Every case of from_clients against a session without sockets."""

import pytest

from gateway.relay import commands as c
from tests.hostile.from_clients import FAMILIES
from tests.hostile.octets import START_TLS, bind, extended, search, unbind
from tests.hostile.served import Served
from tests.hostile.verdicts import DROPPED

CASES = [
    pytest.param(octets, verdict, id=f"{family}: {name}")
    for family, rows in FAMILIES.items()
    for name, octets, verdict in rows
]


@pytest.mark.parametrize("octets, verdict", CASES)
def test_each_case_has_its_verdict(octets, verdict):
    served = Served()
    served.receive(octets)
    assert served.verdict() == verdict
    if verdict.end == "open":
        served.to_client.clear()
        served.receive(bind(id=1000) + search(id=1001))
        assert served.results() == [(1000, 0), (1001, 0)]


SHORT = [case for case in CASES if len(case.values[0]) < 3_000 and not case.id.startswith("at once")]


@pytest.mark.parametrize("octets, verdict", SHORT)
def test_each_case_has_the_same_verdict_octet_by_octet(octets, verdict):
    served = Served()
    served.receive(octets, piece=1)
    assert served.verdict() == verdict


BEHIND_STARTTLS = {
    "a bind": bind(id=8),
    "half a bind": bind(id=8)[:9],
    "StartTLS again": extended(START_TLS, id=8),
    "an unbind": unbind(id=8),
    "a client hello": b"\x16\x03\x01\0\x05",
    "a zero": b"\0",
}


@pytest.mark.parametrize("octets", BEHIND_STARTTLS.values(), ids=BEHIND_STARTTLS)
def test_plain_octets_that_come_with_starttls_end_the_session_before_tls(octets):
    served = Served(bound=False, tls=False, needs_tls=True)
    served.receive(extended(START_TLS) + octets)
    assert served.verdict() == DROPPED
    assert c.StartTls not in served.other
