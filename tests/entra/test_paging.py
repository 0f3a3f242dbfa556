"""Paged searches: all pages of one come from one state of the copy, and few wait for their next page."""

from time import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.entra import pages, readings, searching
from gateway.entra.published import note_success, replace_all, write_entries
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import SearchRequest
from tests.entra.copies import BASE, USERS, containers, make_copy, person
from tests.entra.talk import Talk
from tests.examples import examples

EVERYBODY = SearchRequest(BASE, 2, parse_filter("(objectClass=user)"), ("cn",))


def people(count, **attributes):
    return [person(f"P{number:03}", **attributes) for number in range(count)]


def names(count):
    return [f"CN=P{number:03},{USERS}" for number in range(count)]


@pytest.fixture
def talk(open_talk):
    return open_talk(people(25))


def all_pages(talk, request, size):
    """The pages of a search, each with the result and the cookie that came with it."""
    found, cookie = [], b""
    while True:
        page, result, control = talk.page(request, size, cookie)
        assert result.code == 0
        found.append(page)
        cookie = control.cookie
        if not cookie:
            return found


@pytest.mark.parametrize("size", [1, 7, 24, 25, 26, 1000])
def test_pages_hold_everything_once_and_none_is_empty(talk, size):
    pages_ = all_pages(talk, EVERYBODY, size)
    assert [dn for page in pages_ for dn in page] == names(25)
    assert [len(page) for page in pages_[:-1]] == [size] * (len(pages_) - 1)
    assert all(pages_)


def test_a_search_without_results_is_one_empty_page(talk):
    nobody = SearchRequest(BASE, 2, parse_filter("(cn=nobody)"))
    assert all_pages(talk, nobody, 10) == [[]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(30))
@given(st.data())
def test_a_publish_between_pages_is_not_seen(open_talk, tmp_path_factory, token_file, data):
    """Whatever is published between two pages, they are those of the state in which the search began."""
    path = tmp_path_factory.mktemp("pages") / "copy.db"
    now = int(time())
    writer = make_copy(path, [*containers(), *people(12)], now)
    talk = Talk(path, token_file)
    talk.bind()
    before = talk.shown(names(1)[0], ["mail"])
    found, cookie = [], b""
    while True:
        page, result, control = talk.page(EVERYBODY, data.draw(st.integers(1, 5)), cookie)
        assert result.code == 0
        found += page
        cookie = control.cookie
        if not cookie:
            break
        writer.execute("BEGIN IMMEDIATE")
        if data.draw(st.booleans()):
            replace_all(writer, [*containers(), *people(data.draw(st.integers(0, 20)), mail=["new@x"])])
        else:
            gone = data.draw(st.sets(st.integers(0, 11)))
            write_entries(writer, people(3, sn=["New"]), [person(f"P{number:03}").id for number in gone - {0, 1, 2}])
        note_success(writer, now)
        writer.execute("COMMIT")
    assert found == names(12)
    assert before == {}
    talk.readings.close()
    writer.close()


def test_a_cookie_counts_once(talk):
    _, _, control = talk.page(EVERYBODY, 10)
    page, _, following = talk.page(EVERYBODY, 10, control.cookie)
    assert page == names(25)[10:20]
    _, result, _ = talk.page(EVERYBODY, 10, control.cookie)
    assert result.code == 53
    # The search itself goes on.
    page, _, _ = talk.page(EVERYBODY, 10, following.cookie)
    assert page == names(25)[20:]


def test_a_cookie_belongs_to_its_connection(talk, tmp_path, token_file):
    other = Talk(tmp_path / "copy.db", token_file, readings=talk.readings)
    other.bind()
    _, _, control = talk.page(EVERYBODY, 10)
    entries, result, _ = other.page(EVERYBODY, 10, control.cookie)
    assert (entries, result.code) == ([], 53)
    assert talk.page(EVERYBODY, 10, control.cookie)[0] == names(25)[10:20]


def test_without_a_bind_no_page_follows(talk):
    _, _, control = talk.page(EVERYBODY, 10)
    talk.bind(password="Wrong-Passw0rd-of-the-tests")
    assert talk.page(EVERYBODY, 10, control.cookie)[:1] == ([],)


@pytest.mark.parametrize(
    "other",
    [
        SearchRequest(BASE, 1, EVERYBODY.filter, ("cn",)),
        SearchRequest(USERS, 2, EVERYBODY.filter, ("cn",)),
        SearchRequest(BASE, 2, parse_filter("(objectClass=*)"), ("cn",)),
        SearchRequest(BASE, 2, EVERYBODY.filter, ("mail",)),
    ],
)
def test_a_cookie_belongs_to_its_search(talk, other):
    _, _, control = talk.page(EVERYBODY, 10)
    entries, result, _ = talk.page(other, 10, control.cookie)
    assert (entries, result.code) == ([], 53)


def test_the_size_of_pages_may_change(talk):
    _, _, control = talk.page(EVERYBODY, 10)
    assert talk.page(EVERYBODY, 3, control.cookie)[0] == names(25)[10:13]


def test_a_page_of_no_entries_ends_the_search(talk):
    _, _, control = talk.page(EVERYBODY, 10)
    entries, result, ended = talk.page(EVERYBODY, 0, control.cookie)
    assert (entries, result.code, ended.cookie) == ([], 0, b"")
    assert talk.page(EVERYBODY, 10, control.cookie)[1].code == 53


def test_the_size_limit_holds_for_all_pages_together(talk):
    limited = SearchRequest(BASE, 2, EVERYBODY.filter, ("cn",), size_limit=15)
    page, result, control = talk.page(limited, 10)
    assert (len(page), result.code) == (10, 0)
    page, result, _ = talk.page(limited, 10, control.cookie)
    assert (len(page), result.code) == (5, 4)


@pytest.mark.parametrize("value", [None, b"", b"\x30\x00", b"\x30\x03\x02\x01\x0a", b"\x04\x00"])
def test_a_control_that_cannot_be_read_is_refused(talk, value):
    assert talk.result(EVERYBODY, Control(PAGED_RESULTS, False, value)).code == 2


def test_two_controls_are_refused(talk):
    control = PagedResults(5).to_control(critical=True)
    assert talk.result(EVERYBODY, control, control).code == 2


def test_the_root_dse_needs_no_pages(talk):
    entries, result, control = talk.page(SearchRequest("", 0, parse_filter("(objectClass=*)")), 10)
    assert (entries, result.code, control) == ([""], 0, None)


# How many searches may wait.


def test_a_connection_has_few_that_wait(talk):
    cookies = [talk.page(EVERYBODY, 10)[2].cookie for _ in range(pages.MOST + 1)]
    assert talk.page(EVERYBODY, 10, cookies[0])[1].code == 53
    assert talk.page(EVERYBODY, 10, cookies[1])[0] == names(25)[10:20]


def test_all_connections_together_have_few(talk, tmp_path, token_file):
    first = talk.page(EVERYBODY, 10)[2].cookie
    second = talk.page(EVERYBODY, 10)[2].cookie
    others = []
    while len(others) * pages.MOST < readings.MOST:
        others.append(Talk(tmp_path / "copy.db", token_file, readings=talk.readings))
        others[-1].bind()
        for _ in range(pages.MOST):
            others[-1].page(EVERYBODY, 10)
    # What has waited longest was given up; what is asked for now is answered.
    assert talk.page(EVERYBODY, 10, first)[1].code == 53
    assert talk.page(EVERYBODY, 10, second)[1].code == 53
    assert len(talk.found("(cn=p001)")) == 1


def test_where_all_are_at_work_a_further_one_is_told_to_come_again(talk, tmp_path, token_file):
    others = [Talk(tmp_path / "copy.db", token_file, readings=talk.readings) for _ in range(readings.MOST)]
    for other in others:
        other.bind()
        other.say(EVERYBODY)
        # It has begun, and not come to its end.
        other.conversation.work()
        assert other.conversation.has_work
    assert talk.result(EVERYBODY).code == 51
    others[0].hear()
    assert len(talk.found("(cn=p001)")) == 1


def test_the_end_of_a_connection_is_the_end_of_its_searches(talk, tmp_path, token_file):
    other = Talk(tmp_path / "copy.db", token_file, readings=talk.readings)
    other.bind()
    other.page(EVERYBODY, 10)
    other.say(EVERYBODY)
    other.conversation.work()
    other.conversation.end()
    assert talk.readings._open == []


def test_what_takes_too_long_is_ended(talk, monkeypatch):
    cookie = talk.page(EVERYBODY, 10)[2].cookie
    talk.say(EVERYBODY)
    talk.conversation.work()
    monkeypatch.setattr(readings, "OLDEST", -1.0)
    talk.readings.end_old()
    *_, done = talk.hear()
    assert done.operation.result.code == 11
    assert talk.page(EVERYBODY, 10, cookie)[1].code == 53
    assert talk.readings._open == []


def test_a_time_limit_ends_a_search(open_talk, monkeypatch):
    talk = open_talk(people(100))
    moments = iter(range(1_000_000))
    monkeypatch.setattr(searching, "monotonic", lambda: float(next(moments)))
    *entries, done = (talk.say(SearchRequest(BASE, 2, EVERYBODY.filter, ("cn",), time_limit=2)), *talk.hear())[1:]
    assert done.operation.result.code == 3
    assert len(entries) < 100
