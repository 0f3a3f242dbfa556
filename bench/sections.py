"""One part of a comparison: what is measured, what is made of it, and what it is to be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.lab import Lab
from bench.measure import Figure
from bench.results import Goal, Results


@dataclass(frozen=True)
class Section:
    """interleaved: called once a round with the round's number. alone: called once with the number of rounds, for what
    needs processes of its own."""

    goals: Sequence[Goal]
    interleaved: Callable[[Lab, Results, int], None] | None = None
    alone: Callable[[Lab, Results, int], None] | None = None
    tables: Callable[[Results], list[Figure]] = lambda results: []
