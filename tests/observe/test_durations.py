import pytest

from gateway.observe.durations import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 ms"),
        (0.0421, "42 ms"),
        (0.9999, "1000 ms"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h"),
        (3_659, "1 h"),
        (11_520, "3 h 12 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_the_two_largest_units(seconds, words):
    assert duration(seconds) == words
