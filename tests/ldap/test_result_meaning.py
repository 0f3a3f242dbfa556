"""Texts as servers write them, and what the administrator is told instead."""

import re
from pathlib import Path

import pytest

from gateway.ldap.result_meaning import meaning
from gateway.ldap.results import LDAPResult, ResultCode

WINDOWS = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {}, v3839"
SAMBA = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"

AD_BIND = {
    "525": "no account has this name",
    "52e": "wrong password",
    "52f": "restriction",
    "530": "hour",
    "531": "at this server",
    "532": "password has expired",
    "533": "disabled",
    "568": "too many groups",
    "569": "right for this kind",
    "701": "account has expired",
    "773": "must be changed",
    "775": "locked",
}


@pytest.mark.parametrize("text", [WINDOWS, SAMBA], ids=["Windows", "Samba"])
@pytest.mark.parametrize(("data", "said"), AD_BIND.items())
def test_each_sub_code_of_active_directory_has_its_own_meaning(text, data, said):
    for spelling in (data, data.upper()):
        found = meaning(LDAPResult(49, "", text.format(spelling)))
        assert said in found.text
        assert "80090308" not in found.text + found.advice


def test_no_two_sub_codes_share_meaning_or_advice():
    found = [meaning(LDAPResult(49, "", WINDOWS.format(data))) for data in AD_BIND]
    assert len({each.text for each in found}) == len({each.advice for each in found}) == len(AD_BIND)


@pytest.mark.parametrize("text", ["", "80090308: ", WINDOWS.format("57"), "data 775"])
def test_what_is_not_known_is_judged_by_its_code_alone(text):
    assert "wrong name or password" in meaning(LDAPResult(49, "", text)).text


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (1, "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be "
            "completed on the connection., data 0, v4563", "only after a bind"),
        (1, "00002020: Operation unavailable without authentication", "only after a bind"),
        (8, "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if "
            "SSL\\TLS are not already active on the connection, data 0, v3839", "TLS or signing"),
        (8, "BindSimple: Transport encryption required.", "TLS or signing"),
        (13, "TLS confidentiality required", "wants TLS"),
        (48, "anonymous bind disallowed", "no anonymous bind"),
        (53, "unauthenticated bind (DN with no password) disallowed", "empty password"),
        (8, "authentication required", "only after a bind"),
        (50, "Operations are restricted to bind/unbind/abandon/StartTLS/modify password", "must be changed"),
        (2, "paged results cookie is invalid", "lost the pages"),
        (32, "no global superior knowledge", "naming contexts"),
        (49, "Failed, invalid credentials for CN=sync,O=Acme", "Domino"),
    ],
)  # fmt: skip
def test_texts_of_servers(code, text, said):
    found = meaning(LDAPResult(code, "", text))
    assert said in found.text
    assert "CN=sync" not in found.text + found.advice


def test_success_needs_no_meaning_and_an_unknown_code_has_none():
    assert meaning(LDAPResult(0, "", WINDOWS.format("775"))) is None
    assert meaning(LDAPResult(4711)) is None


def test_codes_that_a_server_gives_have_a_meaning():
    silent = {code.name for code in ResultCode if meaning(LDAPResult(code)) is None}
    assert silent == {
        "success", "protocolError", "compareFalse", "compareTrue", "saslBindInProgress", "noSuchAttribute",
        "undefinedAttributeType", "inappropriateMatching", "other",
    }  # fmt: skip


def test_the_documentation_has_the_same_table():
    text = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
    rows = dict(re.findall(r"^\| ([0-9a-f]{3}) \| (.+) \|$", text, re.MULTILINE))
    assert rows == {data: meaning(LDAPResult(49, "", WINDOWS.format(data))).text for data in AD_BIND}
