"""What one end knows of how far the other one has the same policies, over the life of lines."""

from twisted.internet.task import Clock

from gateway.link import parity as parity_module
from gateway.link.agreed import agreed
from gateway.link.frames import State
from gateway.link.parity import Digests, Parity, named
from gateway.relay.settings import SessionLimits
from tests.policy.policies import policy

OURS, THEIRS = "SHA256:outside", "SHA256:inside"


def clients(*, outside, **policies):
    return {name: agreed(each, SessionLimits(), outside=outside) for name, each in policies.items()}


def told(ends=(OURS, THEIRS), **policies):
    """What an inside says of these clients."""
    digests = Digests(clients(outside=False, **policies), *ends)
    return {name: State(name, False, "no server", digests.of(name)) for name in policies}


class Compared:
    """The outside's view, and the calls that it has made."""

    def __init__(self, **policies):
        self.clock = Clock()
        self.calls = []
        self.parity = Parity(clients(outside=True, **policies), self.calls.append, self.clock)
        self.states = {}

    def hears(self, states):
        self.states.clear()
        self.states.update(states)
        self.parity.news()

    def rises(self, states):
        self.states.update(states)
        self.parity.begin(OURS, THEIRS, self.states)

    def settles(self):
        self.clock.advance(parity_module.QUIET + parity_module.SETTLED)


ONE = policy(name="one")
OTHER = policy(name="one", attributes=("cn",))


def test_what_differs_is_said_once_and_again_when_it_changes():
    end = Compared(one=ONE)
    assert end.parity.differing is None
    end.rises(told(one=OTHER))
    assert end.parity.differing is None
    end.clock.advance(parity_module.SETTLED)
    assert end.calls == [("clients.one.attributes",)]
    assert end.parity.differing == ("clients.one.attributes",)
    end.hears(told(one=OTHER))
    end.settles()
    end.hears(told(one=ONE))
    end.settles()
    assert end.calls == [("clients.one.attributes",), ()]
    assert end.parity.differing == ()


def test_that_they_agree_is_said_once():
    end = Compared(one=ONE)
    end.rises(told(one=ONE))
    end.settles()
    end.parity.end()
    end.rises(told(one=ONE))
    end.settles()
    assert end.calls == [()]


def test_nothing_is_known_while_the_line_is_down_and_what_was_said_is_not_said_again():
    end = Compared(one=ONE)
    end.rises(told(one=OTHER))
    end.settles()
    end.parity.end()
    assert end.parity.differing is None
    assert not end.parity.of("one")
    end.rises(told(one=OTHER))
    assert end.parity.differing == ("clients.one.attributes",)
    end.settles()
    assert len(end.calls) == 1


def test_a_line_that_is_lost_is_not_compared():
    end = Compared(one=ONE)
    end.rises(told(one=OTHER))
    end.parity.end()
    end.settles()
    assert end.calls == [] and not end.clock.getDelayedCalls()
    end.parity.news()
    assert not end.clock.getDelayedCalls()


def test_this_ends_reload_is_compared():
    end = Compared(one=ONE)
    end.rises(told(one=OTHER))
    end.settles()
    before = end.parity.of("one")
    end.parity.use(clients(outside=True, one=OTHER))
    assert end.parity.of("one") != before
    end.settles()
    assert end.calls[-1] == ()


def test_a_reload_while_no_line_is_up_holds_for_the_next_one():
    end = Compared(one=ONE)
    end.parity.use(clients(outside=True, one=OTHER))
    end.rises(told(one=OTHER))
    end.settles()
    assert end.calls == [()]


def test_a_client_that_one_end_alone_has():
    end = Compared(one=ONE, mine=policy(name="mine"))
    end.rises(told(one=ONE, theirs=policy(name="theirs")))
    end.settles()
    assert end.calls == [("clients.mine", "clients.theirs")]


def test_a_client_that_the_other_end_has_no_more_is_not_there():
    end = Compared(one=ONE)
    end.rises({"one": State("one", False, "it is gone", {}), "two": State("two", False, "it is gone", {})})
    end.settles()
    assert end.calls == [("clients.one",)]


def test_an_end_that_tells_no_digests_has_no_differences():
    end = Compared(one=ONE)
    end.rises({"one": State("one", True, "", {})})
    end.settles()
    assert end.calls == [()]


def test_digests_of_other_keys_are_others():
    end = Compared(one=ONE)
    end.rises(told(("SHA256:outside", "SHA256:someone"), one=ONE))
    end.settles()
    assert "clients.one.attributes" in end.calls[0]


def test_one_that_changes_its_mind_all_the_time_is_seldom_said():
    end = Compared(one=ONE)
    end.rises(told(one=ONE))
    for turn in range(600):
        end.hears(told(one=OTHER if turn % 2 else ONE))
        end.clock.advance(0.1)
    assert len(end.calls) <= 60 / parity_module.QUIET + 2


def test_a_log_names_some_keys_and_counts_the_others():
    assert named(("a", "b")) == "a, b"
    assert named(tuple(f"clients.c{number}" for number in range(25))).endswith("clients.c19 and 5 more")
