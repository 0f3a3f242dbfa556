"""How many connections there may be, and which of them goes for a new one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.net.sessions.admission import TRIES, Admission, Place
from gateway.net.sessions.settings import ConnectionLimits
from gateway.policy.reasons import Reason
from gateway.policy.source_network import source_network
from tests.examples import examples

LIMITS = ConnectionLimits(sessions=4, sessions_per_source=2, handshakes=3)
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
BIND = 30.0


class Lab:
    """An admission, and who has lost a place by which limit."""

    def __init__(self, limits=LIMITS):
        self.admission, self.limits, self.displaced = Admission(), limits, []

    def enter(self, source, now=0.0, proxied=False):
        place = self.admission.enter(source, self.limits, BIND, now, proxied=proxied)
        if isinstance(place, Place):
            place.displace = lambda limit: self.displaced.append((place, limit))
        return place

    def bound(self, source, now=0.0):
        place = self.enter(source, now)
        place.established()
        place.bind_begun(1, now)
        place.bind_ended(True, now)
        return place


def test_at_the_limit_of_a_source_its_oldest_connection_without_a_bind_goes():
    lab = Lab()
    first, second = lab.enter(A), lab.enter(A)
    first.established()
    third = lab.enter(A)
    assert lab.displaced == [(first, "sessions_per_source")]
    lab.enter(A)
    assert lab.displaced[1:] == [(second, "sessions_per_source")]
    assert lab.admission.by_source == {source_network(A): 2}
    assert lab.admission.open == 2
    third.leave()
    third.leave()
    assert (lab.admission.open, lab.admission.handshakes) == (1, 1)


def test_where_all_of_a_source_have_bound_it_gets_no_further_one_and_another_source_does():
    lab = Lab()
    lab.bound(A), lab.bound(A)
    assert lab.enter(A) is Reason.too_many_sessions_of_source
    assert isinstance(lab.enter(B), Place)
    assert lab.displaced == []


def test_at_the_limit_of_sessions_the_source_that_has_most_without_a_bind_loses_its_oldest():
    lab = Lab(ConnectionLimits(sessions=4, sessions_per_source=3, handshakes=9))
    lab.bound(B), lab.enter(B)
    oldest = lab.enter(A)
    lab.enter(A)
    lab.enter(C)
    assert lab.displaced == [(oldest, "sessions")]
    assert lab.admission.open == 4


def test_where_all_sessions_have_bound_there_is_no_further_one():
    lab = Lab()
    for source in (A, A, B, B):
        lab.bound(source)
    assert lab.enter(C) is Reason.too_many_sessions


def test_at_the_limit_of_handshakes_the_source_that_has_most_of_them_loses_its_oldest():
    lab = Lab(ConnectionLimits(sessions=9, sessions_per_source=9, handshakes=3))
    lab.enter(B)
    for _ in range(3):
        lab.enter(B).established()
    oldest = lab.enter(A)
    lab.enter(A)
    assert lab.displaced == []
    lab.enter(C)
    assert lab.displaced == [(oldest, "handshakes")]
    assert lab.admission.handshakes == 3


def test_a_wrong_bind_does_not_make_a_connection_younger():
    lab = Lab()
    first, second = lab.enter(A), lab.enter(A)
    first.bind_begun(1, 0.0)
    lab.enter(A)
    assert lab.displaced == [(second, "sessions_per_source")]
    first.bind_ended(False, 1.0)
    lab.enter(A)
    assert lab.displaced[1:] == [(first, "sessions_per_source")]


def test_who_sends_wrong_binds_all_the_time_keeps_a_place_for_the_time_of_one_bind():
    lab = Lab()
    lab.bound(A)
    busy = lab.enter(A)
    for tries in range(1, 5):
        now = tries * BIND / 4
        busy.bind_begun(tries, now)
        assert lab.enter(A, now) is Reason.too_many_sessions_of_source
        busy.bind_ended(False, now + BIND / 4)
        # The next one has come behind it.
    busy.bind_begun(5, now + BIND / 4)
    assert isinstance(lab.enter(A, now + BIND / 4), Place)
    assert lab.displaced == [(busy, "sessions_per_source")]


def test_who_sends_wrong_binds_all_the_time_keeps_a_place_for_so_many_of_them():
    lab = Lab()
    lab.bound(A)
    busy = lab.enter(A)
    for tries in range(1, TRIES + 1):
        busy.bind_begun(tries, 0.0)
        assert lab.enter(A, 0.0) is Reason.too_many_sessions_of_source
        busy.bind_ended(False, 0.0)
    busy.bind_begun(TRIES + 1, 0.0)
    assert isinstance(lab.enter(A, 0.0), Place)
    assert lab.displaced == [(busy, "sessions_per_source")]


def test_a_bind_that_takes_longer_than_its_clock_keeps_the_place_no_longer():
    lab = Lab()
    lab.bound(A)
    slow = lab.enter(A)
    slow.bind_begun(1, 5.0)
    assert lab.enter(A, 5.0 + BIND - 0.1) is Reason.too_many_sessions_of_source
    assert isinstance(lab.enter(A, 5.0 + BIND), Place)
    assert lab.displaced == [(slow, "sessions_per_source")]
    # Its session is told that it has ended, and may have bound meanwhile.
    slow.bind_ended(True, 5.0 + BIND)
    slow.leave()
    assert lab.admission.open == 2


def test_who_has_bound_keeps_the_place_whatever_it_does_then():
    lab = Lab()
    lab.bound(A)
    second = lab.bound(A)
    second.bind_begun(2, 1.0)
    second.bind_ended(False, 2.0)
    assert lab.enter(A, 1000.0) is Reason.too_many_sessions_of_source


def test_connections_of_a_proxy_count_for_nobody_until_it_names_the_source():
    lab = Lab()
    first, second = lab.enter(A, proxied=True), lab.enter(A, proxied=True)
    assert first.claim(B, LIMITS, 0.0) is None
    assert lab.admission.by_source == {source_network(B): 1}
    lab.bound(B)
    # Its own place cannot be what it takes; the other one of the source can.
    assert second.claim(B, LIMITS, 0.0) is None
    assert lab.displaced == [(first, "sessions_per_source")]
    # At a limit of all it is the proxy that has most of those that nobody has named.
    third = lab.enter(C, proxied=True)
    lab.enter(C, proxied=True)
    lab.enter(A)
    assert lab.displaced[1:] == [(third, "sessions")]


def test_a_lower_limit_after_a_reload_is_reached_by_the_next_connection():
    lab = Lab(ConnectionLimits(sessions=9, sessions_per_source=5, handshakes=9))
    five = [lab.enter(A) for _ in range(5)]
    lab.limits = LIMITS
    lab.enter(A)
    assert [place for place, _ in lab.displaced] == five[:4]
    assert lab.admission.open == 2


@pytest.mark.parametrize("source", ["2001:db8::1", "2001:db8::ffff:1", "::ffff:192.0.2.1"])
def test_a_source_of_ipv6_is_its_64(source):
    lab = Lab()
    lab.bound(source), lab.bound("192.0.2.1" if "192" in source else "2001:db8::2")
    assert lab.enter(source) is Reason.too_many_sessions_of_source
    assert isinstance(lab.enter("2001:db8:0:1::1"), Place)


def test_nothing_is_remembered_of_sources_that_have_left():
    admission = Admission()
    for number in range(100):
        place = admission.enter(f"192.0.2.{number}", LIMITS, BIND, 0.0)
        place.established()
        place.bind_begun(1, 0.0)
        place.leave()
    assert (admission.open, admission.handshakes, len(admission.by_source), len(admission._kept)) == (0, 0, 0, 0)


class Model:
    """What is admitted and who goes, by lists that are looked through from end to end."""

    def __init__(self, limits):
        self.limits, self.open = limits, []

    def candidates(self, now, source=None, handshaking=False):
        return [
            each
            for each in self.open
            if not each["bound"]
            and not (each["until"] is not None and now < each["until"])
            and (source is None or each["source"] == source)
            and (not handshaking or each["handshaking"])
        ]

    def may_go(self, source, now):
        """By each limit that is reached, in this order: all connections of which one may go. None where there is no
        such one, and the new one is not admitted."""
        left, goes = list(self.open), []
        if sum(each["source"] == source for each in left) >= self.limits.sessions_per_source:
            own = self.candidates(now, source)
            if not own:
                return None
            goes.append([own[0]])
            left.remove(own[0])
        for limit, handshaking in ((self.limits.sessions, False), (self.limits.handshakes, True)):
            if sum(each["handshaking"] or not handshaking for each in left) < limit:
                continue
            found = [each for each in self.candidates(now, handshaking=handshaking) if each in left]
            if not found:
                return None
            sources = [each["source"] for each in found]
            most = max(map(sources.count, sources))
            oldest = {each["source"]: each for each in reversed(found)}
            goes.append([each for source, each in oldest.items() if sources.count(source) == most])
            if len(goes[-1]) > 1:
                # Which one of them it is changes what the other limit meets.
                return goes, True
            left.remove(goes[-1][0])
        return goes, False


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("enter"), st.integers(0, 2), st.just(False)),
        st.tuples(
            st.sampled_from(["tls", "begin", "succeed", "anonymous", "fail", "leave"]), st.integers(0, 99), st.none()
        ),
        st.tuples(st.just("wait"), st.floats(0, 40), st.none()),
    ),
    max_size=80,
)


@settings(max_examples=examples(400))
@given(
    EVENTS,
    st.builds(
        ConnectionLimits,
        sessions=st.integers(1, 8),
        sessions_per_source=st.integers(1, 5),
        handshakes=st.integers(1, 6),
    ),
)
def test_a_new_connection_is_admitted_wherever_one_may_go_and_none_goes_with_a_bind_under_way_or_behind_it(
    events, limits
):
    lab, model, now = Lab(limits), Model(limits), 0.0
    for event, which, proxied in events:
        if event == "wait":
            now += which
        elif event == "enter":
            source, before = f"192.0.2.{which}", len(lab.displaced)
            if proxied:
                place = lab.enter("198.51.100.1", now, proxied=True)
                gone = [each for each, _ in lab.displaced[before:]]
                assert not any(each["bound"] for each in model.open if each["place"] in gone)
                model.open = [each for each in model.open if each["place"] not in gone]
                if not isinstance(place, Place):
                    assert len(model.open) >= limits.sessions and not model.candidates(now)
                    continue
                before = len(lab.displaced)
                expected = bool(model.candidates(now, source)) or (
                    sum(each["source"] == source for each in model.open) < limits.sessions_per_source
                )
                refused = place.claim(source, limits, now)
                assert (refused is None) == expected
                if refused is not None:
                    place.leave()
            else:
                expected = model.may_go(source, now)
                place = lab.enter(source, now)
                assert isinstance(place, Place) == (expected is not None)
                if expected is not None and not expected[1]:
                    assert len(lab.displaced) - before == len(expected[0])
                    for (gone, _), possible in zip(lab.displaced[before:], expected[0], strict=True):
                        assert gone in [each["place"] for each in possible]
            gone = [each for each, _ in lab.displaced[before:]]
            protected = [each for each in model.open if each not in model.candidates(now)]
            assert not [each for each in protected if each["place"] in gone]
            model.open = [each for each in model.open if each["place"] not in gone]
            if isinstance(place, Place) and not place._left:
                fresh = {"bound": False, "until": None, "left": BIND, "since": 0.0, "tries": 0, "handshaking": True}
                model.open.append({"place": place, "source": source, "binding": False, **fresh})
        elif model.open:
            one = model.open[which % len(model.open)]
            place = one["place"]
            if event == "tls":
                place.established()
                one["handshaking"] = False
            elif event == "leave":
                place.leave()
                model.open.remove(one)
            elif event == "begin" and not one["binding"]:
                # Nobody binds before TLS.
                place.established()
                one["binding"], one["since"], one["handshaking"] = True, now, False
                one["tries"] += 1
                if one["tries"] <= TRIES and one["left"] > 0:
                    one["until"] = now + one["left"]
                place.bind_begun(one["tries"], now)
            elif event in ("succeed", "anonymous", "fail") and one["binding"]:
                if one["until"] is not None:
                    one["left"] -= now - one["since"]
                one["binding"], one["until"] = False, None
                one["bound"] = one["bound"] or event == "succeed"
                place.bind_ended(one["bound"], now)
        assert lab.admission.open == len(model.open)
        assert lab.admission.handshakes == sum(each["handshaking"] for each in model.open)
        assert lab.admission.open <= limits.sessions
        assert lab.admission.handshakes <= limits.handshakes
        assert all(count <= limits.sessions_per_source for count in lab.admission.by_source.values())
