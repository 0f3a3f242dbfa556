"""The domain's lockout threshold against the most that the guard lets through, and what doctor says of it."""

from pathlib import Path

import pytest

from gateway.ask.root_dse import RootDse
from gateway.ldap.dn import parse
from gateway.policy.lockout import LockoutSettings
from gateway.tools.doctor.lockout import compare
from gateway.tools.doctor.worst_case import Block, WorstCase
from tests.policy.policies import policy
from tests.tools.said import Said

CORP = "DC=corp,DC=example"
DOCS = Path(__file__).parents[2] / "docs"


def client(name="mimecast", failures=3, window=1800, directory="corp", **changes):
    return policy(name=name, lockout=LockoutSettings(failures, window), directory=directory, **changes)


def found(*clients, threshold=10, minutes=30, alone=False):
    names = dict.fromkeys(each.directory for each in clients)
    together = tuple(Block(name, tuple(each for each in clients if each.directory == name)) for name in names)
    exposures = WorstCase(together).exposures(parse(CORP), "corp", RootDse(default_context=CORP))
    said = Said()
    compare(said.section, threshold, minutes, exposures, alone)
    return said["lockout"]


def lowered(clients, most):
    return [client(each.name, min(each.lockout.failures or most, most), directory=each.directory) for each in clients]


@pytest.mark.parametrize("threshold", [1, 2, 3, 5, 9, 10, 11, 18, 19, 20, 50, 100])
@pytest.mark.parametrize("failures", [0, 1, 3, 6, 16])
@pytest.mark.parametrize("directories", [("corp",), ("corp", "corp"), ("corp", "gc"), ("corp", "gc", "third")])
def test_what_is_advised_is_the_most_that_is_well(threshold, failures, directories):
    """Each person has three names here, and the first client's setting is the one that is changed."""
    clients = [client(f"c{i}", failures if i == 0 else 1, directory=each) for i, each in enumerate(directories)]
    said = found(*clients, threshold=threshold)
    counts = 3 * len(set(directories))
    tries = 3 * failures + counts - 3 if failures else None
    assert said.status == ("warning" if tries is None or tries >= threshold else "ok")
    assert ("any number of times" if tries is None else f"may be tried {tries} times") in said.said
    if said.status == "ok":
        assert said.advice == ""
        return
    most = (threshold - 1) // counts
    if most == 0:
        assert f"raise the domain's threshold above {counts * 3} and set lockout.failures to 3" in said.advice
        assert found(*lowered(clients, 3), threshold=counts * 3 + 1).status == "ok"
        return
    high = [each.name for each in clients if each.lockout.failures > most or each.lockout.failures == 0]
    assert f"set lockout.failures of client{'s' * (len(high) > 1)} {', '.join(high)} to {most}" in said.advice
    assert found(*lowered(clients, most), threshold=threshold).status == "ok"
    higher = [client(each.name, most + 1, directory=each.directory) for each in clients]
    assert found(*higher, threshold=threshold).status == "warning"


def test_the_default_is_the_most_that_stays_below_the_threshold_of_microsofts_baselines():
    default = policy(directory="corp")
    assert found(default, threshold=10).status == "ok"
    assert found(client(failures=default.lockout.failures + 1), threshold=10).status == "warning"


def test_the_figure_and_what_it_is_made_of():
    assert found(client()).said == (
        "the domain locks an account after 10 wrong passwords within 30 minutes; a person may be tried 9 times before "
        "the guard stops: 3 (lockout.failures) x 3 (ways to write the name: userPrincipalName, sAMAccountName, DN) x 1 "
        "(directory block of this domain: corp)"
    )
    assert found(client(), client("gc", directory="gc")).said.endswith(
        "may be tried 18 times before the guard stops: 3 (lockout.failures) x 3 (ways to write the name: "
        "userPrincipalName, sAMAccountName, DN) x 2 (directory blocks that lead to this domain: corp, gc)"
    )
    mixed = found(client(), client("by DN", 5, login_domains=()), client("gc", directory="gc", login_domains=("CORP",)))
    assert mixed.said.endswith(
        "may be tried 17 times before the guard stops: "
        "3 (lockout.failures) x 2 (ways to write the name: userPrincipalName, sAMAccountName) at corp"
        " + 5 (lockout.failures) x 1 (way to write the name: DN) at corp"
        " + 3 (lockout.failures) x 2 (ways to write the name: sAMAccountName, DN) at gc"
    )


def test_of_people_and_sync_accounts_the_most_exposed_one_is_shown():
    sync = found(client(login_base_dns=()))
    assert "a sync account of client mimecast may be tried 3 times" in sync.said
    assert "(way to write the name: DN)" in sync.said
    both = found(client(), client("other", 20, login_base_dns=(), sync_accounts=("svc@corp.example",)), threshold=30)
    assert "a sync account of client other may be tried 20 times" in both.said


def test_the_guard_that_is_off():
    said = found(client(failures=0), client("other"))
    assert said.said.endswith("; a person may be tried any number of times")
    assert said.advice == (
        "lockout.failures of client mimecast is 0, so wrong sign-ins there lock people out everywhere; "
        "set lockout.failures of client mimecast to 3"
    )


@pytest.mark.parametrize(
    ("windows", "minutes", "advice"),
    [
        ((1800,), 30, ""),
        ((1800,), None, ""),
        ((1799,), 30, "lockout.window of client c0 is shorter: set it to 30m or more"),
        ((1800, 60, 60), 10, "lockout.window of clients c1, c2 is shorter: set it to 10m or more"),
    ],
)
def test_each_clients_window_is_held_against_the_domains(windows, minutes, advice):
    said = found(*[client(f"c{i}", window=each) for i, each in enumerate(windows)], minutes=minutes)
    assert (said.status, said.advice) == ("warning" if advice else "ok", advice)


def test_all_that_is_wrong_is_said():
    said = found(client(failures=4, window=60))
    assert said.advice == (
        "set lockout.failures of client mimecast to 3; "
        "lockout.window of client mimecast is shorter: set it to 30m or more"
    )


@pytest.mark.parametrize("failures", [3, 4])
def test_a_gateway_that_counts_alone_says_so(failures):
    assert found(client(failures=failures), alone=True).advice.endswith("take it times the number of gateways")
    assert "number of gateways" not in found(client(failures=failures)).advice


def test_where_nobody_can_sign_in_there_is_nothing_to_warn_of():
    said = found(client(sync_accounts=(), login_base_dns=(), allow_anonymous=True), threshold=1)
    assert (said.status, said.advice) == ("ok", "")


def test_the_examples_of_the_documents_are_what_is_said():
    said = found(client(failures=4), alone=True)
    text = (DOCS / "troubleshooting.md").read_text()
    assert f"  warning  lockout            {said.said}\n" in text
    assert f"                              -> {said.advice}\n" in text
