"""Who waits, by source and in order: against lists that are searched from end to end."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.net.sessions.places import Queue, Waiting

STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from("abcd"), st.integers(0, 30)))


@given(STEPS)
def test_the_oldest_of_a_source_and_of_the_source_that_has_most(steps):
    waiting, model = Waiting(), {}
    for step, source, number in steps:
        # An item is of one source.
        number = number * 4 + "abcd".index(source)
        if step == "add" and number not in model:
            waiting.add(source, number, f"item {number}")
            model[number] = source
        elif step == "remove":
            waiting.remove(source, number)
            model.pop(number, None)
        assert waiting.total == len(model)
        counts = {each: list(model.values()).count(each) for each in "abcd"}
        for each in "abcd":
            oldest = min((number for number, of in model.items() if of == each), default=None)
            assert waiting.count(each) == counts[each]
            assert waiting.oldest(each) == (None if oldest is None else f"item {oldest}")
        most = {waiting.oldest(each) for each in "abcd" if counts[each] == max(counts.values())}
        assert waiting.oldest_of_most() in most


def test_of_several_sources_that_have_most_it_is_the_one_that_has_had_so_many_for_the_longest_time():
    waiting = Waiting()
    for number, source in enumerate("abba"):
        waiting.add(source, number, source)
    assert waiting.oldest_of_most() == "b"
    waiting.remove("b", 1)
    assert waiting.oldest_of_most() == "a"
    waiting.add("b", 9, "b")
    assert waiting.oldest_of_most() == "a"


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 9), st.integers(0, 9)), max_size=200))
def test_a_queue_holds_no_more_than_twice_its_items(steps):
    queue, model = Queue(), set()
    for adds, when, number in steps:
        key = (when, number)
        if adds and key not in model:
            queue.add(key, "item")
            model.add(key)
        elif not adds and model:
            assert queue.remove(max(model))
            model.remove(max(model))
        first = queue.first()
        assert (None if first is None else first[0]) == min(model, default=None)
        assert len(queue._heap) <= 2 * len(model) + 17
    assert not queue.remove((10.0, 0))


def test_nothing_is_left_of_sources_that_wait_no_more():
    waiting = Waiting()
    for number in range(1000):
        waiting.add(f"s{number}", number, "item")
        waiting.remove(f"s{number}", number)
    assert (waiting._queues, waiting._having, waiting._most) == ({}, {}, 0)
