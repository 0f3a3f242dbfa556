"""Guesses in other spellings of a name: all of them together reach a server no more often than the guard permits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap import messages as m
from gateway.ldap.dn import escape_value, parse
from gateway.ldap.results import LDAPResult
from gateway.policy.lockout import LockoutSettings
from gateway.relay import commands as c
from gateway.relay import questions as q
from gateway.state.attempts import AttemptsInMemory
from tests.examples import examples
from tests.policy.policies import compiled
from tests.relay.counted_attempts import CountedAttempts
from tests.relay.harness import Harness, bind
from tests.spellings import spellings

STAFF = "OU=Staff,DC=corp,DC=example"
FORBIDDEN = '"/\\[]:;|=,*?<>@'
OWN = "CN=Svc Gateway,OU=Service,DC=corp,DC=example"
SYNC = "CN=Svc Sync,OU=Service,DC=corp,DC=example"
FAILURES = 3


class Guarded(Harness):
    """A session whose attempts are counted, and whose server finds each password wrong."""

    def __init__(self, attempts, **changes):
        super().__init__(compiled=compiled(lockout=LockoutSettings(failures=FAILURES), **changes))
        self.counted = CountedAttempts(attempts, self.reply)

    def do(self, commands):
        for command in commands:
            if isinstance(command, q.AttemptEnded):
                self.counted.end(command)
            elif isinstance(command, c.ConnectServer):
                self.connected()
            else:
                super().do([command])

    def pose(self, key, question):
        self.counted.begin(key, question)

    def guess(self, name):
        """Whether it reached the server."""
        self.send(bind(name))
        asked = [message for message in self.to_server if isinstance(message.operation, m.BindRequest)]
        for message in asked:
            self.answer(message.message_id, m.BindResponse(LDAPResult(49)))
        assert [code for _, code in self.results()] == [49]
        return bool(asked)


def guesses(names, **changes):
    """How many of them reach a server."""
    attempts = AttemptsInMemory(lambda: 0.0)
    return sum(Guarded(attempts, **changes).guess(name) for name in names)


@pytest.mark.parametrize("name", ["alice", "space person", "Ødegård", "οδυσσευς", "user42"])
@pytest.mark.parametrize("form", ["CORP\\{}", "{}@corp.example"])
def test_of_all_spellings_of_a_name_only_so_many_reach_a_server(form, name):
    @given(st.lists(spellings(name, forbidden=FORBIDDEN), min_size=FAILURES + 1, max_size=8))
    @settings(max_examples=examples(20), deadline=None)
    def few_reach_it(spelt):
        reached = guesses(form.format(each.strip()) for each in spelt)
        assert reached <= FAILURES

    few_reach_it()


@pytest.mark.parametrize("name", ["alice", "space person", "Ødegård"])
def test_of_all_spellings_of_a_dn_only_so_many_reach_a_server(name):
    kinds = st.sampled_from(("cn", "CN", "commonName", "2.5.4.3", "uid", "userid"))

    @given(st.lists(st.tuples(kinds, spellings(name)), min_size=FAILURES + 1, max_size=8))
    @settings(max_examples=examples(20), deadline=None)
    def few_reach_it(spelt):
        reached = guesses(f"{kind}={escape_value(each)},{STAFF}" for kind, each in spelt)
        assert reached <= FAILURES

    few_reach_it()


def test_as_many_as_the_guard_permits_do_reach_it():
    assert guesses(["ａlice@corp.example"] * 9) == FAILURES
    assert guesses([f"uid={letter}lice,{STAFF}" for letter in "aａⓐ𝐚ᵃ"]) == FAILURES


@pytest.mark.parametrize(
    ("account", "changes"),
    [
        (OWN, {"gateway_accounts": (parse(OWN),), "login_base_dns": (parse("DC=corp,DC=example"),)}),
        (SYNC, {"sync_accounts": (SYNC,), "login_base_dns": (parse("DC=corp,DC=example"),)}),
    ],
)
def test_no_spelling_of_the_gateways_account_or_of_the_sync_account_reaches_a_server_as_a_persons(account, changes):
    name = account.partition(",")[0].partition("=")[2]

    @given(spellings(name, forbidden=FORBIDDEN), spellings("Service"), st.sampled_from(("CORP\\{}", "{}@corp.example")))
    @settings(max_examples=examples(60), deadline=None)
    def nothing_reaches_it(spelling, unit, form):
        assert guesses([form.format(spelling.strip())], **changes) == 0
        dn = f"cn={escape_value(spelling)},ou={escape_value(unit)},dc=corp,dc=example"
        # The listed spelling itself is a sync account's, which has a count of its own.
        if not parse(dn).same(parse(account)):
            assert guesses([dn], **changes) == 0

    nothing_reaches_it()
