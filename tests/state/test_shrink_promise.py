"""The promise of the shrink guard over any order of searches and restarts: a complete run that gives less than is
permitted of the last one of its shape is caught, or it was said that this one had to go."""

import re
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from gateway.ldap.filters import And, EqualityMatch, GreaterOrEqual
from gateway.ldap.messages import SearchRequest
from gateway.policy.shrink import Shapes, ShrinkSettings, Sizes, losses
from gateway.state.sizes import SizesInMemory
from tests.state.test_sizes import Memory

SETTINGS = ShrinkSettings()
LIMIT = 4
ACCOUNTS = ["svc@corp.example", "CORP\\svc", "CN=svc,DC=corp,DC=example"]
PEOPLE = EqualityMatch("objectClass", b"user")


def of_search(number):
    return EqualityMatch("department", b"%d" % number)


def with_time_of(day):
    return GreaterOrEqual("accountExpires", b"%d" % (134 * 10**15 + day))


def delta(day):
    return GreaterOrEqual("whenChanged", b"%08d000000.0Z" % (20260101 + day))


# Searches that come again, by number; every one has the day's time in it.
fulls = st.tuples(st.just("full"), st.integers(0, 1), st.sampled_from(ACCOUNTS), st.integers(50, 400))
others = st.tuples(st.sampled_from(["delta", "made up"]), st.just(0), st.sampled_from(ACCOUNTS), st.integers(0, 400))
restarts = st.tuples(st.sampled_from(["restart", "kill"]), st.just(0), st.just(""), st.just(0))
lives = st.lists(st.one_of(fulls, fulls, others, restarts), max_size=40)


class Days:
    """model: what each search's last run that passed had, by key and account, the latest last. back: searches that had
    to go and were stored again."""

    def __init__(self, directory):
        self.shapes = Shapes("mimecast")
        self.model = {}
        self.back = 0
        self.said = []
        self.directory = directory
        self.memory = self.open()

    def open(self):
        if self.directory is None:
            return SizesInMemory(limit=LIMIT, lost=lambda text: self.said.append(("lost", text)))
        return Memory(self.directory, limit=LIMIT, pause=1000)

    def forgotten(self):
        """The number of searches of which it was said that they had to go."""
        said = [text for kind, text in [*self.said, *getattr(self.memory, "said", ())] if kind == "lost"]
        counts = [re.search(r"the sizes of (?:(\d+) search)?", text)[1] for text in said]
        return sum(int(count or 1) for count in counts)

    def restart(self, how):
        if self.directory is None:
            return
        self.said += self.memory.said
        if how == "restart":
            self.memory.close()
        else:
            self.memory._exchange(last=False)
            left, self.directory = self.directory, self.directory.with_name(self.directory.name + "k")
            shutil.copytree(left, self.directory)
            self.memory.said.clear()
            self.memory.close()
        self.memory = self.open()

    def run(self, day, kind, number, account, count):
        part = {"full": of_search(number), "delta": delta(day), "made up": of_search(1000 + day)}[kind]
        request = SearchRequest("OU=Staff", 2, And((PEOPLE, part, with_time_of(day))), ("mail",))
        shape = self.shapes.of(request, account)
        assert (shape is None) == (kind == "delta")
        if shape is None:
            return
        there = {(found.key, found.account) for found in self.memory._recent}
        # Nothing has gone without a word.
        assert len(self.model.keys() - there) + self.back == self.forgotten()
        known = {row: sizes for row, sizes in self.model.items() if row in there}
        own = (shape.key, account)
        latest = [sizes for (key, _account), sizes in known.items() if key == shape.key]
        measure = known.get(own, latest[-1] if latest else None)
        remembered = self.memory.read(shape)
        assert remembered.sizes == measure
        now = Sizes(count)
        if measure is not None and losses(measure, now, SETTINGS):
            return
        if measure is None and count < SETTINGS.minimum:
            return
        self.back += own in self.model and own not in there
        self.model.pop(own, None)
        self.model[own] = now
        self.memory.store(shape, now)


def live(directory, order):
    with patch("gateway.state.recent_shapes.TELL_PAUSE", 0):
        days = Days(directory)
        for day, (kind, *what) in enumerate(order):
            if kind in ("restart", "kill"):
                days.restart(kind)
            else:
                days.run(day, kind, *what)
        days.memory.close()


@given(lives)
def test_a_run_that_lost_people_is_caught_or_what_had_to_go_was_said(order):
    live(None, order)


@given(lives)
def test_the_same_over_restarts(order):
    with TemporaryDirectory() as directory:
        (state_dir := Path(directory) / "state").mkdir()
        live(state_dir, order)


def test_a_thousand_searches_for_changes_push_nothing_out():
    shapes, memory = Shapes("mimecast"), SizesInMemory()
    full = SearchRequest("OU=Staff", 2, PEOPLE, ("mail",))
    memory.store(shapes.of(full), Sizes(300))
    for day in range(1001):
        assert shapes.of(replace(full, filter=And((PEOPLE, delta(day))))) is None
    assert memory.read(shapes.of(full)).sizes == Sizes(300)


def test_a_thousand_made_up_searches_push_out_no_search_that_came_again():
    with closing(SizesInMemory()) as memory:
        shapes = Shapes("mimecast")
        full = shapes.of(SearchRequest("OU=Staff", 2, PEOPLE, ("mail",)))
        memory.store(full, Sizes(300))
        memory.read(full)
        for number in range(1100):
            made_up = shapes.of(SearchRequest("OU=Staff", 2, of_search(number), ("mail",)))
            memory.read(made_up)
            memory.store(made_up, Sizes(60))
        assert memory.read(full).sizes == Sizes(300)
