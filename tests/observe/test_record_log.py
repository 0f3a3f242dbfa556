"""What the log says of operations, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from gateway.observe.record_log import QUIET_SECONDS, REMEMBERED, RecordLog
from gateway.policy.reasons import Reason
from tests.observe.records import record

OLD = {"operation": "bind", "sync_bind": True, "account": "svc@corp.example", "reason": Reason.password_known_wrong}


@pytest.fixture
def said():
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def lines(events):
    return [formatEvent(event) for event in events]


def test_an_old_password_that_comes_without_end_is_said_once_a_minute_with_how_often(said):
    clock = Clock()
    log = RecordLog(clock.seconds)
    for _ in range(1 + 60 * 64):
        log.add(record(**OLD))
        clock.advance(QUIET_SECONDS / 64)
    first, *later = lines(said)
    assert "svc@corp.example came with a password that has proved wrong before" in first
    assert "ldap-gateway lockout release" in first
    assert len(later) == 60
    assert all(line.endswith("(and 63 times more since this was last said)") for line in later)


def test_other_accounts_clients_and_causes_have_lines_of_their_own(said):
    log = RecordLog(Clock().seconds)
    for _ in range(2):
        log.add(record(**OLD))
        log.add(record(**OLD | {"account": "other@corp.example"}))
        log.add(record(**OLD | {"client": "another"}))
        log.add(record(**OLD | {"reason": Reason.secret_wrong}))
        log.add(record(**OLD | {"reason": "", "server": "ldaps://dc1", "server_meaning": "the account is disabled"}))
    assert len(lines(said)) == 5


@pytest.mark.parametrize("reason", [Reason.gateway_account_refused, Reason.gateway_account_guarded])
def test_what_stops_every_sync_is_an_alert(said, reason):
    RecordLog().add(record(**OLD | {"reason": reason, "mapped_to": "CN=gateway", "server": "ldaps://dc1"}))
    (event,) = said
    assert event["log_level"] is LogLevel.critical
    assert "ALERT: " in formatEvent(event) and "CN=gateway" in formatEvent(event)


@pytest.mark.parametrize("reason", [Reason.gateway_account_refused, Reason.gateway_account_guarded])
def test_a_forwarded_account_that_is_refused_behind_is_an_alert_of_its_own(said, reason):
    RecordLog().add(record(**OLD | {"reason": reason, "server_meaning": "wrong name or password"}))
    (event,) = said
    assert event["log_level"] is LogLevel.critical
    text = formatEvent(event)
    assert f"the account {OLD['account']} came with a secret that is right here" in text
    assert "wrong name or password" in text and "own account" not in text


def test_a_person_who_mistypes_is_in_the_audit_alone(said):
    log = RecordLog()
    log.add(record(operation="bind", account="jane@corp.example", server_meaning="wrong password"))
    log.add(record(**OLD | {"reason": ""}))
    log.add(record(operation="search"))
    assert lines(said) == []


def test_a_name_with_braces_in_it_is_said_as_it_is(said):
    RecordLog().add(record(**OLD | {"account": "CN={session}"}))
    assert "CN={session} came with" in lines(said)[0]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2 * QUIET_SECONDS)), max_size=60))
def test_nothing_is_said_twice_in_a_minute_and_everything_once(happened):
    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        clock = Clock()
        log = RecordLog(clock.seconds)
        last = {}
        for number, pause in happened:
            clock.advance(pause)
            before = len(events)
            log.add(record(**OLD | {"account": f"svc{number}"}))
            told = len(events) > before
            assert told == (number not in last or clock.seconds() - last[number] >= QUIET_SECONDS)
            if told:
                last[number] = clock.seconds()
    finally:
        globalLogPublisher.removeObserver(events.append)


def test_it_remembers_no_more_than_its_limit(said):
    log = RecordLog(Clock().seconds)
    for number in range(REMEMBERED + 5):
        log.add(record(**OLD | {"account": f"svc{number}"}))
    assert len(log._said) == REMEMBERED
