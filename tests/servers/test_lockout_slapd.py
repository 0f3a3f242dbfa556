"""The lockout guard before OpenLDAP's own one (the overlay ppolicy), which takes many spellings for one name."""

import itertools
import random

import pytest

from tests.servers.gateway_process import configuration
from tests.servers.raw_client import RawClient
from tests.servers.slapd import Slapd
from tests.servers.sync_client import connect

SUFFIX = "dc=corp,dc=example"
STAFF = f"ou=Staff,{SUFFIX}"
SYNC, PASSWORD = f"cn=svc-sync,{SUFFIX}", "Sync-Passw0rd"
FAILURES, THRESHOLD = 3, 5

ENTRIES = [
    (SUFFIX, {"objectClass": ["dcObject", "organization"], "dc": ["corp"], "o": ["corp"]}),
    (STAFF, {"objectClass": ["organizationalUnit"], "ou": ["Staff"]}),
    (
        f"cn=lock,{SUFFIX}",
        {
            "objectClass": ["device", "pwdPolicy"],
            "cn": ["lock"],
            "pwdAttribute": ["userPassword"],
            "pwdLockout": ["TRUE"],
            "pwdMaxFailure": [str(THRESHOLD)],
        },
    ),
    *(
        (
            f"{name},{above}",
            {
                "objectClass": ["inetOrgPerson"],
                name.partition("=")[0]: [name.partition("=")[2]],
                "sn": ["Somebody"],
                "cn": [name.partition("=")[2]],
                "userPassword": [PASSWORD],
            },
        )
        for name, above in (
            *((f"uid={person}", STAFF) for person in ("alice", "davey", "emile", "emil\u00e9")),
            ("cn=svc-sync", SUFFIX),
        )
    ),
]


def wide(letter):
    return chr(ord(letter) + 0xFEE0)


def circled(letter):
    return chr(0x24D0 + ord(letter) - ord("a"))


def mathematical(letter):
    return chr(0x1D400 + 26 + ord(letter) - ord("a"))


def escaped(letter):
    return f"\\{ord(letter):02x}"


WAYS = [str, str.upper, wide, circled, mathematical, escaped]


def spellings(name, number):
    """So many spellings of it that slapd takes for the same."""
    chosen = random.Random(15)
    yield from ("".join(way(letter) for letter in name) for way in WAYS)
    for _ in range(number - len(WAYS)):
        yield "".join(chosen.choice(WAYS)(letter) for letter in name)


@pytest.fixture(scope="module")
def directory():
    overlay = f'overlay ppolicy\nppolicy_default "cn=lock,{SUFFIX}"\nppolicy_use_lockout'
    with Slapd(ENTRIES, settings="moduleload ppolicy", database_settings=overlay, schemas=(), indexed="uid") as running:
        yield running


@pytest.fixture(scope="module")
def gateway(certificates, directory, start_gateway):
    client = {
        "sync_accounts": [SYNC],
        "login_base_dns": [STAFF],
        "base_dns": [STAFF],
        "attributes": ["cn"],
        "lockout": {"failures": FAILURES},
    }
    return start_gateway(configuration(certificates, directory.gateway_directory, client, limits={"refusal_floor": 0}))


def bind(certificates, gateway, name, password):
    with RawClient(gateway.port, certificates.ca_file) as client:
        return client.bind(name, password)


def failures(directory, dn):
    """How many wrong passwords slapd has counted, and whether it has locked the account."""
    connection = connect("127.0.0.1", directory.port, directory.certificates.ca_file, SYNC, PASSWORD)
    connection.search(dn, "(objectClass=*)", "BASE", attributes=["pwdFailureTime", "pwdAccountLockedTime"])
    (found,) = connection.response
    values = found["raw_attributes"]
    return len(values.get("pwdFailureTime", [])), bool(values.get("pwdAccountLockedTime"))


def test_slapd_takes_each_spelling_for_the_same_person(directory):
    for spelling in spellings("davey", 12):
        connection = connect(
            "127.0.0.1", directory.port, directory.certificates.ca_file, f"uid={spelling},{STAFF}", PASSWORD
        )
        assert connection.result["description"] == "success"


def test_over_all_spellings_no_more_than_the_permitted_guesses_reach_it(certificates, directory, gateway):
    types = itertools.cycle(["uid", "UID", "userid", "0.9.2342.19200300.100.1.1", "uId"])
    for number, spelling in enumerate(spellings("alice", 40)):
        name = f"{next(types)}={spelling},{STAFF}"
        assert bind(certificates, gateway, name, f"Wrong-{number}") in (34, 49)
    assert failures(directory, f"uid=alice,{STAFF}") == (FAILURES, False)


def test_a_guarded_person_signs_in_by_no_spelling(certificates, directory, gateway):
    for number in range(FAILURES):
        assert bind(certificates, gateway, f"uid=davey,{STAFF}", f"Wrong-{number}") == 49
    for spelling in spellings("davey", 30):
        assert bind(certificates, gateway, f"uid={spelling},{STAFF}", PASSWORD) == 49
    assert failures(directory, f"uid=davey,{STAFF}") == (FAILURES, False)


def test_who_is_called_alike_takes_back_nothing_by_signing_in(certificates, directory, gateway):
    """The two have one count, because servers differ in whether a mark makes another name."""
    emile = f"uid=emile,{STAFF}"
    for number in range(3 * FAILURES):
        assert bind(certificates, gateway, emile, f"Wrong-{number}") == 49
        if number % 2:
            bind(certificates, gateway, f"uid=emil\u00e9,{STAFF}", PASSWORD)
    assert failures(directory, emile) == (FAILURES, False)
