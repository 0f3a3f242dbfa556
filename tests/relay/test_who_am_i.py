"""Who am I?: what a session is told of itself, and what a gateway outside makes of what the one inside tells it."""

import pytest
from hypothesis import given, settings

from gateway.ldap import messages as m
from gateway.ldap.dn import DN, parse
from gateway.ldap.results import LDAPResult
from gateway.policy.credentials import SecretVerdict
from gateway.policy.reasons import Reason
from tests.examples import examples
from tests.ldap.strategies import rdns
from tests.policy.mapped import OWN_DN, mapped_account, mapped_changes
from tests.policy.policies import compiled
from tests.relay.harness import OK, Harness, bind
from tests.relay.sign_ins import INSIDE, OUTSIDE, Person, sub_code
from tests.relay.test_login_spellings import CONFIGURED, STORED, Spelt
from tests.relay.two_gateways import TwoGateways

ASKED = m.ExtendedRequest(m.WHO_AM_I)
SYNC_DN = "CN=svc-sync,OU=Service,DC=corp,DC=example"
STAFF = parse("OU=Staff,DC=corp,DC=example")


def told(h, message_id=9):
    """The identity that the session is told."""
    h.send(ASKED, start=message_id)
    answer = h.to_client[-1]
    assert answer == m.LDAPMessage(message_id, m.ExtendedResponse(OK, None, answer.operation.value))
    return answer.operation.value


def signed_in(name, **changes):
    h = Harness(tells_identity=True, **changes)
    h.send(bind(name))
    h.connected()
    h.answer(1, m.BindResponse(OK))
    return h


@pytest.mark.parametrize("name", ["", "svc-sync@corp.example"])
def test_where_nobody_is_told_it_is_refused_as_ever(name):
    h = Harness() if not name else Harness().bound(name)
    h.send(ASKED, start=2)
    text = "extended-not-allowed: the only extended operation here is StartTLS"
    assert h.to_client == [m.LDAPMessage(2, m.ExtendedResponse(LDAPResult(2, "", text)))]
    record = h.audit[-1]
    assert (record.operation, record.decision, record.reason) == ("extended", "refuse", "extended-not-allowed")


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("svc-sync@corp.example", b"u:svc-sync@corp.example"),
        ("SVC-Sync@CORP.example", b"u:svc-sync@corp.example"),
        (SYNC_DN, f"dn:{SYNC_DN}".encode()),
        (SYNC_DN.upper(), f"dn:{SYNC_DN}".encode()),
        ("cn=Doe\\2C Jane,ou=staff,dc=corp,dc=example", f"dn:cn=Doe\\, Jane,{STAFF}".encode()),
    ],
)
def test_who_is_bound_is_told_the_name_or_the_dn_of_the_bind(name, identity):
    h = signed_in(name)
    asked = len(h.to_server)
    assert told(h) == identity
    assert len(h.to_server) == asked
    record = h.audit[-1]
    assert (record.operation, record.decision, record.code, record.reason) == ("extended", "permit", 0, "")
    assert record.detail == "Who am I?"
    assert identity.endswith(record.account.encode())


def test_nobody_is_told_an_empty_identity():
    assert told(Harness(tells_identity=True)) == b""
    h = Harness(tells_identity=True, allow_anonymous=True)
    h.send(bind("", b""))
    h.connected()
    h.answer(1, m.BindResponse(OK))
    assert (h.results(), told(h)) == ([(1, 0)], b"")


def test_a_bind_that_fails_leaves_nobody():
    h = signed_in(SYNC_DN)
    h.send(bind(SYNC_DN, b"wrong"), start=2)
    h.answer(2, m.BindResponse(LDAPResult(49)))
    assert told(h) == b""


def test_a_mapped_account_is_told_its_own_name_and_not_the_gateways_account():
    h = Harness(tells_identity=True, **mapped_changes(mapped_account("mimecast-sync")))
    h.send(bind("mimecast-sync"))
    h.verified(SecretVerdict.right)
    h.connected()
    h.answer(1, m.BindResponse(OK))
    assert h.to_server[-1].operation.name == OWN_DN
    assert told(h) == b"u:mimecast-sync"


def test_it_waits_for_the_bind_before_it():
    h = Harness(tells_identity=True)
    h.send(bind(SYNC_DN), ASKED)
    h.connected()
    assert h.to_client == []
    h.answer(1, m.BindResponse(OK))
    assert h.to_client[-1].operation.value == f"dn:{SYNC_DN}".encode()


def test_with_a_value_it_is_another_request():
    h = Harness(tells_identity=True).bound()
    h.send(m.ExtendedRequest(m.WHO_AM_I, b"x"), start=2)
    assert h.results() == [(2, 2)]
    assert h.to_client[-1].operation.value is None
    assert h.audit[-1].reason == Reason.request_malformed


# A gateway behind a gateway.


def of(person):
    """The server inside, where this person's password is right."""

    def answers(message):
        request = message.operation
        return [person.bound] if isinstance(request, m.BindRequest) else person.answers(request)

    return answers


def gateways(person, outside=None, inside=None):
    return TwoGateways(outside or {}, {"tells_identity": True} if inside is None else inside, of(person))


@pytest.mark.parametrize("name", ["jane@corp.example", "CORP\\jane"])
@pytest.mark.parametrize("way", ["tokenGroups", "who am I", "name"])
def test_the_outside_knows_a_person_by_what_the_inside_tells(name, way):
    two = gateways(Person(way=way))
    assert two.send(bind(name)).operation.result == OK
    asked = [request for request in two.between if isinstance(request, m.ExtendedRequest)]
    assert asked == [ASKED]
    assert two.inside.audit[-1].operation == "extended"


@pytest.mark.parametrize("person", [Person(dns=(OUTSIDE,)), Person(dns=()), Person(sub_code("52e"))])
def test_whom_the_inside_refuses_the_outside_refuses(person):
    two = gateways(person)
    assert two.send(bind("jane@corp.example")).operation.result == LDAPResult(49)
    assert not any(isinstance(request, m.ExtendedRequest) for request in two.between)


def test_the_outside_holds_a_person_to_its_own_login_bases():
    two = gateways(Person(dns=(INSIDE,)), outside={"login_base_dns": (parse("OU=Other,DC=corp,DC=example"),)})
    assert two.send(bind("jane@corp.example")).operation.result == LDAPResult(49)
    assert [record.code for record in two.inside.audit if record.operation == "bind"] == [0]
    assert two.outside.audit[-1].reason == Reason.login_outside_base


def test_where_the_inside_does_not_tell_the_outside_lets_nobody_in_by_name():
    two = gateways(Person(), inside={})
    assert two.send(bind("jane@corp.example")).operation.result == LDAPResult(49)
    assert two.outside.audit[-1].reason == Reason.login_identity_unknown


def test_a_person_below_the_servers_spelling_of_a_login_base_signs_in_through_both():
    """The outside cannot read how the server spells the base, so the inside tells the spelling that is configured."""
    bases = {"login_base_dns": (parse(CONFIGURED),), "excluded_base_dns": ()}
    two = gateways(
        Spelt(dns=(f"CN=jane,{STORED}",)), bases | {"tells_identity": True}, bases | {"tells_identity": True}
    )
    assert two.send(bind("jane@corp.example")).operation.result == OK
    assert two.send(ASKED, start=2).operation.value == f"dn:CN=jane,{CONFIGURED}".encode()


TOLD = {"compiled": compiled(tells_identity=True)}


@settings(max_examples=examples(150), deadline=None)
@given(rdns, rdns)
def test_the_outside_permits_whom_the_inside_does_whatever_characters_the_dn_has(person, unit):
    dn = DN((person, unit, *STAFF.rdns))
    two = gateways(Person(dns=(str(dn),)), TOLD, TOLD)
    result = two.send(bind("jane@corp.example")).operation.result
    (inside,) = [record for record in two.inside.audit if record.operation == "bind"]
    permitted = inside.code == 0
    assert result == (OK if permitted else LDAPResult(49))
    assert two.send(ASKED, start=2).operation.value == (f"dn:{dn}".encode() if permitted else b"")
