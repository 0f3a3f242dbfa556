"""The usual searches against policies that let them pass and policies that do not."""

from gateway.ask.findings import Area
from gateway.policy.settings import BIT_AND
from gateway.tools.doctor.usual_searches import check_usual_searches
from tests.policy.policies import policy
from tests.tools.said import Said

ATTRIBUTES = ("mail", "proxyAddresses", "userAccountControl", "objectClass")


def judge(**changes):
    said = Said(Area.policy)
    check_usual_searches(said.section, policy(**({"attributes": ATTRIBUTES} | changes)))
    return said


def test_a_policy_for_a_sync():
    assert judge().status() == {"usual filters": "ok", "addresses": "ok"}


def test_what_a_filter_needs_is_named_with_its_setting():
    said = judge(attributes=("mail", "proxyAddresses"))
    (found,) = [each for each in said.findings if each.status == "warning"]
    assert found.step == "filter for enabled users"
    assert "filter-attribute-not-allowed (userAccountControl)" in found.said
    assert "clients.mimecast.filter_attributes" in found.advice


def test_a_matching_rule_that_is_not_listed():
    (found,) = judge(matching_rules=frozenset()).all("filter for enabled users")
    assert BIT_AND in found.said
    assert "matching_rules" in found.advice


def test_without_addresses_nobody_is_known():
    found = judge(attributes=("userAccountControl", "cn"), filter_attributes=("mail", "proxyAddresses"))
    assert found["addresses"].status == "warning"
    assert "mail, proxyAddresses" in found["addresses"].said
    # A directory that is not AD has no proxyAddresses.
    assert judge(attributes=("mail", "userAccountControl"))["addresses"].status == "ok"
