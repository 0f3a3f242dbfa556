"""Which searches are remembered, which had to go, and that each of these is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.shrink import Sizes
from gateway.state import recent_shapes as module
from gateway.state.recent_shapes import Forgotten, RecentShapes
from gateway.state.size_database import StoredShape

ACCOUNTS = ["svc@corp.example", "CORP\\svc", "CN=svc,DC=corp,DC=example"]


def stored(number, account="svc", run=0, **changes):
    return StoredShape(
        "mimecast", bytes([number]), f"search {number}", Sizes(100), 0.0, account=account, run=run, **changes
    )


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.sampled_from(ACCOUNTS)), max_size=60),
    st.integers(1, 5),
)
def test_those_with_which_nothing_was_compared_go_first_and_of_either_the_least_recently_used(uses, limit):
    recent, once, compared, latest = RecentShapes(limit), [], [], {}
    for run, (is_store, number, account) in enumerate(uses):
        row = (number, account)
        if is_store:
            gone = recent.put(stored(*row, run=run, compared=row in compared))
            mine = compared if row in compared else once
            mine[:] = [other for other in mine if other != row] + [row]
            latest[number] = [a for a in latest.get(number, []) if a != account] + [account]
            assert (gone is not None) == (len(once) + len(compared) > limit)
            if gone is not None:
                lists = [rows for rows in (once, compared) if set(rows) - {row}] or [mine]
                oldest = next((other for other in lists[0] if other != row), row)
                lists[0].remove(oldest)
                assert (gone.key[0], gone.account) == oldest
                latest[oldest[0]].remove(oldest[1])
        else:
            # The account's own, or the client's latest.
            accounts = latest.get(number, [])
            wanted = None if not accounts else (number, account if account in accounts else accounts[-1])
            found = recent.compare("mimecast", bytes([number]), account)
            assert (None if found is None else (found.key[0], found.account)) == wanted
            if wanted is not None:
                if wanted in once:
                    once.remove(wanted)
                compared[:] = [other for other in compared if other != wanted] + [wanted]
        assert [(found.key[0], found.account) for found in recent] == once + compared
        assert [found.compared for found in recent] == [False] * len(once) + [True] * len(compared)
        assert all(row.id in recent for row in recent)


def test_clients_have_their_own_room():
    recent = RecentShapes(1)
    assert recent.put(stored(1)) is None
    assert recent.put(StoredShape("other", b"\1", "search 1", Sizes(7), 0.0)) is None
    assert len(list(recent)) == 2


class Told:
    def __init__(self):
        self.now = 5.0
        self.texts = []
        self.forgotten = Forgotten(1000, self.texts.append, lambda: self.now)


@pytest.fixture
def told():
    return Told()


def test_each_that_was_compared_is_said_with_its_name_and_at_once(told):
    for number in (1, 2):
        told.forgotten.add(stored(number, compared=True))
    assert told.texts == [
        f"shrink guard: client mimecast makes more than 1000 different searches: the sizes of search {number} are "
        "forgotten, and the next complete result is compared with nothing"
        for number in (1, 2)
    ]


def test_those_that_ran_once_are_counted_in_a_line_a_minute(told):
    for number in range(50):
        told.forgotten.add(stored(number))
    told.now += module.TELL_PAUSE - 1
    told.forgotten.tell()
    assert ["1 search that ran once are" in text for text in told.texts] == [True]
    told.now += 1
    told.forgotten.tell()
    assert "49 searches that ran once each are" in told.texts[1]
    told.forgotten.tell(last=True)
    assert len(told.texts) == 2
    told.forgotten.add(stored(1))
    told.forgotten.tell(last=True)
    assert "1 search that ran once are" in told.texts[2]


def test_what_a_client_sent_begins_no_line_of_the_log(told):
    told.forgotten.add(StoredShape("mimecast", b"k", "OU=x\n\x1b[2J", Sizes(1), 0.0, compared=True))
    assert told.texts[0].isprintable() and "OU=x\ufffd\ufffd[2J" in told.texts[0]
