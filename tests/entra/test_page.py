"""What is taken as a page of Graph, and what is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.entra.page import Told, origin_of, read_count, read_ids, read_page
from gateway.entra.properties import Collection
from gateway.entra.trouble import Passing, Refused

ORIGIN = "https://graph.test"
NEXT = f"{ORIGIN}/v1.0/users/delta?$skiptoken=x"
DELTA = f"{ORIGIN}/v1.0/users/delta?$deltatoken=x"
ID = "f82d79af-1278-4894-ac01-d90e30875cf8"
OTHER = "00000000-1278-4894-ac01-d90e30875cf8"
SECRET = "LEAK-password-in-a-page"


def page(value=(), **members):
    names = {"following": "@odata.nextLink", "last": "@odata.deltaLink"}
    members = {names.get(name, name): found for name, found in (members or {"last": DELTA}).items()}
    return json.dumps({"value": list(value), **members}).encode()


def read(body, collection=Collection.users, select=("displayName", "businessPhones", "manager")):
    return read_page(body, collection, select, ORIGIN)


def test_a_page_says_whom_it_tells_and_where_it_goes_on():
    found = read(
        page(
            [
                {"id": ID.upper(), "displayName": "Ada", "mail": SECRET, "businessPhones": [], "odd": {"a": [1]}},
                {"id": OTHER, "@removed": {"reason": "changed"}},
                {"id": OTHER, "@removed": {"reason": "deleted"}},
                {"id": ID, "manager@delta": [{"id": OTHER}, {"id": OTHER, "@removed": {"reason": "deleted"}}]},
            ],
            following=NEXT,
        )
    )
    assert found.told == (
        Told(ID, {"displayName": "Ada", "businessPhones": None}),
        Told(OTHER, {}, removed=True),
        Told(OTHER, {}, removed=True, for_good=True),
        Told(ID, {}, ((OTHER, True), (OTHER, False))),
    )
    assert (found.link, found.last) == (NEXT, False)
    assert read(page()).last
    assert read(page([{"id": ID, "manager@delta": [{"id": OTHER}]}]), select=("displayName",)).told[0].links == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (page(following=NEXT, last=DELTA), "both a nextLink and a deltaLink"),
        (page(odd=1), "neither a nextLink nor a deltaLink"),
        (page(last=None, following=None), "neither a nextLink nor a deltaLink"),
        (page(last="https://graph.elsewhere.example/v1.0/users/delta?$deltatoken=x"), "another place than graph_url"),
        (page(last="http://graph.test/v1.0/users/delta"), "another place"),
        (page(last="https://graph.test:444/v1.0/users/delta"), "another place"),
        (page(last="https://user:word@graph.test/v1.0/users/delta"), "another place"),
        (page(last="https://graph.test@elsewhere.example/v1.0/users/delta"), "another place"),
        (page(last="https://graph.test.elsewhere.example/v1.0/users/delta"), "another place"),
        (page(last="//graph.test/v1.0/users/delta"), "another place"),
        (page(last="https://graph.test/beta/users/delta?$deltatoken=x"), "another version"),
        (page(last="https://graph.test/v1.0/users/delta?\n"), "no URL"),
        (page(last="https://graph.test/v1.0/ü"), "no URL"),
        (page(last=["https://graph.test/v1.0/users"]), "no URL"),
        (page(last="https://graph.test/v1.0/" + "x" * 20_000), "no URL"),
        (b'{"@odata.deltaLink": "https://graph.test/v1.0/users/delta"}', "no list `value`"),
        (page()[:-1] + b', "value": {}}', "no list `value`"),
        (b"[]", "no object"),
        (b"null", "no object"),
        (page([{"displayName": SECRET}]), "without an id"),
        (page([{"id": SECRET}]), "without an id"),
        (page([{"id": 1}]), "without an id"),
        (page([SECRET]), "without an id"),
        (page([{"id": ID, "displayName": [SECRET]}]), "displayName that is not a string"),
        (page([{"id": ID, "businessPhones": SECRET}]), "businessPhones that is not a list"),
        (page([{"id": ID, "@removed": SECRET}]), "odd way"),
        (page([{"id": ID, "manager@delta": {"id": OTHER}}]), "links that are no list"),
        (page([{"id": ID, "manager@delta": [{"name": SECRET}]}]), "without an id"),
    ],
)
def test_what_is_not_as_graph_may_answer_is_refused_and_not_shown(body, said):
    with pytest.raises(Refused) as raised:
        read(body)
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", page()[:-5], b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 100_000, page()[:-1] + b"\xff}"]
)
def test_what_is_no_json_may_be_another_time(body):
    with pytest.raises(Passing) as raised:
        read(body)
    assert not isinstance(raised.value, Refused)


def test_too_much_on_a_page_is_refused(monkeypatch):
    monkeypatch.setattr("gateway.entra.page.MOST_OBJECTS", 2)
    monkeypatch.setattr("gateway.entra.page.MOST_LINKS", 2)
    link = {"id": OTHER}
    assert len(read(page([{"id": ID, "manager@delta": [link, link]}, {"id": OTHER}])).told) == 2
    with pytest.raises(Refused, match="more than 2 objects"):
        read(page([{"id": ID}] * 3))
    with pytest.raises(Refused, match="more than 2 links"):
        read(page([{"id": ID, "manager@delta": [link] * 3}]))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "@removed",
                    "value",
                    "displayName",
                    "manager@delta",
                    "@odata.nextLink",
                    "@odata.deltaLink",
                    "reason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json_values | st.dictionaries(st.sampled_from(["value", "@odata.nextLink"]), json_values))
def test_any_json_is_a_page_or_is_refused(value):
    try:
        read(json.dumps(value).encode())
    except Passing as refused:
        assert str(refused).startswith("a page of Graph")


@given(st.binary(max_size=40))
def test_any_octets_are_a_page_or_are_refused(body):
    with pytest.raises(Passing):
        read(body)


def test_lists_of_ids():
    link = f"{ORIGIN}/v1.0/users?$select=id&$skiptoken=x"
    assert read_ids(page([{"id": ID}], following=link), ORIGIN) == ([ID], link)
    assert read_ids(page(odd=1), ORIGIN) == ([], None)
    with pytest.raises(Refused, match="another place"):
        read_ids(page(following="https://elsewhere.example/v1.0/users"), ORIGIN)


def test_counts():
    assert read_count(b"\xef\xbb\xbf12") == 12
    for body in (b"", b"-1", b"1.5", b"<html>", b"9" * 11, "١".encode()):
        with pytest.raises(Refused):
            read_count(body)


def test_origins_are_compared_by_host_and_port():
    assert origin_of("https://GRAPH.test/x") == origin_of("https://graph.test:443") == "https://graph.test:443"
    for url in ("http://graph.test", "https://", "https://graph.test:x", "https://a@graph.test", "graph.test"):
        assert origin_of(url) is None
