import json

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.ldap.dn import parse
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.filters import EqualityMatch
from tests.policy.mistypes import NAMES, right, typed


def escape(*arguments):
    return CliRunner().invoke(main, ["escape", *arguments])


def test_a_name_is_written_in_three_ways():
    result = escape("OU=Sales, EMEA,DC=corp,DC=example")
    assert result.exit_code == 0
    assert result.stdout == (
        "RFC 4514:    OU=Sales\\, EMEA,DC=corp,DC=example\n"
        "in a form:   OU=Sales\\2C EMEA,DC=corp,DC=example\n"
        "in a filter: (memberOf=OU=Sales\\5c, EMEA,DC=corp,DC=example)\n"
    )


@pytest.mark.parametrize("name", NAMES)
def test_all_three_are_the_same_name(name):
    result = escape("--json", typed("nothing escaped", right(name)))
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["readings"]
    assert parse(found["rfc4514"]) == parse(found["form"])
    # Blanks at the ends are no part of a name to anybody who compares it.
    assert parse(found["rfc4514"]).same(parse(right(name)))
    assert not set('"+;<>') & set(found["form"])
    assert parse_filter(found["filter"]) == EqualityMatch("memberOf", found["rfc4514"].encode())


def test_all_readings_of_an_ambiguous_name_are_shown():
    ambiguous = "CN=Smith, J+UID=x,DC=corp"
    result = escape(ambiguous)
    assert result.exit_code == 1
    assert "reading 1 of 2\nRFC 4514:    CN=Smith\\, J\\+UID\\=x,DC=corp\n" in result.stdout
    assert "reading 2 of 2\nRFC 4514:    CN=Smith\\, J+UID=x,DC=corp\n" in result.stdout
    as_json = escape("--json", ambiguous)
    assert (as_json.exit_code, len(json.loads(as_json.stdout)["readings"])) == (1, 2)


@pytest.mark.parametrize(
    "name, problem", [("Sales, EMEA", '"=" is expected'), ("", "a type and a value"), ("OU=", "an empty value")]
)
def test_what_is_no_dn_is_status_2(name, problem):
    result = escape(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("no DN: ") and problem in result.stderr
    as_json = escape("--json", name)
    assert as_json.exit_code == 2
    assert problem in json.loads(as_json.stdout)["problem"]
