"""Whether the store of wrong passwords answers, and what is said where it does not."""

from dataclasses import replace

import pytest

from gateway.ask.findings import Area
from gateway.state.redis_settings import RedisSettings
from gateway.tools.doctor.lockout_store import check_lockout_store
from tests.servers.redis_server import PASSWORD, RedisServer
from tests.tools.said import Said

pytestmark = pytest.mark.servers


@pytest.fixture
def redis():
    with RedisServer() as running:
        yield running


@pytest.fixture
def examine(redis, on_reactor):
    def examine(**changes):
        said = Said(Area.lockout_store)
        settings = replace(RedisSettings("127.0.0.1", redis.port, password=PASSWORD), **changes)
        on_reactor(lambda reactor: check_lockout_store(said.section, settings, reactor))
        return said["answers"]

    return examine


def test_one_that_answers_is_well_and_learns_of_no_account(redis, examine):
    assert examine().status == "ok"
    assert redis.contents().count("ldap-gateway") == 1


def test_why_it_does_not_answer_is_told_and_no_password(redis, examine):
    found = examine(password="Redis-Passw0rd-WRONG")
    assert (found.status, "invalid username-password pair" in found.said) == ("warning", True)
    assert not any("Passw0rd" in text for text in (found.said, found.advice))
    redis.freeze()
    assert examine().status == "warning"
    redis.thaw()
    redis.kill()
    found = examine()
    assert (found.status, "nothing listens" in found.said) == ("warning", True)
    assert "each gateway counts by itself" in found.advice
