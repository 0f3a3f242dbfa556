from twisted.logger import capturedLogs

from gateway.net.listener import SessionRegistry
from gateway.net.refusals import QUIET_SECONDS, REMEMBERED, Recent
from gateway.observe.ledger import Ledger
from gateway.policy.reasons import Reason
from gateway.state.attempts import AttemptsInMemory
from gateway.state.sizes import SizesInMemory


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


def test_every_refusal_counts_also_where_it_is_not_logged():
    ledger = Ledger()
    registry = SessionRegistry(lambda _: None, SizesInMemory(), AttemptsInMemory(lambda: 0), ledger)
    with capturedLogs() as logged:
        for _ in range(3):
            registry.refused(Reason.source_not_listed, "192.0.2.1", "a connection", 0)
        registry.refused(Reason.too_many_sessions, "192.0.2.1", "a connection", 0)
    assert ledger.refused_connections == {Reason.source_not_listed: 3, Reason.too_many_sessions: 1}
    assert [event["reason"] for event in logged] == ["source-not-listed", "too-many-sessions"]
