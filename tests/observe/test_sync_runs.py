import tracemalloc

import pytest

from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import EqualityMatch
from gateway.ldap.kinds import Kind
from gateway.net.sessions.settings import DEFAULT_SYNC_GAP
from gateway.observe.sync_runs import SyncRuns
from tests.observe.records import record

NOW = 1_700_000_000.0
GAP = 60.0


@pytest.fixture
def runs():
    return SyncRuns({"mimecast": GAP})


def all_of(runs, *records):
    """The only run of records that end one second after another."""
    for i, each in enumerate(records):
        assert runs.add(each, NOW + i) is None
    (run,) = runs.over(NOW + len(records) + GAP)
    return run


def test_a_run_adds_up_what_its_searches_gave(runs):
    first = record(seconds=5.0, received=12, sent=10, pages=2, octets=1000)
    second = record(base="OU=Groups,DC=corp,DC=example", received=3, sent=3, pages=1, octets=300)
    run = all_of(runs, first, second)
    assert (run.client, run.began, run.ended, run.seconds) == ("mimecast", NOW - 5, NOW + 1, 6)
    assert (run.searches, run.entries, run.entries_held_back, run.pages, run.octets) == (2, 13, 2, 3, 1300)
    assert (run.complete, run.problems) == (True, {})


def test_an_attribute_that_is_held_back_counts_once_however_often_it_is_asked_for(runs):
    asked = [record(held_back=names) for names in (("pager", "info"), ("Pager", "info"), (), ("PAGER",))]
    assert all_of(runs, *asked).attributes_held_back == 2


def test_attributes_held_back_are_counted_up_to_a_bound(runs):
    for i in range(20):
        runs.add(record(held_back=tuple(f"attribute-{i}-{j}" for j in range(500))), NOW)
    (run,) = runs.over(NOW + GAP)
    assert run.attributes_held_back == 1_000


def test_people_groups_and_contacts_are_told_apart_where_the_filter_does(runs):
    def of(text, sent):
        return record(filter=parse_filter(text), sent=sent, received=sent)

    run = all_of(
        runs,
        of("(&(objectCategory=person)(objectClass=user))", 400),
        of("(&(objectCategory=person)(objectClass=user))", 37),
        of("(objectClass=group)", 22),
        of("(objectClass=contact)", 11),
        of("(mail=*)", 5),
        of("(objectClass=contact)", 0),
    )
    assert run.kinds == {Kind.user: 437, Kind.group: 22, Kind.contact: 11}
    assert run.entries == 475


def test_a_gap_parts_two_runs_and_less_does_not(runs):
    assert runs.add(record(sent=1), NOW) is None
    assert runs.add(record(sent=2), NOW + GAP - 0.1) is None
    before = runs.add(record(sent=4), NOW + 2 * GAP)
    assert (before.entries, before.ended) == (3, NOW + GAP - 0.1)
    assert runs.running("mimecast").entries == 4


def test_a_search_that_took_longer_than_the_gap_is_no_gap(runs):
    runs.add(record(), NOW)
    assert runs.over(NOW + 10 * GAP, searching={"mimecast"}) == []
    assert runs.add(record(seconds=10 * GAP - 1), NOW + 10 * GAP) is None
    assert runs.running("mimecast").searches == 2


def test_a_run_is_over_once_and_only_when_its_gap_has_passed(runs):
    runs.add(record(), NOW)
    assert runs.over(NOW + GAP - 0.1) == []
    assert [run.searches for run in runs.over(NOW + GAP)] == [1]
    assert runs.over(NOW + GAP) == []
    assert runs.running("mimecast") is None


def test_clients_have_runs_and_gaps_of_their_own(runs):
    runs.add(record(), NOW)
    runs.add(record(client="other"), NOW)
    assert [run.client for run in runs.over(NOW + GAP)] == ["mimecast"]
    assert [run.client for run in runs.over(NOW + DEFAULT_SYNC_GAP)] == ["other"]
    runs.gaps = {"other": 1.0}
    runs.add(record(client="other"), NOW)
    assert [run.client for run in runs.over(NOW + 1)] == ["other"]


FAILED = {"code": 52, "reason": "server-lost"}
REFUSED = {"code": 50, "reason": "base-not-allowed", "decision": "refuse"}


@pytest.mark.parametrize(
    ("records", "problems"),
    [
        ([FAILED], {"server-lost": 1}),
        ([REFUSED], {"base-not-allowed": 1}),
        ([{"code": 4}], {"sizeLimitExceeded": 1}),
        ([{"code": None}], {"unanswered": 1}),
        ([{"code": None, "reason": "client-gone"}], {"client-gone": 1}),
        ([{"more": True}], {}),
        ([{"more": True}, {"more": True}, FAILED], {"server-lost": 1}),
        ([FAILED, {"more": True}], {"server-lost": 1}),
    ],
    ids=["failed", "refused", "limit", "no answer", "client gone", "paged in part", "page failed", "tried in part"],
)
def test_a_run_that_did_not_get_everything_is_not_complete(runs, records, problems):
    groups = record(base="OU=Groups,DC=corp,DC=example")
    run = all_of(runs, groups, *(record(**each) for each in records), groups)
    assert (run.complete, run.problems) == (False, problems)


def test_what_was_asked_again_with_success_is_complete(runs):
    run = all_of(runs, record(more=True), record(**FAILED), record(more=True), record())
    assert (run.complete, run.problems) == (True, {"server-lost": 1})


@pytest.mark.parametrize("change", [{"base": "DC=corp"}, {"scope": "one"}, {"filter": None}, {"asked": ("cn",)}])
def test_another_search_does_not_make_up_for_one_that_failed(runs, change):
    assert not all_of(runs, record(**FAILED), record(**change)).complete


@pytest.mark.parametrize(
    "other",
    [
        record("bind"),
        record(account="", code=50, reason="not-bound", decision="refuse"),
        record(code=50, reason="login-may-only-bind", decision="refuse"),
        record(account=""),
        # The gateway's own root DSE.
        record(base="", scope="base", decision=""),
    ],
    ids=["bind", "not bound", "login", "anonymous", "root DSE"],
)
def test_other_operations_are_of_no_run(runs, other):
    runs.add(other, NOW)
    assert runs.running("mimecast") is None
    assert runs.over(NOW + GAP) == []


def test_reading_single_entries_is_no_sync_but_part_of_one(runs):
    runs.add(record(scope="base", sent=1), NOW)
    assert runs.running("mimecast") is None
    assert runs.over(NOW + GAP) == []
    run = all_of(runs, record(scope="base", sent=1, **FAILED), record(sent=2))
    assert (run.searches, run.entries, run.complete) == (2, 3, False)


def test_what_a_run_keeps_is_bounded_and_then_it_is_not_complete(runs):
    searches = [record(base=f"OU={i}", code=1, reason=f"reason-{i}") for i in range(2_000)]
    for each in searches:
        runs.add(each, NOW)
    for each in searches:
        each.code = 0
        runs.add(each, NOW)
    (run,) = runs.over(NOW + GAP)
    assert not run.complete
    assert len(run.problems) == 20


def test_memory_does_not_grow_with_the_filters_of_refused_searches(runs):
    """1,000 searches of 64 KiB each would be 62 MiB."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_000):
            large = EqualityMatch("mail", b"%05d" % number + b"x" * 65_536)
            runs.add(record(filter=large, code=50, reason="filter-attribute-not-allowed"), NOW)
            del large
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()
    assert runs.running("mimecast").unfinished == 1_000


@pytest.mark.parametrize(
    "change",
    [
        {"base": "OU=Other,DC=corp,DC=example"},
        {"scope": "one"},
        {"asked": ("cn",)},
        {"asked": None},
        {"filter": EqualityMatch("mail", b"b")},
        {"filter": EqualityMatch("maila", b"")},
        {"filter": None},
    ],
)
def test_only_the_same_search_makes_good_what_failed(runs, change):
    failed = {"base": "OU=Staff,DC=corp,DC=example", "filter": EqualityMatch("mail", b"a"), "asked": ("mail",)}
    run = all_of(runs, record(**failed, code=52, reason="server-lost"), record(**{**failed, **change}))
    assert (run.complete, run.unfinished) == (False, 1)
    run = all_of(SyncRuns({"mimecast": GAP}), record(**failed, code=52, reason="server-lost"), record(**failed))
    assert run.complete
