"""What was measured, by case and target, and what the goals make of it."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.measure import Figure, Sample


@dataclass(frozen=True)
class Metric:
    """A column. scale: from the unit that is measured in to the one that is shown. digits: behind the point."""

    name: str
    digits: int = 0
    scale: float = 1


@dataclass
class Results:
    """samples: by (case, name of a metric, target), in the order of the rounds."""

    samples: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def add(self, case: str, target: str, values: Mapping[Metric, float]) -> None:
        """One round's."""
        for metric, value in values.items():
            self.samples.setdefault((case, metric.name, target), []).append(value)

    def include(self, others: "Results", prefix: str) -> None:
        """Adds others' values, each of a case with this before its name."""
        for (case, metric, target), values in others.samples.items():
            self.samples.setdefault((f"{prefix}{case}", metric, target), []).extend(values)

    def sample(self, case: str, metric: Metric, target: str) -> Sample | None:
        values = self.samples.get((case, metric.name, target))
        return Sample(values) if values else None

    def median(self, case: str, metric: Metric, target: str) -> float | None:
        sample = self.sample(case, metric, target)
        return None if sample is None else sample.median

    def as_json(self) -> list[dict[str, object]]:
        return [
            {"case": case, "metric": metric, "target": target, "values": values}
            for (case, metric, target), values in self.samples.items()
        ]

    def table(self, title: str, about: str, cases: Iterable[str], metrics: Iterable[Metric]) -> Figure:
        """A row for each case and target that was measured."""
        metrics = list(metrics)
        rows = []
        for case in cases:
            for target in dict.fromkeys(found for at, _, found in self.samples if at == case):
                cells = [self.sample(case, metric, target) for metric in metrics]
                shown = (
                    "" if cell is None else cell.shown(metric.scale, metric.digits)
                    for cell, metric in zip(cells, metrics, strict=True)
                )
                rows.append((case, target, *shown))
        return Figure(title, about, ("", "", *(metric.name for metric in metrics)), rows)


@dataclass(frozen=True)
class Goal:
    """What a figure of the gateway must be, or is to be some day.

    cases: of which the worst counts. peer: whose figure ours is divided by, None where the bound is one of its own.
    at_least: more is better. paired: the ratio is the median of those of the single rounds, for what disturbs a round
    disturbs both.
    """

    figure: str
    cases: tuple[str, ...]
    metric: Metric
    peer: str | None
    bound: float
    at_least: bool = False
    aim: bool = False
    target: str = "gateway"
    paired: bool = False


@dataclass(frozen=True)
class Judgement:
    """case: the worst one. value: the ratio to the peer there, or our figure itself, in the unit that is shown."""

    goal: Goal
    case: str
    ours: float
    theirs: float | None
    value: float

    @property
    def met(self) -> bool:
        return self.value >= self.goal.bound if self.goal.at_least else self.value <= self.goal.bound


def judge(goal: Goal, results: Results) -> Judgement | None:
    """None where something of it was not measured."""
    found = []
    for case in goal.cases:
        ours = results.median(case, goal.metric, goal.target)
        theirs = None if goal.peer is None else results.median(case, goal.metric, goal.peer)
        if ours is None or (goal.peer is not None and theirs is None):
            return None
        ours *= goal.metric.scale
        value = ours
        if theirs is not None:
            theirs *= goal.metric.scale
            value = _paired_ratio(goal, case, results) if goal.paired else _ratio(ours, theirs)
        found.append(Judgement(goal, case, ours, theirs, value))
    return (min if goal.at_least else max)(found, key=lambda each: each.value)


def _paired_ratio(goal: Goal, case: str, results: Results) -> float:
    """The median of the ratios of the rounds."""
    ours, theirs = (results.sample(case, goal.metric, name) for name in (goal.target, goal.peer or ""))
    if ours is None or theirs is None:
        raise ValueError(f"{case} was not measured of both")
    return Sample([_ratio(*both) for both in zip(ours.values, theirs.values, strict=True)]).median


def _ratio(ours: float, theirs: float) -> float:
    # A peer whose part drowns in the noise cannot be come near to.
    return ours / theirs if theirs > 0 else float("inf")


def goals_table(goals: Iterable[Goal], results: Results) -> Figure:
    """Those that something was measured for."""
    judgements = filter(None, (judge(goal, results) for goal in goals))
    return Figure(
        "Goals",
        "The figure divided by the peer's, in the case where it is worst: the ratio of the medians, or, where it is "
        "paired, the median of the rounds' ratios.",
        ("figure", "worst case", "", "peer", "ratio", "goal", ""),
        [tuple(_cells(judgement)) for judgement in judgements],
    )


def _cells(judgement: Judgement) -> Iterator[str]:
    goal = judgement.goal
    digits = goal.metric.digits
    yield goal.figure
    yield judgement.case
    yield f"{judgement.ours:,.{digits}f}"
    yield "" if judgement.theirs is None else f"{goal.peer} {judgement.theirs:,.{digits}f}"
    yield "" if goal.peer is None else f"{judgement.value:.2f}"
    sense = "at least" if goal.at_least else "at most"
    bound = f"{goal.bound:g}" if goal.peer is None else f"{goal.bound:g} x {goal.peer}{', paired' * goal.paired}"
    yield f"{'aim' if goal.aim else 'must'}: {sense} {bound}"
    yield "met" if judgement.met else "**not met**"


def percentile(values: Iterable[float], share: float) -> float:
    """The least of the values that at least so much of them does not exceed. share: above 0, at most 1."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]
