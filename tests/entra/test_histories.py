"""Whether what is visible of a copy is the tenant, whatever happens there and whatever goes wrong on the way.

2,000 histories are tried each time. 100,000 others are tried by

    LDAP_GATEWAY_FUZZ=50 .venv/bin/python -m pytest --hypothesis-profile fuzz --timeout 0 tests/entra/test_histories.py
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.entra.histories import History, histories
from tests.entra.played import Played
from tests.examples import examples

# Where files cost least.
MEMORY = Path("/dev/shm")
FEW = frozenset(
    {"displayName", "mail", "mailNickname", "sAMAccountName", "userAccountControl", "groupType"}
    | {"member", "memberOf", "manager", "whenChanged"}
)


@pytest.mark.parametrize("contacts", [False, True])
@pytest.mark.parametrize("populated", [False, True])
@settings(max_examples=examples(500), suppress_health_check=[HealthCheck.too_slow])
@given(steps=histories, seed=st.integers(0, 2**32), guests=st.booleans())
def test_a_round_that_ends_shows_the_tenant_and_one_that_does_not_changes_nothing(
    populated, contacts, steps, seed, guests
):
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        played = Played(Path(directory), random=Random(seed))
        played.copying(attributes=FEW, guests=guests, contacts=contacts)
        with closing(History(played)) as history:
            if populated:
                history.populate()
            for step in steps:
                history.happen(step)
            history.settle()
