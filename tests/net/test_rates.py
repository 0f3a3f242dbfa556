"""Requests in a second, by source and by account."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.net.sessions.rates import BURST, REMEMBERED, RequestRates, SessionRates, TokenBuckets
from gateway.net.sessions.settings import ConnectionLimits
from gateway.policy.reasons import Reason


def test_a_burst_passes_and_then_as_many_as_the_rate_says():
    buckets = TokenBuckets()
    assert [buckets.take("a", 10, 0) for _ in range(10 * BURST + 1)] == [True] * 10 * BURST + [False]
    assert not buckets.take("a", 10, 0.05)
    assert buckets.take("a", 10, 0.15)
    assert not buckets.take("a", 10, 0.15)
    assert buckets.take("b", 10, 0.15)


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.integers(1, 20))
def test_never_more_than_a_burst_and_the_rate(pauses, rate):
    buckets, now, taken = TokenBuckets(), 0.0, 0
    for pause in pauses:
        now += pause
        taken += buckets.take("a", rate, now)
    assert taken <= rate * BURST + rate * now + 1e-6


def test_only_so_many_are_remembered():
    buckets = TokenBuckets()
    for number in range(REMEMBERED + 1):
        buckets.take(f"s{number}", 1, 0)
    assert [buckets.take("s0", 1, 0) for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_sessions_of_one_source_and_of_one_account_share_what_they_have():
    limits = ConnectionLimits(requests_per_source=4, requests_per_account=2)
    rates = RequestRates()
    one, other = (SessionRates(rates, limits, "mimecast", source) for source in ("a", "b"))
    assert [one.admit("Svc", 0) for _ in range(3)] == [None, None, None]
    assert other.admit("svc", 0) is None
    assert other.admit("svc", 0) is Reason.too_many_requests_of_account
    assert SessionRates(rates, limits, "other client", "c").admit("svc", 0) is None
    assert [one.admit("", 0) for _ in range(6)] == [None] * 5 + [Reason.too_many_requests_of_source]


def test_the_addresses_of_one_64_of_ipv6_are_one_source():
    rates, limits = RequestRates(), ConnectionLimits(requests_per_source=1, requests_per_account=100)
    one, same, other = (
        SessionRates(rates, limits, "mimecast", source) for source in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    )
    assert [one.admit("", 0), same.admit("", 0)] == [None, None]
    assert same.admit("", 0) is Reason.too_many_requests_of_source
    assert other.admit("", 0) is None
