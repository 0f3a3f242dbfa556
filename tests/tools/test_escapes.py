"""Names and values of the configuration that were escaped once too often."""

import pytest

from gateway.ask.findings import Area
from gateway.ldap.dn import parse
from gateway.ldap.filter_text import parse_filter
from gateway.tools.doctor.escapes import check_escapes
from tests.policy.policies import policy
from tests.tools.said import Said


def look(**changes):
    said = Said(Area.policy)
    check_escapes(said.section, policy(**changes))
    return said


def test_names_with_the_escapes_that_they_need_are_well():
    wanted = parse_filter(r"(|(displayName=Paren \28x\29)(memberOf=CN=Sales\5c, EMEA,DC=corp,DC=example)(!(mail=a*)))")
    assert look(required_filter=wanted)["escapes"].status == "ok"


@pytest.mark.parametrize("key", ["base_dns", "excluded_base_dns", "login_base_dns"])
def test_a_base_that_was_doubled_is_named_with_its_key(key):
    found = look(**{key: (parse(r"OU=Sales\\2C EMEA,DC=corp,DC=example"),)})["escapes"]
    assert found.status == "warning"
    assert f"clients.mimecast.{key}" in found.said


@pytest.mark.parametrize(
    "text",
    [
        r"(displayName=Sales\5c2c EMEA)",
        r"(&(mail=*)(!(displayName=a*\5c28x)))",
        r"(memberOf=CN=Sales\5c5c2C EMEA,DC=corp,DC=example)",
    ],
)
def test_a_value_of_the_required_filter_that_was_doubled_is_named_by_its_attribute(text):
    found = look(required_filter=parse_filter(text))["escapes"]
    assert found.status == "warning"
    assert "required_filter: the value of " in found.said
    assert "2c" not in found.said.lower().replace("required", "")
