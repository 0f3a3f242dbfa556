"""What `ldap-gateway doctor` reckons of wrong passwords, and what a real Active Directory (Samba) counts then."""

import itertools

import ldap3
import pytest
from argon2 import PasswordHasher

from tests.servers.gateway_process import configuration
from tests.servers.raw_client import RawClient
from tests.servers.samba_domain import running_samba
from tests.servers.sync_client import connect
from tests.servers.test_doctor import Doctor

SUFFIX = "DC=corp,DC=example"
THRESHOLD, FAILURES = 10, 3
# AD writes durations as negative counts of 100 ns.
MINUTES = -60 * 10_000_000


@pytest.fixture(scope="module")
def domain(pytestconfig):
    """The settings of a domain of its own, which locks accounts, and a connection of its administrator."""
    with running_samba(pytestconfig.cache.mkdir("samba"), users=20) as settings:
        administrator = f"Administrator@{settings['LAB_DNSDOMAIN']}"
        connection = connect(settings["LAB_IP"], 636, settings["LAB_CA"], administrator, settings["LAB_ADMIN_PW"])
        policy = {
            "lockoutThreshold": THRESHOLD,
            "lockOutObservationWindow": 30 * MINUTES,
            "lockoutDuration": 30 * MINUTES,
        }
        changes = {name: [(ldap3.MODIFY_REPLACE, [str(value)])] for name, value in policy.items()}
        assert connection.modify(SUFFIX, changes), connection.result
        yield settings, connection


def state(connection, account):
    """DN, wrong passwords that the domain has counted, and whether it has locked the account."""
    connection.search(SUFFIX, f"(sAMAccountName={account})", attributes=["badPwdCount", "lockoutTime"])
    (found,) = [entry for entry in connection.response if entry["type"] == "searchResEntry"]
    values = found["raw_attributes"]
    return found["dn"], int(values["badPwdCount"][0]), values.get("lockoutTime", [b"0"]) not in ([], [b"0"])


@pytest.mark.parametrize(("number", "account"), [(1, "u00003"), (2, "u00004")])
def test_the_domain_counts_what_doctor_reckons(domain, certificates, tmp_path, start_gateway, number, account):
    """Of a person whose userPrincipalName does not begin with the sAMAccountName, through so many directory blocks."""
    settings, connection = domain
    dn, _, _ = state(connection, account)
    upn = f"person.{account}@corp.example"
    assert connection.modify(dn, {"userPrincipalName": [(ldap3.MODIFY_REPLACE, [upn])]}), connection.result
    directory = {
        "servers": [{"url": f"ldaps://{settings['LAB_IP']}", "server_name": "dc1.corp.example"}],
        "ca_file": settings["LAB_CA"],
        "naming_contexts": [SUFFIX],
    }
    client = {
        "sync_accounts": [settings["LAB_SVC_UPN"]],
        "login_base_dns": [SUFFIX],
        "login_domains": ["corp.example", "CORP"],
        "base_dns": [f"OU=Staff,{SUFFIX}"],
        "attributes": ["mail"],
    }
    # Each block has a client at an address of its own.
    sources = {"corp": "127.0.0.1", "catalog": "127.0.0.2"}
    blocks = list(sources)[:number]
    text = configuration(
        certificates,
        directory,
        client,
        directories=dict.fromkeys(blocks, directory),
        clients={f"of-{block}": client | {"directory": block, "sources": [sources[block]]} for block in blocks},
        limits={"refusal_floor": 0},
    )
    said = Doctor(tmp_path, text, settings["LAB_SVC_PW"], "--client", "of-corp")
    found = said.find("directory", "lockout")
    tries = FAILURES * 3 * number
    assert f"may be tried {tries} times before the guard stops" in found["said"]
    assert "take it times the number of gateways" in found["advice"]
    assert found["status"] == ("ok" if tries < THRESHOLD else "warning"), found

    gateway = start_gateway(text)
    names = (upn, f"{account}@corp.example", f"CORP\\{account}", dn)
    for block, name in itertools.product(blocks, names):
        for _ in range(FAILURES + 1):
            with RawClient(gateway.port, certificates.ca_file, source=sources[block]) as session:
                assert session.bind(name, "wrong") == 49
    _, counted, locked = state(connection, account)
    assert (counted, locked) == (min(tries, THRESHOLD), tries >= THRESHOLD)


def test_blocks_whose_servers_show_one_domain_are_taken_together(domain, certificates, tmp_path):
    """Although their configured naming contexts have nothing in common; and with a store that gateways share."""
    settings, _ = domain
    server = {
        "servers": [{"url": f"ldaps://{settings['LAB_IP']}", "server_name": "dc1.corp.example"}],
        "ca_file": settings["LAB_CA"],
    }
    (tmp_path / "own").write_text(settings["LAB_SVC_PW"])
    (tmp_path / "own").chmod(0o600)
    outer = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash("outside")
    contexts = {"corp": SUFFIX, "other": "DC=other,DC=test"}

    def client(block):
        account = {"hashes": [outer], "bind_dn": settings["LAB_SVC_DN"], "password_file": str(tmp_path / "own")}
        return {
            "directory": block,
            "sources": ["127.0.0.1" if block == "corp" else "127.0.0.2"],
            "login_base_dns": [contexts[block]],
            "login_domains": [f"{block}.example"],
            "base_dns": [contexts[block]],
            "attributes": ["mail"],
            "credentials": {"mode": "mapped", "accounts": {"sync": account}},
        }

    text = configuration(
        certificates,
        {},
        {},
        directories={block: server | {"naming_contexts": [context]} for block, context in contexts.items()},
        clients={block: client(block) for block in contexts},
        lockout_store="redis://:a-password-made-by-a-machine@127.0.0.1:1/0",
    )
    found = Doctor(tmp_path, text, None).all("directory", "lockout", "corp")
    # By a DN nobody of this domain can sign in through the other block.
    assert [each["said"].partition("stops: ")[2] for each in found] == [
        "3 (lockout.failures) x 3 (ways to write the name: userPrincipalName, sAMAccountName, DN) at corp"
        " + 3 (lockout.failures) x 2 (ways to write the name: userPrincipalName, sAMAccountName) at other"
    ]
    assert [(each["status"], each["advice"]) for each in found] == [
        ("warning", "set lockout.failures of clients corp, other to 1")
    ]
