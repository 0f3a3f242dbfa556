"""Whether the policies of both ends are the same, told over a line."""

from dataclasses import replace

import pytest
from twisted.logger import eventAsText, globalLogPublisher

from gateway.link import parity as parity_module
from gateway.link.agreed import agreed
from gateway.policy.policy import Policy
from gateway.policy.settings import Mode
from gateway.relay.settings import SessionLimits
from tests.policy.policies import policy

LIMITS = SessionLimits(refusal_floor=0)


def asks_for(world, *policies):
    """The outside asks for sessions of these clients from now on."""
    world.host.ask_for({each.name: agreed(each, LIMITS, outside=True) for each in policies})


def serves(world, **policies):
    """The inside serves these clients from now on."""
    inside = world.insides["inside-1"]
    (one,) = inside.state.clients.values()
    clients = {name: replace(one, policy=Policy(each)) for name, each in policies.items()}
    inside.state = replace(inside.state, clients=clients)
    world.call(inside, world.called(world.host))


def known(world):
    """The keys that differ, as each end has them."""
    (agent,), (host,) = world.host.standing().peers, world.insides["inside-1"].link.standing().peers
    return agent.differs, host.differs


@pytest.fixture
def heard(monkeypatch):
    """What the log has of the policies."""
    monkeypatch.setattr(parity_module, "QUIET", 0.0)
    found = []

    def hear(event):
        if "agree" in (event.get("log_format") or ""):
            found.append(eventAsText(event, includeTimestamp=False, includeSystem=False))

    globalLogPublisher.addObserver(hear)
    yield found
    globalLogPublisher.removeObserver(hear)


def test_both_ends_name_the_keys_that_differ_and_say_so_when_that_changes(world, heard):
    asks_for(world, policy(attributes=("mail",), mode=Mode.report))
    differ = ("clients.mimecast.attributes", "clients.mimecast.mode")
    world.loop.until(lambda: known(world) == (differ, differ))
    address = world.called(world.host).address
    assert sorted(heard) == [
        "link dmz: the gateway at " + address + " has not the same as this one in clients.mimecast.attributes, "
        "clients.mimecast.mode: what is listed there and not here is refused here; `ldap-gateway link export` at the "
        "outside prints what agrees with it",
        "link inside: agent inside-1 has not the same as this gateway in clients.mimecast.attributes, "
        "clients.mimecast.mode: what is listed here and not there is refused there; `ldap-gateway link export` prints "
        "what agrees with this gateway",
    ]
    heard.clear()
    asks_for(world, policy())
    world.loop.until(lambda: known(world) == ((), ()))
    assert sorted(heard) == [
        f"link dmz: the policies here and at the gateway at {address} agree",
        "link inside: the policies here and at agent inside-1 agree",
    ]
    heard.clear()
    world.host._agents["inside-1"].line.close("for the test")
    assert known(world)[0] is None
    world.ready()
    world.loop.until(lambda: known(world) == ((), ()))
    serves(world, mimecast=policy(attributes=("mail",)))
    world.loop.until(lambda: known(world) == (differ[:1], differ[:1]))
    # That they agreed still when the line came back is no news.
    assert len(heard) == 2


def test_a_client_of_one_end_alone_is_named_by_both(world, heard):
    asks_for(world, policy(), policy(name="other"))
    world.ready()
    world.loop.until(lambda: known(world) == (("clients.other",), ("clients.other",)))
    asks_for(world, policy())
    serves(world, mimecast=policy(), more=policy(name="more"))
    world.loop.until(lambda: known(world) == (("clients.more",), ("clients.more",)))
