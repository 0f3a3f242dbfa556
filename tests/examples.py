"""The number of inputs that the tests make up for themselves, and where they begin.

A usual run takes the number that stands in each test. `.ci/fuzz FACTOR SEED` sets the two variables below: FACTOR times
as many inputs, and others than the last time.
"""

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("LDAP_GATEWAY_FUZZ", "1"))
# Of the generators that are not Hypothesis's; its own is an option of pytest (--hypothesis-seed).
SEED = int(os.environ.get("LDAP_GATEWAY_FUZZ_SEED", "0"))


def examples(usual: int) -> int:
    """The number of inputs to try where a usual run tries `usual` ones."""
    return usual * FACTOR


def register_profiles() -> None:
    """Changes Hypothesis's own default, and adds the profile `fuzz` (--hypothesis-profile).

    No example has a time limit: the time that one takes says more of a busy machine than of the gateway, and
    pytest-timeout ends a test that hangs. In CI Hypothesis tries the same examples in each run, so that a change fails
    for what it changed; with `fuzz` it tries new ones there too, and keeps what it found in .hypothesis.
    """
    settings.register_profile("default", deadline=None)
    settings.register_profile(
        "fuzz",
        parent=settings.get_profile("default"),
        derandomize=False,
        max_examples=examples(100),
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
