"""Reads of the root DSE and of the schema's entry, seen from both sides of a session."""

import pytest

from gateway.ldap import messages as m
from gateway.ldap.dn import parse
from gateway.ldap.filters import Present
from tests.relay.harness import BASE, OK, Harness, bind, done, entry

SCHEMA = "cn=Subschema"
KEYS = {"root_dse": ("highestCommittedUSN", "subschemaSubentry"), "subschema": parse(SCHEMA)}


def reading(base, *names):
    return m.SearchRequest(base, 0, Present("objectClass"), names)


def entries(h):
    return [x.operation for x in h.to_client if isinstance(x.operation, m.SearchResultEntry)]


def names(h):
    return [sorted(attribute.type for attribute in found.attributes) for found in entries(h)]


@pytest.mark.parametrize("asked", [(), ("*",), ("highestcommittedusn", "namingContexts", "dnsHostName")])
def test_what_is_listed_comes_of_the_server_and_nothing_else(asked):
    h = Harness(**KEYS).bound()
    h.send(reading("", *asked), start=7)
    (sent,) = h.to_server
    assert (sent.operation.base, sent.operation.scope) == ("", 0)
    h.answer(sent.message_id, entry("", "highestcommittedusn", "dnsHostName", "supportedControl", "mail"), done())
    assert h.results() == [(7, 0)]
    (found,) = names(h)
    assert "highestcommittedusn" in found and "namingContexts" in found
    assert not {"dnsHostName", "mail"} & set(found)
    own = [attribute for attribute in entries(h)[0].attributes if attribute.type == "supportedControl"]
    assert all(attribute.values == (b"1.2.840.113556.1.4.319",) for attribute in own)
    record = h.audit[-1]
    assert set(record.forwarded) <= set(KEYS["root_dse"])
    assert record.held_back == (("dnsHostName",) if "dnsHostName" in asked else ())


def unbound(h):
    return h


def signed_in(h):
    h.send(bind("CN=a,OU=Staff,DC=corp,DC=example"), start=1)
    h.connected()
    h.answer(h.to_server[-1].message_id, m.BindResponse(OK))
    assert h.results() == [(1, 0)]
    h.to_client.clear()
    h.to_server.clear()
    return h


@pytest.mark.parametrize("who", [unbound, signed_in])
def test_who_may_not_search_gets_the_gateways_own_and_asks_nobody(who):
    h = who(Harness(**KEYS))
    h.send(reading(""), start=7)
    assert (h.to_server, h.results()) == ([], [(7, 0)])
    assert "namingContexts" in names(h)[0]
    assert not set(KEYS["root_dse"]) & set(names(h)[0])
    assert h.audit[-1].held_back == KEYS["root_dse"]
    h.send(reading(SCHEMA), start=8)
    assert h.results()[-1] == (8, 50)
    assert h.to_server == []


@pytest.mark.parametrize("base", ["", SCHEMA])
def test_an_error_of_the_server_is_an_error_and_nothing_is_half(base):
    h = Harness(**KEYS).bound()
    h.send(reading(base), start=7)
    h.answer(h.to_server[-1].message_id, done(51))
    assert (entries(h), h.results()) == ([], [(7, 51)])


def test_a_server_that_does_not_show_its_root_dse_leaves_the_gateways_own():
    h = Harness(**KEYS).bound()
    h.send(reading(""), start=7)
    h.answer(h.to_server[-1].message_id, done())
    assert h.results() == [(7, 0)]
    assert "namingContexts" in names(h)[0]


@pytest.mark.parametrize("dn", [BASE, f"CN=a,{BASE}", "cn=Subschema,DC=corp", ""])
@pytest.mark.parametrize("base", ["", SCHEMA])
def test_another_entry_is_an_error(base, dn):
    if dn == base:
        return
    h = Harness(**KEYS).bound()
    h.send(reading(base), start=7)
    h.answer(h.to_server[-1].message_id, entry(dn, "attributeTypes", "highestCommittedUSN"), done())
    assert (entries(h), h.results(), h.audit[-1].reason) == ([], [(7, 52)], "server-wrong-response")


def test_the_schema_comes_under_its_configured_name_with_what_belongs_to_it():
    h = Harness(**KEYS).bound()
    h.send(reading("CN=subschema", "+", "mail"), start=7)
    sent = h.to_server[-1]
    assert sent.operation.base == SCHEMA
    assert "mail" not in sent.operation.attributes
    h.answer(sent.message_id, entry("cn=SUBSCHEMA", "attributetypes", "objectClasses", "creatorsName", "mail"), done())
    assert (names(h), entries(h)[0].dn, h.results()) == ([["attributetypes", "objectClasses"]], SCHEMA, [(7, 0)])
    assert (h.audit[-1].held_back, h.audit[-1].sent) == (("mail",), 1)


def test_a_schema_in_ranges_is_not_taken_for_all_of_it():
    h = Harness(**KEYS).bound()
    h.send(reading(SCHEMA), start=7)
    h.answer(h.to_server[-1].message_id, entry(SCHEMA, "attributeTypes;range=0-1499"), done())
    assert (entries(h), h.results()) == ([], [(7, 52)])


@pytest.mark.parametrize("scope", [1, 2])
def test_the_schema_is_read_by_itself_only(scope):
    h = Harness(**KEYS).bound()
    h.send(m.SearchRequest(SCHEMA, scope, Present("objectClass"), ()), start=7)
    assert (h.to_server, h.results(), h.audit[-1].reason) == ([], [(7, 50)], "base-not-allowed")
