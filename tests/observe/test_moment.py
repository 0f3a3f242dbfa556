from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.observe.moment import moment


@given(st.floats(0, 2**33) | st.integers(0, 2**33))
def test_a_moment_is_what_datetime_makes_of_it(seconds):
    assert moment(seconds) == datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "1970-01-01T00:00:00.000+00:00"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250+00:00"),
        # Less than half a microsecond before the next second.
        (59.9999999, "1970-01-01T00:01:00.000+00:00"),
        (-0.25, "1969-12-31T23:59:59.750+00:00"),
    ],
)
def test_moments(seconds, text):
    assert moment(seconds) == text
