from collections import Counter

from gateway.net.observer import Observer
from gateway.net.refusals import QUIET_SECONDS, REMEMBERED, Recent, Refusals
from gateway.policy.reasons import Reason


def test_what_repeats_is_worth_a_line_once_a_minute():
    recent = Recent()
    assert recent.worth_logging("192.0.2.1", 0)
    assert not recent.worth_logging("192.0.2.1", 1)
    assert recent.worth_logging("192.0.2.2", 1)
    assert not recent.worth_logging("192.0.2.1", QUIET_SECONDS - 1)
    assert recent.worth_logging("192.0.2.1", QUIET_SECONDS)
    assert not recent.worth_logging("192.0.2.1", QUIET_SECONDS + 1)


def test_only_so_much_is_remembered_and_the_oldest_is_forgotten():
    recent = Recent()
    for number in range(REMEMBERED + 1):
        assert recent.worth_logging(f"s{number}", 0)
    assert recent.worth_logging("s0", 1)
    assert not recent.worth_logging(f"s{REMEMBERED}", 1)


class Counting(Observer):
    def __init__(self):
        self.counts = Counter()

    def connection_refused(self, reason):
        self.counts[reason] += 1


def test_every_refusal_counts_also_where_it_is_not_logged():
    counting = Counting()
    refusals = Refusals(counting)
    for _ in range(3):
        refusals.note(Reason.source_not_listed, "192.0.2.1", "a connection", 0)
    refusals.note(Reason.too_many_sessions, "192.0.2.1", "a connection", 0)
    assert counting.counts == {Reason.source_not_listed: 3, Reason.too_many_sessions: 1}
