import errno
import json
import os
import threading
import time

import pytest
from twisted.logger import LogLevel

from gateway.observe.audit.line import AuditLine, Severity
from gateway.observe.audit.output import RecordTooLong
from gateway.observe.audit.writer import AuditWriter
from tests.observe.lines import PATIENCE, Taking, line, numbers

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def loss_line(loss):
    text = json.dumps({"n": -loss.count, "first": loss.first, "last": loss.last, "why": loss.why})
    return AuditLine(text.encode() + b"\n", "lost", Severity.error, loss.first)


def until(reached):
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.002)


class Started:
    def __init__(self, limit=10**6, retry=0.02):
        self.output = Taking()
        self.said = []
        self.writer = AuditWriter(self.output, limit, loss_line, lambda *said: self.said.append(said), retry)


@pytest.fixture
def start():
    started = []

    def make(**keywords):
        started.append(Started(**keywords))
        return started[-1]

    yield make
    for each in started:
        each.output.error = None
        each.output.held.set()
        each.writer.close(PATIENCE)


def test_everything_is_written_in_its_order(start):
    audit = start()
    for i in range(5000):
        audit.writer.put(line(i))
    assert audit.writer.close(PATIENCE) == 0
    assert numbers(audit.output.octets) == list(range(5000))
    assert audit.output.closed
    health = audit.writer.health
    assert (health.written, health.lost, health.waiting, health.problem) == (5000, 0, 0, "")
    assert audit.said == []


def test_a_record_does_not_wait_for_the_next_one(start):
    audit = start()
    for i in range(3):
        audit.writer.put(line(i))
        until(lambda i=i: len(audit.output.lines) == i + 1)


def test_an_output_that_hangs_holds_nobody_up_and_what_it_loses_is_told_in_its_place(start):
    audit = start(limit=10 * len(line(0, 1000).octets))
    audit.output.held.clear()
    audit.writer.put(line(0, 1000))
    assert audit.output.tried.wait(PATIENCE)
    for i in range(1, 25):
        audit.writer.put(line(i, 1000))
    health = audit.writer.health
    assert health.lost == 15
    assert health.waiting == 10 * len(line(0, 1000).octets)
    assert health.trouble(time.time() + 11) == "audit records are not written: memory: has taken nothing for 11 s"
    assert health.trouble(time.time()) == ""
    audit.output.held.set()
    until(lambda: len(audit.output.lines) == 11)
    audit.writer.put(line(25))
    assert audit.writer.close(PATIENCE) == 0
    assert numbers(audit.output.octets) == [*range(10), -15, 25]
    lost = json.loads(audit.output.lines[10].octets)
    assert (lost["first"], lost["last"]) == (line(10).time, line(24).time)
    assert "memory" in lost["why"]
    assert health.trouble(time.time() + 100) == ""
    assert audit.said == [(LogLevel.critical, "audit: 1 records are lost so far: memory takes too little")]


def test_what_is_small_does_not_slip_in_where_others_are_lost(start):
    audit = start(limit=5000)
    audit.output.held.clear()
    audit.writer.put(line(0, 4000))
    assert audit.output.tried.wait(PATIENCE)
    audit.writer.put(line(1, 4000))
    audit.writer.put(line(2))
    assert audit.writer.health.lost == 2
    audit.output.held.set()
    audit.writer.close(PATIENCE)
    assert numbers(audit.output.octets) == [0, -2]


def test_two_times_of_trouble_are_told_apart(start):
    audit = start(limit=3000)
    for first in (0, 10):
        audit.output.held.clear()
        audit.output.tried.clear()
        audit.writer.put(line(first, 2000))
        assert audit.output.tried.wait(PATIENCE)
        for i in range(1, 4):
            audit.writer.put(line(first + i, 2000))
        audit.output.held.set()
        until(lambda: audit.writer.health.waiting == 0 and audit.writer.health.writing_since is None)
    assert audit.writer.close(PATIENCE) == 0
    assert numbers(audit.output.octets) == [0, -3, 10, -3]
    assert audit.writer.health.lost == 6


def test_one_record_may_be_larger_than_the_queue(start):
    audit = start(limit=100)
    audit.writer.put(line(0, 1000))
    assert audit.writer.close(PATIENCE) == 0
    assert numbers(audit.output.octets) == [0]


def test_an_output_that_refuses_is_tried_again_and_said_once(start):
    audit = start()
    audit.output.error = FULL
    for i in range(10):
        audit.writer.put(line(i))
    until(lambda: audit.writer.health.problem)
    assert audit.writer.health.problem == "memory: the disk is full"
    assert audit.writer.health.trouble(0) == "audit records are not written: memory: the disk is full"
    audit.output.tried.clear()
    assert audit.output.tried.wait(PATIENCE)
    audit.output.error = None
    until(lambda: not audit.writer.health.problem)
    assert audit.writer.close(PATIENCE) == 0
    assert numbers(audit.output.octets) == list(range(10))
    assert audit.said == [
        (LogLevel.error, "audit: memory: the disk is full"),
        (LogLevel.warn, "audit: memory: takes records again"),
    ]


def test_another_problem_is_said_at_once_and_the_same_one_rarely(start):
    audit = start()
    for text in ("first", "second", "first"):
        audit.output.error = OSError(text)
        audit.writer.put(line(0))
        until(lambda text=text: audit.writer.health.problem == f"memory: {text}")
    audit.output.error = None
    until(lambda: not audit.writer.health.problem)
    levels = [said for said in audit.said if said[0] is LogLevel.error]
    assert levels == [(LogLevel.error, "audit: memory: first"), (LogLevel.error, "audit: memory: second")]


def test_a_close_waits_for_an_output_that_comes_back_and_for_no_other(start):
    audit = start()
    audit.output.error = FULL
    for i in range(10):
        audit.writer.put(line(i))
    assert audit.writer.close(0.1) == 10
    audit = start()
    audit.output.held.clear()
    audit.writer.put(line(0))
    assert audit.output.tried.wait(PATIENCE)
    audit.writer.put(line(1))
    assert audit.writer.close(0.1) == 2


def test_a_reopening_comes_after_what_was_put_before_it(start):
    audit = start(limit=10**7)
    for i in range(3000):
        audit.writer.put(line(i, 1000))
    audit.writer.reopen()
    until(lambda: audit.output.reopened_after)
    (after,) = audit.output.reopened_after
    assert after >= 3000
    assert (LogLevel.info, "audit: memory: opened anew") in audit.said


def test_a_reopening_waits_for_no_clock(start):
    audit = start(retry=10 * PATIENCE)
    for number in range(5):
        # While the thread waits for more records to write together with this one.
        audit.writer.put(line(number))
        until(lambda: not audit.writer.health.waiting)
        audit.writer.reopen()
        until(lambda: audit.output.reopened_after)
        audit.output.reopened_after.clear()


def test_a_reopening_that_is_asked_for_during_another_one_comes_after_it(start):
    audit = start()
    begun, goes_on = threading.Event(), threading.Event()
    reopen = audit.output.reopen

    def slow():
        reopen()
        begun.set()
        assert goes_on.wait(PATIENCE)

    audit.output.reopen = slow
    audit.writer.reopen()
    assert begun.wait(PATIENCE)
    audit.writer.reopen()
    goes_on.set()
    until(lambda: len(audit.output.reopened_after) == 2)


def test_a_reopening_does_not_wait_for_what_cannot_be_written(start):
    audit = start()
    audit.output.error = FULL
    audit.writer.put(line(0))
    until(lambda: audit.writer.health.problem)
    audit.writer.reopen()
    until(lambda: audit.output.reopened_after == [0])


def test_a_reopening_that_fails_is_trouble_until_it_succeeds_and_stops_no_record(start):
    audit = start()
    audit.output.reopen_error = PermissionError(errno.EACCES, "Permission denied")
    audit.writer.reopen()
    until(lambda: "cannot be opened anew: this account may not do it" in audit.writer.health.problem)
    for i in range(5):
        audit.writer.put(line(i))
    until(lambda: len(audit.output.lines) == 5)
    assert audit.writer.health.problem
    audit.output.reopen_error = None
    until(lambda: audit.output.reopened_after == [5])
    until(lambda: not audit.writer.health.problem)


def test_a_new_output_takes_what_the_old_one_did_not(start):
    audit = start()
    audit.output.error = FULL
    for i in range(3):
        audit.writer.put(line(i))
    until(lambda: audit.writer.health.problem)
    other = Taking()
    audit.writer.replace(other)
    until(lambda: len(other.lines) == 3)
    until(lambda: not audit.writer.health.problem)
    assert audit.output.closed
    assert numbers(other.octets) == [0, 1, 2]


def test_a_record_that_is_too_long_for_the_output_is_lost_aloud(start):
    audit = start()
    taking = audit.output.write

    def refuse_long(waiting):
        if len(waiting[0].octets) > 500:
            raise RecordTooLong
        taking(waiting)

    audit.output.write = refuse_long
    audit.writer.put(line(0, 1000))
    audit.writer.put(line(1))
    assert audit.writer.close(PATIENCE) == 0
    assert numbers(audit.output.octets) == [-1, 1]
    assert (audit.writer.health.lost, audit.writer.health.waiting) == (1, 0)
    assert audit.said == [(LogLevel.critical, "audit: memory cannot take records that long: they are lost")]
