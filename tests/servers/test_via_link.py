"""Tests of servers once more, with a second gateway and a link between the gateway and its servers.

These few run always. `pytest --via link tests/servers/test_slapd.py` runs all of a module so (CONTRIBUTING.md).
"""

import pytest

from tests.servers.test_complete_slapd import (
    direct,
    gateway_before,
    limited,
    test_a_server_with_a_size_limit_is_read_whole_in_pages,
    test_searches_of_one_session_that_the_gateway_pages_are_each_complete,
    test_without_pages_the_servers_limit_is_an_error_at_the_client,
)
from tests.servers.test_failover import pair, test_a_restart_of_the_only_server_is_not_noticed, test_sessions_are_spread
from tests.servers.test_mapped import (
    at,
    inside,
    test_a_rotation_cuts_no_session_and_has_both_secrets_valid_in_between,
    test_a_sync_with_the_outer_secret_is_what_the_inner_account_sees,
    test_people_sign_in_as_ever,
)
from tests.servers.test_slapd import gateway, test_refused_searches_say_so, test_who_may_sign_in, through

__all__ = [
    "at",
    "direct",
    "gateway",
    "gateway_before",
    "inside",
    "limited",
    "pair",
    "test_a_restart_of_the_only_server_is_not_noticed",
    "test_a_rotation_cuts_no_session_and_has_both_secrets_valid_in_between",
    "test_a_server_with_a_size_limit_is_read_whole_in_pages",
    "test_a_sync_with_the_outer_secret_is_what_the_inner_account_sees",
    "test_people_sign_in_as_ever",
    "test_refused_searches_say_so",
    "test_searches_of_one_session_that_the_gateway_pages_are_each_complete",
    "test_sessions_are_spread",
    "test_who_may_sign_in",
    "test_without_pages_the_servers_limit_is_an_error_at_the_client",
    "through",
]


@pytest.fixture(scope="module")
def via():
    return "link"
