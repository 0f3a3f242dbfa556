"""Every case of from_servers against a session without sockets."""

import pytest

from tests.hostile.asking import Asking
from tests.hostile.from_servers import FAMILIES

CASES = [
    pytest.param(octets, verdict, id=f"{family}: {name}")
    for family, rows in FAMILIES.items()
    for name, octets, verdict in rows
]


@pytest.mark.parametrize("octets, verdict", CASES)
def test_each_case_has_its_verdict(octets, verdict):
    asking = Asking()
    asking.hear(octets)
    asking.finish()
    assert asking.search_verdict() == verdict


@pytest.mark.parametrize("octets, verdict", [case for case in CASES if len(case.values[0]) < 3_000])
def test_each_case_has_the_same_verdict_octet_by_octet(octets, verdict):
    asking = Asking()
    asking.hear(octets, piece=1)
    asking.finish()
    assert asking.search_verdict() == verdict
