"""Medians, ratios and the judgement of goals."""

import pytest

from bench.measure import Sample
from bench.results import Goal, Metric, Results, goals_table, judge, percentile

CPU = Metric("CPU ms", 1, 1e3)
RATE = Metric("entries/s")
CASES = ("pages of 500", "pages of 1,000")


@pytest.fixture
def results():
    found = Results()
    for ours, theirs in ((0.001, 0.004), (0.002, 0.004), (0.009, 0.004)):
        found.add(CASES[0], "gateway", {CPU: ours, RATE: 100})
        found.add(CASES[0], "slapd", {CPU: theirs, RATE: 50})
    found.add(CASES[1], "gateway", {CPU: 0.003, RATE: 150})
    found.add(CASES[1], "slapd", {CPU: 0.004, RATE: 100})
    return found


def test_a_ratio_is_of_medians_and_of_the_worst_case(results):
    judged = judge(Goal("bulk", CASES, CPU, "slapd", 0.8), results)
    assert (judged.case, judged.ours, judged.theirs) == (CASES[1], 3.0, 4.0)
    assert judged.value == pytest.approx(0.75)
    assert judged.met
    assert not judge(Goal("bulk", CASES, CPU, "slapd", 0.7), results).met


def test_where_more_is_better_the_worst_is_the_least(results):
    judged = judge(Goal("bulk", CASES, RATE, "slapd", 1.5, at_least=True), results)
    assert (judged.case, judged.value, judged.met) == (CASES[1], 1.5, True)
    assert not judge(Goal("bulk", CASES, RATE, "slapd", 1.6, at_least=True), results).met


def test_a_bound_without_a_peer_is_in_the_unit_that_is_shown(results):
    judged = judge(Goal("bulk", CASES[:1], CPU, None, 2.5), results)
    assert (judged.value, judged.met) == (2.0, True)
    assert not judge(Goal("bulk", CASES[:1], CPU, None, 1.9), results).met


def test_a_paired_ratio_is_the_median_of_those_of_the_rounds(results):
    # 0.25, 0.5 and 2.25: the ratio of the medians is 0.5 as well, so another round parts them.
    results.add(CASES[0], "gateway", {CPU: 0.003, RATE: 1})
    results.add(CASES[0], "slapd", {CPU: 0.001, RATE: 1})
    judged = judge(Goal("bulk", CASES[:1], CPU, "slapd", 1.4, paired=True), results)
    assert (judged.ours, judged.theirs, judged.value) == (2.5, 4.0, pytest.approx(1.375))
    assert judged.met
    shown = goals_table([Goal("bulk", CASES[:1], CPU, "slapd", 1.4, paired=True)], results).rows
    assert shown[0][4:6] == ("1.38", "must: at most 1.4 x slapd, paired")


def test_results_of_elsewhere_are_included_under_names_of_their_own(results):
    both = Results()
    both.include(results, "40 ms, ")
    assert both.median(f"40 ms, {CASES[0]}", CPU, "slapd") == 0.004
    assert both.sample(CASES[0], CPU, "slapd") is None


def test_a_peer_without_a_measurable_part_is_not_come_near_to(results):
    results.add("added", "gateway", {CPU: 0.001})
    results.add("added", "slapd", {CPU: -0.001})
    assert not judge(Goal("added", ("added",), CPU, "slapd", 2), results).met


def test_nothing_is_said_of_what_was_not_measured(results):
    assert judge(Goal("bulk", CASES, CPU, "haproxy", 1), results) is None
    assert judge(Goal("bulk", (*CASES, "pages of 7"), CPU, "slapd", 1), results) is None
    assert goals_table([Goal("bulk", CASES, CPU, "haproxy", 1)], results).rows == []


def test_the_table_says_what_was_to_be_and_whether_it_is(results):
    goals = [
        Goal("CPU", CASES, CPU, "slapd", 0.5),
        Goal("rate", CASES, RATE, "slapd", 1.5, at_least=True, aim=True),
        Goal("alone", CASES[:1], CPU, None, 75),
    ]
    assert goals_table(goals, results).rows == [
        ("CPU", "pages of 1,000", "3.0", "slapd 4.0", "0.75", "must: at most 0.5 x slapd", "**not met**"),
        ("rate", "pages of 1,000", "150", "slapd 100", "1.50", "aim: at least 1.5 x slapd", "met"),
        ("alone", "pages of 500", "2.0", "", "", "must: at most 75", "met"),
    ]


def test_a_table_has_the_median_and_the_extremes_of_each_target(results):
    figure = results.table("Bulk", "about", ("not measured", *CASES), (CPU, Metric("unknown")))
    assert figure.rows[:2] == [
        ("pages of 500", "gateway", "2.0 (1.0-9.0)", ""),
        ("pages of 500", "slapd", "4.0 (4.0-4.0)", ""),
    ]
    assert len(figure.rows) == 4
    assert Sample([1, 2, 9]).median == 2


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1, 100), (0.001, 1)])
def test_percentiles(share, value):
    assert percentile(range(100, 0, -1), share) == value
