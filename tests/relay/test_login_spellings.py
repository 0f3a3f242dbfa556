"""People in a login base that the server spells otherwise than the configuration: they alone sign in besides."""

from dataclasses import dataclass

import pytest

from gateway.ldap import messages as m
from gateway.ldap.dn import parse
from gateway.policy.reasons import Reason
from tests.relay.harness import done
from tests.relay.sign_ins import Person, World

SUFFIX = "DC=corp,DC=example"
CONFIGURED, STORED = f"OU=Z\u00fcrich,{SUFFIX}", f"OU=Zu\u0308rich,{SUFFIX}"
OTHER = f"OU=Other,{SUFFIX}"


@dataclass(frozen=True)
class Spelt(Person):
    """base: what the server answers to a read of the configured login base; None where there is no such entry."""

    base: str | None = STORED

    def answers(self, request):
        if isinstance(request, m.SearchRequest) and request.base == CONFIGURED:
            assert (request.scope, request.attributes) == (m.BASE_OBJECT, ("1.1",))
            return [done(32)] if self.base is None else [m.SearchResultEntry(self.base, ()), done()]
        return super().answers(request)


def sign_in(person, **changes):
    """The last record, after jane has signed in with her right password."""
    bases = {"login_base_dns": (parse(OTHER), parse(CONFIGURED)), "excluded_base_dns": ()}
    world = World({"jane@corp.example": person}, **{**bases, **changes})
    world.sign_in()
    return world.audit[-1]


@pytest.mark.parametrize("way", ["tokenGroups", "who am I", "name"])
def test_a_person_below_the_servers_spelling_signs_in(way):
    assert sign_in(Spelt(way=way, dns=(f"CN=jane,{STORED}",))).code == 0
    assert sign_in(Spelt(way=way, dns=(f"CN=jane,OU=Sub,{STORED}",))).code == 0


@pytest.mark.parametrize(
    "base", [None, CONFIGURED, OTHER, SUFFIX, "", f"CN=x,{STORED}", "no name", f"OU=Zurich,{SUFFIX}"]
)
def test_nobody_signs_in_below_a_name_that_only_looks_alike(base):
    record = sign_in(Spelt(dns=(f"CN=jane,{STORED}",), base=base))
    assert (record.code, record.reason) == (49, Reason.login_outside_base)


@pytest.mark.parametrize(
    ("changes", "dn"),
    [
        ({"excluded_base_dns": (parse(f"OU=B\u00f6ard,{CONFIGURED}"),)}, f"CN=jane,OU=Bo\u0308ard,{STORED}"),
        ({"excluded_base_dns": (parse(CONFIGURED),)}, f"CN=jane,{STORED}"),
        ({"sync_accounts": (f"CN=jane,{CONFIGURED}",)}, f"CN=jane,{STORED}"),
        ({"gateway_accounts": (parse(f"CN=jane,{CONFIGURED}"),)}, f"CN=jane,{STORED}"),
        ({"login_base_dns": (parse(OTHER),)}, f"CN=jane,{STORED}"),
    ],
    ids=["excluded", "the base excluded", "the sync account", "the gateway's account", "another base"],
)
def test_who_may_not_sign_in_may_not_by_another_spelling(changes, dn):
    assert sign_in(Spelt(dns=(dn,)), **changes).code == 49


@pytest.mark.parametrize("excluded", ["OU=Team 2", "OU=Board,OU=Team 2"])
def test_an_exclusion_in_a_third_spelling_of_the_base_holds_as_well(excluded, monkeypatch):
    """The Roman numeral is loosely the number and loosely the letters, and these two are not the same."""
    monkeypatch.setattr(f"{__name__}.CONFIGURED", f"OU=Team \u2161,{SUFFIX}")
    stored = f"OU=Team II,{SUFFIX}"
    person = Spelt(dns=(f"CN=jane,OU=Board,{stored}",), base=stored)
    assert sign_in(person).code == 0
    assert sign_in(person, excluded_base_dns=(parse(f"{excluded},{SUFFIX}"),)).code == 49


def test_a_person_in_the_configured_spelling_costs_no_further_read():
    class Unread(Spelt):
        def answers(self, request):
            assert not isinstance(request, m.SearchRequest) or request.base != CONFIGURED
            return super().answers(request)

    assert sign_in(Unread(dns=(f"CN=jane,{CONFIGURED}",))).code == 0
    assert sign_in(Unread(dns=(f"CN=jane,OU=Elsewhere,{SUFFIX}",))).code == 49
