"""What is counted and shown of links; the links themselves are in tests/link and tests/servers/test_link.py."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.link.commands import Cause
from gateway.link.frames import NoSession, NotWelcome
from gateway.link.observer import LinkEvent, LinkEventKind
from gateway.link.standing import ClientStanding
from gateway.observe.ledger import DAY
from gateway.observe.links import TRIPWIRES
from gateway.observe.metrics import Metrics
from gateway.observe.page.status_page import status_page
from gateway.observe.readiness import FAILED_FOR, not_ready, notes
from gateway.policy.reasons import Reason
from gateway.relay.audit import CameBy
from tests.observe.ledgers import LISTENER, NOW, clock_of, ledger, settings
from tests.observe.linked import (
    BEHIND,
    CALLED,
    GONE,
    HERE,
    HOST,
    NO_SERVER,
    NOT_CALLED,
    OTHER,
    UNREADY,
    inside_ledger,
    linked_ledger,
    of,
    outside,
    outside_ledger,
)
from tests.observe.records import record

BY_LINK = CameBy("dmz", "s7", "198.51.100.7")


def values(kept):
    text = Metrics(kept).page("")[0].decode()
    return {
        (sample.name.removeprefix("ldap_gateway_link_"), *(value for _, value in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("ldap_gateway_link_")
    }


# Counts.


def test_without_a_link_there_is_nothing_of_links():
    assert values(ledger()) == {}


def test_lines_are_labelled_by_who_is_at_their_other_end():
    kept = linked_ledger()
    text = Metrics(kept).page("")[0].decode()
    assert 'ldap_gateway_link_up{agent="inside-1",link="inside"} 1.0' in text
    assert f'ldap_gateway_link_up{{host="{HOST}",link="dmz"}} 1.0' in text
    found = values(kept)
    assert found["rtt_seconds", "inside-1", "inside"] == 0.003
    assert (found["berths", "inside-1", "inside"], found["sessions", "inside-1", "inside"]) == (4, 2)
    assert found["ready", "inside-1", "mimecast", "inside"] == 1
    assert found["key_expiry_seconds", "inside"] == found["key_expiry_seconds", "inside-1", "inside"] == 700 * DAY
    assert found["info", "inside-1", "inside", "1.2.3"] == 1


def test_what_can_be_counted_is_0_before_it_happens():
    found = values(linked_ledger())
    for cause in Cause:
        assert found["lost_total", "inside-1", cause.value, "inside"] == 0
        assert found["calls_total", HOST, "dmz", cause.value] == 0
    for why in NotWelcome:
        assert found["refused_total", "inside", why.value] == 0
    for why in NoSession:
        assert found["refused_total", "dmz", why.value] == 0
    for reason in TRIPWIRES:
        assert found["policy_refusals_total", "mimecast", "dmz", reason] == 0
    for key in (
        ("policy_refusals_total", "", "dmz", "client-unknown"),
        ("strangers_total", "inside"),
        ("calls_total", HOST, "dmz", "up"),
        ("wait_seconds_count", "inside"),
    ):
        assert found[key] == 0


def test_what_happens_is_counted_where_it_belongs():
    kept = linked_ledger()
    links = kept.links
    links.rose("dmz", HOST)
    links.fell("inside", "inside-1", Cause.silent)
    links.call_failed("dmz", HOST, Cause.unwelcome)
    links.refused("inside", NotWelcome.already_here)
    links.refused("dmz", NoSession.client_unknown)
    links.stranger_came("inside")
    links.waited("inside", 0.7)
    found = values(kept)
    for key in (
        ("calls_total", HOST, "dmz", "up"),
        ("lost_total", "inside-1", "silent", "inside"),
        ("calls_total", HOST, "dmz", "unwelcome"),
        ("refused_total", "inside", "already-here"),
        ("refused_total", "dmz", "client-unknown"),
        ("policy_refusals_total", "", "dmz", "client-unknown"),
        ("strangers_total", "inside"),
        ("wait_seconds_bucket", "1.0", "inside"),
    ):
        assert found[key] == 1
    assert found["wait_seconds_bucket", "0.5", "inside"] == 0


def test_a_line_that_is_down_has_no_round_trip_no_version_and_no_ready_client():
    found = values(outside_ledger(GONE, OTHER))
    assert found["up", "inside-1", "inside"] == 0
    assert found["ready", "inside-1", "mimecast", "inside"] == 0
    assert not any(key[:2] in (("rtt_seconds", "inside-1"), ("info", "inside-1")) for key in found)


@pytest.mark.parametrize("version", ["", "1.2.3+evil", "9" * 200, "é", "1.2.3.4.5", "1.2\n"])
def test_a_version_that_the_other_end_makes_up_is_no_label(version):
    assert values(outside_ledger(replace(HERE, version=version)))["info", "inside-1", "inside", "other"] == 1


def test_keys_that_differ_are_counted_by_client():
    keys = ("clients.mimecast.attributes", "clients.mimecast.base_dns", "clients.made-up", "limits.search")
    found = values(outside_ledger(replace(HERE, differs=keys), OTHER))
    assert found["differs", "mimecast", "inside"] == 2
    assert found["differs", "", "inside"] == 2
    assert not any("made-up" in key for key in found)
    assert values(outside_ledger())["differs", "mimecast", "inside"] == 0
    assert not any(key[0] == "differs" for key in values(outside_ledger(GONE)))


# The tripwire.


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"decision": "refuse", "reason": "attribute-not-allowed", "code": 50}, True),
        ({"decision": "refuse", "reason": "message-malformed", "code": 2}, True),
        ({"decision": "permit", "reason": "secret-wrong", "code": 49}, True),
        # What the directory says, and what the state of this gateway does.
        ({"decision": "permit", "reason": "login-outside-base", "code": 49}, False),
        ({"decision": "permit", "reason": "control-not-supported", "code": 12}, False),
        ({"decision": "refuse", "reason": "account-guarded", "code": 49}, False),
        ({"decision": "refuse", "reason": "stopping", "code": 52}, False),
        ({"decision": "permit", "reason": "server-lost", "code": 52}, False),
        ({"decision": "permit"}, False),
    ],
)
def test_what_a_gateway_outside_with_the_same_configuration_never_sends_is_counted(fields, counts):
    kept = inside_ledger()
    kept.add(record(came_by=BY_LINK, **fields))
    # The same of a listener's session is nothing of a link's.
    kept.add(record(**fields))
    found = {key: value for key, value in values(kept).items() if key[0] == "policy_refusals_total" and value}
    assert found == ({("policy_refusals_total", "mimecast", "dmz", fields["reason"]): 1} if counts else {})
    assert bool(kept.links.policy_refusals) is counts


def test_each_word_of_the_tripwire_is_a_reason():
    assert set(TRIPWIRES) <= {reason.value for reason in Reason}


# Readiness.


def reasons(kept):
    found = not_ready(kept)
    assert all(each.remedy and each.link for each in found)
    return [each.text for each in found]


def noted(kept):
    found = notes(kept)
    assert all(each.remedy and each.link for each in found)
    return [each.text for each in found]


def test_an_outside_is_ready_while_one_agent_is():
    assert reasons(outside_ledger()) == noted(outside_ledger()) == []
    kept = outside_ledger(GONE, OTHER)
    assert reasons(kept) == []
    assert noted(kept) == ["link inside: there is no line to agent inside-1: agent inside-1 was silent for 15 s"]


def test_an_outside_without_a_ready_agent_is_not_and_says_of_each_why():
    other = replace(
        UNREADY, name="inside-2", clients=(ClientStanding("mimecast", False, f"agent inside-2: {NO_SERVER}"),)
    )
    assert reasons(outside_ledger(GONE, other)) == [
        "directory corp: no gateway inside is ready on link inside: agent inside-1 is not here: agent inside-1 was "
        f"silent for 15 s; agent inside-2: {NO_SERVER}"
    ]


def test_a_client_that_no_agent_takes_is_a_note_while_others_are_served():
    why = "agent inside-1 has no client second on this link"
    agent = replace(HERE, clients=(*HERE.clients, ClientStanding("second", False, why)))
    kept = outside_ledger(agent, clients=("mimecast", "second"))
    assert reasons(kept) == []
    assert noted(kept) == [f"client second: no gateway inside is ready on link inside: {why}"]


def test_an_outside_whose_sessions_get_no_connection_is_not_ready_for_a_while():
    kept = outside_ledger()
    kept.directory_failed(BEHIND)
    assert reasons(kept) == [
        "directory corp: gateways inside are ready on link inside, and no session got a connection of one"
    ]
    clock_of(kept).now += FAILED_FOR
    assert reasons(kept) == []


def test_an_inside_needs_a_line_and_no_listener():
    assert reasons(inside_ledger()) == []
    assert reasons(inside_ledger(NOT_CALLED)) == [
        f"link dmz: there is no line to a gateway outside: {HOST}: Connection refused."
    ]
    other = replace(CALLED, name="gateway2.example.net:8636")
    kept = inside_ledger(NOT_CALLED, other)
    assert reasons(kept) == []
    assert noted(kept) == [f"link dmz: there is no line to the gateway at {HOST}: Connection refused."]


def test_an_inside_that_also_listens_serves_those_who_come_there():
    kept = inside_ledger(NOT_CALLED)
    kept.serve(settings("mimecast"), (LISTENER,))
    assert reasons(kept) == []
    assert noted(kept) == [f"link dmz: there is no line to a gateway outside: {HOST}: Connection refused."]


def test_what_differs_and_what_the_policy_refused_are_notes():
    kept = inside_ledger(replace(CALLED, differs=("clients.mimecast.base_dns",)))
    kept.add(record(came_by=BY_LINK, decision="refuse", reason="base-not-allowed", code=50))
    assert reasons(kept) == []
    assert noted(kept) == [
        f"link dmz: the configuration of the gateway at {HOST} differs in clients.mimecast.base_dns",
        "1 request that came by a link was refused by this gateway's policy since the start, as the gateway outside "
        "never sends such",
    ]


# The page.


def page(kept):
    return status_page(kept).decode()


def test_the_card_of_a_link_says_who_is_there_and_what_is_ready():
    text = page(outside_ledger())
    for words in (
        "Link inside",
        "gateways inside call 0.0.0.0:8636",
        "2 of 2 agents here",
        "version 1.2.3; round trip 3 ms; 2 sessions; 4 connections ready for more",
        "ready for <strong>mimecast</strong>",
        "key until 2025-10-14",
        "Gateways inside reach the servers of corp; this one knows none of them.",
    ):
        assert words in text
    assert "not here" not in text


def test_the_card_says_why_a_line_is_down_and_what_to_do():
    text = page(outside_ledger(GONE, UNREADY))
    for words in (
        "1 of 2 agents here",
        "agent inside-1 was silent for 15 s",
        f"not ready for <strong>mimecast</strong>: agent inside-1: {NO_SERVER}",
        "No sync and no sign-in is possible now: no gateway inside is ready on link inside",
        "/docs/operations#ldapgatewaylinkagentdown",
    ):
        assert words in text


def test_the_card_of_an_inside_names_the_gateways_outside():
    text = page(inside_ledger(NOT_CALLED))
    assert "Link dmz" in text
    assert "0 of 1 gateway reached" in text
    assert "Connection refused." in text


def test_keys_that_end_soon_are_told_with_what_to_do():
    old = replace(HERE, key_expires=NOW + 30.5 * DAY)
    text = page(of(ledger(), replace(outside(old), key_expires=NOW - 5)))
    assert "key ends in 30 days" in text
    assert "key has expired" in text
    assert "/docs/operations#ldapgatewaylinkkeyold" in text


def test_what_the_other_end_says_is_shown_as_text():
    text = page(outside_ledger(replace(HERE, version="<script>", differs=("<b>",))))
    assert "<script>" not in text
    assert "<b>" not in text


# Events.


def test_events_go_to_whoever_takes_them():
    kept, found = ledger(), []
    kept.links.tell = found.append
    event = LinkEvent("inside", LinkEventKind.risen, "inside-1")
    kept.links.happened(event)
    assert found == [event]
