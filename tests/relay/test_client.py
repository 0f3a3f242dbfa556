"""The small client against answers that the codec itself encodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ask.client import (
    BindResult,
    Client,
    ClientStateError,
    Disconnection,
    Entry,
    ExtendedResult,
    Reference,
    SearchDone,
    next_page,
    page_control,
)
from gateway.ldap.controls import PAGED_RESULTS, Control, PagedResults, paged_results
from gateway.ldap.decoding import decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError
from gateway.ldap.filters import Present
from gateway.ldap.messages import (
    NOTICE_OF_DISCONNECTION,
    START_TLS,
    WHO_AM_I,
    AbandonRequest,
    Attribute,
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    IntermediateResponse,
    LDAPMessage,
    Response,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    SimpleAuthentication,
    UnbindRequest,
)
from gateway.ldap.results import LDAPResult, ResultCode

SEARCH = SearchRequest("DC=demo,DC=example", 2, Present("objectClass"), ("mail",))
SUCCESS = LDAPResult(ResultCode.success)
ENTRY = SearchResultEntry("CN=Ada,DC=demo,DC=example", (Attribute("mail", (b"ada@demo.example",)),))


def answer(message_id: int, response: Response, *controls: Control) -> bytes:
    return encode(LDAPMessage(message_id, response, controls))


def test_requests_are_encoded_with_message_ids_of_their_own() -> None:
    client = Client()
    bind = client.bind("CN=svc", b"secret-Passw0rd")
    client.receive(answer(bind.message_id, BindResponse(SUCCESS)))
    search = client.search(SEARCH, (page_control(100),))
    who = client.extended(WHO_AM_I)
    sent = [decode_request(data) for data in (bind.data, search.data, who.data)]
    assert [message.operation for message in sent] == [
        BindRequest(3, "CN=svc", SimpleAuthentication(b"secret-Passw0rd")),
        SEARCH,
        ExtendedRequest(WHO_AM_I),
    ]
    assert [message.message_id for message in sent] == [bind.message_id, search.message_id, who.message_id]
    assert len({message.message_id for message in sent}) == 3
    assert paged_results(sent[1].controls[0]) == PagedResults(100)
    assert sent[1].controls[0].critical


def test_a_password_is_not_shown_by_repr() -> None:
    assert "secret" not in repr(Client().bind("CN=svc", b"secret-Passw0rd"))


def test_a_search_gives_entries_references_and_its_end() -> None:
    client = Client()
    sent = client.search(SEARCH)
    number = sent.message_id
    cookie = PagedResults(0, b"next").to_control(critical=False)
    events = client.receive(
        answer(number, ENTRY)
        + answer(number, SearchResultReference(("ldap://elsewhere",)))
        + answer(number, IntermediateResponse("1.2.3", b""))
        + answer(number, SearchResultDone(SUCCESS), cookie)
    )
    assert events == [
        Entry(number, ENTRY),
        Reference(number, ("ldap://elsewhere",)),
        SearchDone(number, SUCCESS, (cookie,)),
    ]
    assert client.pending == 0


def test_searches_may_overlap_and_end_in_any_order() -> None:
    client = Client()
    first, second = client.search(SEARCH), client.search(SEARCH)
    events = client.receive(
        answer(second.message_id, SearchResultDone(SUCCESS)) + answer(first.message_id, SearchResultDone(SUCCESS))
    )
    assert [event.message_id for event in events if isinstance(event, SearchDone)] == [
        second.message_id,
        first.message_id,
    ]


def test_the_cookie_of_the_next_page_is_read_from_the_end_of_a_search() -> None:
    with_cookie = SearchDone(1, SUCCESS, (PagedResults(0, b"abc").to_control(critical=False),))
    assert next_page(with_cookie) == b"abc"
    assert next_page(SearchDone(1, SUCCESS, (PagedResults(0, b"").to_control(critical=False),))) == b""
    assert next_page(SearchDone(1, SUCCESS)) == b""
    assert paged_results(page_control(7, b"abc", critical=False)) == PagedResults(7, b"abc")
    with pytest.raises(DecodeError):
        next_page(SearchDone(1, SUCCESS, (Control(PAGED_RESULTS, False, b"\x30"),)))


def test_nothing_is_sent_while_a_bind_runs() -> None:
    client = Client()
    bind = client.bind("CN=svc", b"secret-Passw0rd")
    for request in (lambda: client.search(SEARCH), lambda: client.extended(WHO_AM_I), lambda: client.bind("", b"")):
        with pytest.raises(ClientStateError):
            request()
    wrong = LDAPResult(ResultCode.invalidCredentials, "", "no")
    assert client.receive(answer(bind.message_id, BindResponse(wrong))) == [BindResult(bind.message_id, wrong)]
    client.search(SEARCH)


def test_a_bind_waits_until_nothing_else_is_open() -> None:
    client = Client()
    client.search(SEARCH)
    with pytest.raises(ClientStateError):
        client.bind("CN=svc", b"secret-Passw0rd")


def test_nothing_is_sent_after_an_unbind() -> None:
    client = Client()
    client.search(SEARCH)
    message = decode_request(client.unbind())
    assert message.operation == UnbindRequest()
    assert client.pending == 0
    for request in (lambda: client.search(SEARCH), client.unbind):
        with pytest.raises(ClientStateError):
            request()


def test_answers_to_an_abandoned_search_are_dropped_up_to_its_end() -> None:
    client = Client()
    sent = client.search(SEARCH)
    message = decode_request(client.abandon(sent.message_id))
    assert message.operation == AbandonRequest(sent.message_id)
    assert message.message_id != sent.message_id
    assert client.receive(answer(sent.message_id, ENTRY)) == []
    assert client.receive(answer(sent.message_id, SearchResultDone(SUCCESS))) == []
    with pytest.raises(DecodeError):
        client.receive(answer(sent.message_id, SearchResultDone(SUCCESS)))


def test_only_an_open_request_can_be_abandoned_and_a_bind_never() -> None:
    client = Client()
    with pytest.raises(ClientStateError):
        client.abandon(1)
    bind = client.bind("CN=svc", b"secret-Passw0rd")
    with pytest.raises(ClientStateError):
        client.abandon(bind.message_id)


def test_a_notice_of_disconnection_ends_everything() -> None:
    client = Client()
    client.search(SEARCH)
    gone = LDAPResult(ResultCode.unavailable, "", "stopping")
    assert client.receive(answer(0, ExtendedResponse(gone, NOTICE_OF_DISCONNECTION))) == [Disconnection(gone)]
    assert client.pending == 0
    with pytest.raises(ClientStateError):
        client.search(SEARCH)


def test_an_unknown_unsolicited_notification_is_ignored() -> None:
    client = Client()
    sent = client.search(SEARCH)
    assert client.receive(answer(0, ExtendedResponse(SUCCESS, "1.2.3"))) == []
    assert client.receive(answer(sent.message_id, SearchResultDone(SUCCESS)))


def test_a_refusal_as_extended_response_ends_the_search() -> None:
    client = Client()
    sent = client.search(SEARCH)
    refused = LDAPResult(ResultCode.unavailableCriticalExtension)
    assert client.receive(answer(sent.message_id, ExtendedResponse(refused))) == [
        ExtendedResult(sent.message_id, refused)
    ]
    assert client.pending == 0


@pytest.mark.parametrize(
    "response",
    [ExtendedResponse(SUCCESS), BindResponse(SUCCESS)],
    ids=["extended-success", "bind-response"],
)
def test_another_type_of_success_never_ends_a_search(response: Response) -> None:
    client = Client()
    sent = client.search(SEARCH)
    with pytest.raises(DecodeError):
        client.receive(answer(sent.message_id, response))
    with pytest.raises(ClientStateError):
        client.search(SEARCH)


def test_an_entry_never_answers_a_bind() -> None:
    client = Client()
    bind = client.bind("CN=svc", b"secret-Passw0rd")
    with pytest.raises(DecodeError):
        client.receive(answer(bind.message_id, ENTRY))


@pytest.mark.parametrize(
    "data",
    [
        answer(7, SearchResultDone(SUCCESS)),
        answer(0, SearchResultDone(SUCCESS)),
        answer(1, SearchResultDone(SUCCESS), Control("1.2.3"))[:-1] + b"\xff\xff",
        b"\x30\x80",
        b"HTTP/1.1 400",
        encode(LDAPMessage(1, UnbindRequest())),
    ],
    ids=["unknown-id", "id-0", "broken-control", "indefinite", "not-ldap", "request"],
)
def test_what_a_server_may_not_send_makes_the_connection_unusable(data: bytes) -> None:
    client = Client()
    client.search(SEARCH)
    with pytest.raises(DecodeError):
        client.receive(data)
    with pytest.raises(DecodeError):
        client.receive(answer(1, SearchResultDone(SUCCESS)))


def test_a_response_beyond_the_limit_is_refused_by_its_header() -> None:
    client = Client(response_limit=1000)
    client.search(SEARCH)
    with pytest.raises(DecodeError):
        client.receive(b"\x30\x82\x03\xe8")


def test_octets_behind_the_answer_to_starttls_are_refused() -> None:
    client = Client()
    sent = client.extended(START_TLS)
    with pytest.raises(DecodeError):
        client.receive(answer(sent.message_id, ExtendedResponse(SUCCESS, START_TLS)) + b"\x30")
    other = Client()
    other.search(SEARCH)
    with pytest.raises(ClientStateError):
        other.extended(START_TLS)


def test_an_extended_operation_gives_its_value() -> None:
    client = Client()
    sent = client.extended(WHO_AM_I)
    assert client.receive(answer(sent.message_id, ExtendedResponse(SUCCESS, None, b"dn:CN=svc"))) == [
        ExtendedResult(sent.message_id, SUCCESS, None, b"dn:CN=svc")
    ]


@given(st.lists(st.integers(1, 40), max_size=20))
def test_the_events_do_not_depend_on_how_the_octets_arrive(sizes: list[int]) -> None:
    data = answer(1, ENTRY) + answer(1, ENTRY) + answer(1, SearchResultDone(SUCCESS))
    client = Client()
    client.search(SEARCH)
    events = []
    position = 0
    for size in [*sizes, len(data)]:
        events.extend(client.receive(data[position : position + size]))
        position += size
    assert events == [Entry(1, ENTRY), Entry(1, ENTRY), SearchDone(1, SUCCESS)]
