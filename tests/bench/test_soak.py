"""What a soak is held to."""

import pytest

from bench.soak import verdict

BEFORE = 100_000_000


@pytest.mark.parametrize(
    ("lost", "ratio", "after", "said"),
    [
        (0, 0.5, 110_000_000, "met"),
        (1, 1.0, BEFORE, "**completeness not met**"),
        (0, 0.49, BEFORE, "**speed not met**"),
        (0, 1.0, 110_000_001, "**memory not met**"),
        (2, 0.1, 600_000_000, "**completeness and speed and memory not met**"),
    ],
)
def test_a_sync_is_whole_half_as_fast_and_leaves_the_memory_as_it_was(lost, ratio, after, said):
    assert verdict(lost, ratio, BEFORE, after) == said
