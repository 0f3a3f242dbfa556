"""Every case of from_clients against a session without sockets."""

import pytest

from tests.hostile.from_clients import FAMILIES
from tests.hostile.octets import bind, search
from tests.hostile.served import Served

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
