"""Right passwords of people who may not sign in, beside wrong ones, at a real Active Directory (Samba)."""

import time

import pytest

from gateway.ask.client import BindResult
from tests.servers.gateway_process import configuration
from tests.servers.raw_client import RawClient
from tests.servers.samba_domain import USER_PASSWORD

SUFFIX = "DC=corp,DC=example"
FLOOR = 0.25
FAILURES = 3
WRONG = "Refused-Wrong-Passw0rd"

# The name, the password and what the audit says of each sign-in before the guard.
TRIES = [
    ("t-plain@corp.example", WRONG, ("", 49)),
    ("CORP\\t-hash", WRONG, ("", 49)),
    ("t-disabled@corp.example", USER_PASSWORD, ("", 49)),
    ("t-expired@corp.example", USER_PASSWORD, ("", 49)),
    ("CORP\\t-mustchange", USER_PASSWORD, ("", 49)),
    ("t-locked@corp.example", USER_PASSWORD, ("", 49)),
    ("u00001@corp.example", USER_PASSWORD, ("login-outside-base", 0)),
    ("CORP\\u00002", USER_PASSWORD, ("login-outside-base", 0)),
    ("Administrator@corp.example", "Lab-Admin-Passw0rd1", ("login-outside-base", 0)),
    ("nobody@corp.example", WRONG, ("", 49)),
]


def gateway_configuration(certificates, samba, floor):
    return configuration(
        certificates,
        {
            "servers": [{"url": f"ldaps://{samba['LAB_IP']}", "server_name": "dc1.corp.example"}],
            "ca_file": samba["LAB_CA"],
        },
        {
            "sync_accounts": [samba["LAB_SVC_UPN"]],
            "login_base_dns": [f"OU=Test Accounts,{SUFFIX}"],
            "login_domains": ["corp.example", "CORP"],
            "base_dns": [f"OU=Staff,{SUFFIX}"],
            "attributes": ["mail"],
            "pass_diagnostics": True,
            "lockout": {"failures": FAILURES},
        },
        limits={"refusal_floor": floor},
    )


@pytest.fixture(scope="module")
def gateway(certificates, samba, start_gateway):
    return start_gateway(gateway_configuration(certificates, samba, FLOOR))


@pytest.mark.parametrize(("name", "password", "said"), TRIES, ids=[name for name, _, _ in TRIES])
def test_each_is_answered_and_counted_like_a_wrong_password(certificates, gateway, name, password, said):
    with RawClient(gateway.port, certificates.ca_file) as client:
        for number in range(FAILURES + 2):
            began = time.monotonic()
            client.socket.sendall(client.client.bind(name, password.encode()).data)
            event = client.event()
            # A limit from below: a loaded machine makes it longer.
            assert time.monotonic() - began >= FLOOR
            assert isinstance(event, BindResult)
            result = event.result
            assert (result.code, result.matched_dn, result.diagnostic, result.referral) == (49, "", "", ()), number
        records = gateway.wait_for_audit(FAILURES + 2, operation="bind", account=name)
        told = [(record["reason"], record.get("server_code")) for record in records]
        assert told == [said] * FAILURES + [("account-guarded", None)] * 2


def test_others_are_served_while_many_wait_for_their_floor_and_who_leaves_meanwhile_is_in_the_audit(
    certificates, samba, start_gateway
):
    gateway = start_gateway(gateway_configuration(certificates, samba, 10))
    name = "nobody@elsewhere.example"
    waiting = [RawClient(gateway.port, certificates.ca_file) for _ in range(20)]
    for client in waiting:
        client.socket.sendall(client.client.bind(name, WRONG.encode()).data)
    with RawClient(gateway.port, certificates.ca_file) as other:
        assert other.bind(samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"]) == 0
    assert gateway.audit(operation="bind", account=name) == []
    for client in waiting:
        client.die()
    records = gateway.wait_for_audit(len(waiting), operation="bind", account=name)
    assert {(record["reason"], record["code"]) for record in records} == {("login-domain-not-listed", None)}
    assert "closed its connection first" in records[0]["detail"]


def test_what_follows_a_refusal_is_the_same_after_a_right_password_and_a_wrong_one(certificates, gateway, samba):
    seen = []
    for name, password in (("t-umlaut@corp.example", WRONG), ("u00003@corp.example", USER_PASSWORD)):
        with RawClient(gateway.port, certificates.ca_file) as client:
            codes = [client.bind(name, password)]
            codes.append(client.result(client.search(f"OU=Staff,{SUFFIX}"))[1].code)
            codes.append(client.bind(samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"]))
            names, result = client.result(client.search(f"OU=Staff,{SUFFIX}", "(mail=*)"))
            seen.append((codes, len(names) > 0, result.code))
    assert seen == [([49, 50, 0], True, 0)] * 2
