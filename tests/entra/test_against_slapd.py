"""Whether the responder and OpenLDAP's slapd find the same entries for the same filters.

A usual run tries 500 made-up filters, `.ci/fuzz` 10,000 among all that it does. These alone, in half a minute:

    LDAP_GATEWAY_FUZZ=20 LDAP_GATEWAY_FUZZ_SEED=1 .venv/bin/python -m pytest tests/entra/test_against_slapd.py
"""

import random
import socket

import pytest

from gateway.entra.syntaxes import dn_key
from gateway.ldap import ber
from gateway.ldap.decoding import decode_response
from gateway.ldap.dn import parse
from gateway.ldap.encoding import encode
from gateway.ldap.filter_text import filter_text
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    BindRequest,
    LDAPMessage,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
    SimpleAuthentication,
)
from tests.entra.copies import BASE
from tests.entra.slapd_pairs import made_entries, made_filters, write_schema
from tests.entra.talk import TOKEN, talk_of
from tests.examples import SEED, examples
from tests.servers.slapd import AD_SCHEMA, Slapd

pytestmark = [pytest.mark.servers, pytest.mark.fuzz]

# Searches that are sent to slapd before their answers are read.
TOGETHER = 50


@pytest.fixture(scope="module")
def entries():
    return made_entries(random.Random(SEED))


@pytest.fixture(scope="module")
def slapd(entries, tmp_path_factory):
    schemas = (AD_SCHEMA, write_schema(tmp_path_factory.mktemp("schema")))
    tree = [(entry.dn, entry.attributes) for entry in entries]
    # Password of the database's root: the access rules let out to whoever has bound.
    settings = f"rootpw {TOKEN}"
    with (
        Slapd(tree, suffix=BASE, schemas=schemas, checked=False, database_settings=settings) as running,
        socket.create_connection(("127.0.0.1", running.plain_port), 60) as connection,
    ):
        yield connection


@pytest.fixture(scope="module")
def talk(entries, tmp_path_factory):
    with talk_of(entries, tmp_path_factory.mktemp("copy")) as talk:
        yield talk


def answers(connection, requests):
    """The keys of the names that slapd finds, and its result code, for each of the requests."""
    found = {number: set() for number in range(1, len(requests) + 1)}
    codes = {}
    messages = [encode(LDAPMessage(number, request)) for number, request in enumerate(requests, 1)]
    connection.sendall(b"".join(messages))
    framer = Framer(2**30)
    while len(codes) < len(requests):
        while (octets := framer.next_message()) is None:
            data = connection.recv(65536)
            assert data, "slapd has closed the connection"
            framer.feed(data)
        message = decode_response(octets)
        if isinstance(message.operation, SearchResultEntry):
            found[message.message_id].add(dn_key(parse(message.operation.dn)))
        else:
            codes[message.message_id] = message.operation.result.code
    return [(found[number], codes[number]) for number in sorted(found)]


def test_filters(entries, slapd, talk):
    bind = LDAPMessage(1, BindRequest(3, f"cn=root,{BASE}", SimpleAuthentication(TOKEN.encode())))
    slapd.sendall(encode(bind))
    assert slapd.recv(4096)[-7:] == ber.element(0x0A, b"\0") + ber.text("") + ber.text("")
    chance = random.Random(SEED)
    filters = made_filters(chance, [entry.dn for entry in entries])
    count = examples(500)
    differ = []
    some = 0
    for _ in range(0, count, TOGETHER):
        requests = [SearchRequest(BASE, 2, next(filters), ("1.1",)) for _ in range(TOGETHER)]
        for request, (expected, code) in zip(requests, answers(slapd, requests), strict=True):
            mine, done = talk.search(request)
            assert isinstance(done.operation, SearchResultDone)
            some += 0 < len(expected) < len(entries)
            if (done.operation.result.code, {dn_key(parse(each.dn)) for each in mine}) != (code, expected):
                differ.append(filter_text(request.filter))
    assert "\n".join(differ) == ""
    # Filters that find everybody or nobody would prove little.
    assert some > count / 3
