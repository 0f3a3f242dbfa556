"""Which server a session gets, and what is learned from trying: over a way that the test plays."""

from functools import partial

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.servers.connector import NoServer, ServerConnector
from gateway.net.servers.server_state import SLOW_ATTEMPT, DirectoryState
from gateway.net.servers.settings import DirectorySettings, Order, ServerSettings
from gateway.net.servers.spares import SpareLinks
from gateway.net.servers.way import Whom
from gateway.net.transport.failures import FailureCause
from gateway.relay.questions import Conduct, Duty, ServerBehaved
from tests.net.played import PlayedWay, Told

WHOM = Whom("mimecast", "s1", "198.51.100.7")
REFUSED = ConnectionRefusedError()


def server(number):
    return ServerSettings(f"dc{number}", 636, f"dc{number}.corp.example")


class ConnectorCase(SynchronousTestCase):
    def connector(self, servers=2, **settings):
        self.clock = MemoryReactorClock()
        self.way, self.told = PlayedWay(self.clock), Told()
        self.addCleanup(self.way.end)
        self.state = DirectoryState(self.clock.seconds)
        directory = DirectorySettings("corp", tuple(server(i) for i in range(1, servers + 1)), None, **settings)
        made = ServerConnector(directory, self.clock, self.told, self.state, self.way)
        self.dc1, *others = [state for _, state in made.servers]
        self.dc2 = others[0] if others else None
        return made

    def connect(self, connector, **more):
        """The server of the connection that a session gets."""
        return self.successResultOf(connector.connect(WHOM, **more)).server.host

    def refusal(self, connecting):
        return str(self.failureResultOf(connecting, NoServer).value)


class Choice(ConnectorCase):
    def test_the_first_one_is_asked_for_this_session_and_no_other(self):
        connecting = self.connector().connect(WHOM)
        self.assertNoResult(connecting)
        (opening,) = self.way.openings
        self.assertEqual((opening.server, opening.whom, opening.patience), (server(1), WHOM, 5))
        link = opening.succeed()
        self.assertIs(self.successResultOf(connecting), link)
        self.assertEqual(self.told.of("server_connected"), [("server_connected", server(1), None)])

    def test_a_session_counts_from_its_attempt_to_the_end_of_its_connection(self):
        connecting = self.connector().connect(WHOM)
        self.assertEqual(self.dc1.load.sessions, 1)
        (opening,) = self.way.openings
        opening.succeed()
        self.assertEqual(self.dc1.load.sessions, 1)
        self.successResultOf(connecting)
        opening.lose()
        self.assertEqual(self.dc1.load.sessions, 0)

    def test_the_one_with_fewer_sessions_is_taken_where_that_is_the_order(self):
        connector = self.connector(order=Order.least_sessions)
        self.way.answers = {"dc1": None, "dc2": None}
        self.assertEqual({self.connect(connector), self.connect(connector)}, {"dc1", "dc2"})

    def test_the_next_one_is_tried_where_one_refuses_and_it_falls(self):
        connector = self.connector()
        self.way.answers = {"dc1": REFUSED, "dc2": None}
        self.assertEqual(self.connect(connector), "dc2")
        self.assertEqual(
            self.told.of("server_failed", "server_fell", "directory_failed"),
            [("server_failed", server(1), FailureCause.refused), ("server_fell", server(1), FailureCause.refused)],
        )
        self.assertEqual((self.dc1.load.sessions, self.dc2.load.sessions), (0, 1))
        # The next session does not find out the same.
        self.assertEqual(self.connect(connector), "dc2")
        self.assertEqual(self.way.hosts, ["dc1", "dc2", "dc2"])

    def test_where_none_can_be_had_each_is_named_and_that_is_told_once(self):
        connector = self.connector()
        self.way.answers = {"dc1": REFUSED, "dc2": OSError(113, "No route to host")}
        said = self.refusal(connector.connect(WHOM))
        self.assertRegex(said, "^ldaps://dc1:636: refused: .*; ldaps://dc2:636: there is no way to the host")
        self.assertEqual(self.told.of("directory_failed"), [("directory_failed",)])

    def test_one_that_is_down_is_tried_where_all_are_and_rises(self):
        connector = self.connector()
        self.way.answers = {"dc1": REFUSED, "dc2": REFUSED}
        self.refusal(connector.connect(WHOM))
        self.way.answers["dc2"] = None
        self.assertEqual(self.connect(connector), "dc2")
        self.assertEqual(self.told.of("server_rose"), [("server_rose", server(2))])
        # It is the only one that is up, whatever the order says.
        self.assertEqual((self.connect(connector), self.way.hosts[-1]), ("dc2", "dc2"))

    def test_a_failed_server_is_the_last_of_its_equals_or_not_tried_at_all(self):
        connector = self.connector()
        self.way.answers = {"dc1": None, "dc2": None}
        self.assertEqual(self.connect(connector, instead_of="ldaps://dc1:636"), "dc2")
        self.way.answers["dc2"] = REFUSED
        self.assertEqual(self.connect(connector, instead_of="ldaps://dc1:636"), "dc1")
        self.way.forget()
        self.refusal(connector.connect(WHOM, instead_of="ldaps://dc1:636", others_only=True))
        self.assertEqual((self.way.hosts, self.dc1.suspected), (["dc2"], True))
        # The failed one can perhaps be reached.
        self.assertEqual(self.told.of("directory_failed"), [])

    def test_a_single_server_has_no_others(self):
        connector = self.connector(servers=1)
        said = self.refusal(connector.connect(WHOM, instead_of="ldaps://dc1:636", others_only=True))
        self.assertEqual((said, self.way.hosts), ("the directory has no other server", []))

    def test_nobody_is_told_of_servers_that_only_an_earlier_load_has(self):
        connector = self.connector()
        self.state.keep({(server(1), "another trust")})
        self.way.answers = {"dc1": REFUSED, "dc2": REFUSED}
        self.refusal(connector.connect(WHOM))
        self.assertEqual(self.told.of("server_fell", "directory_failed"), [])


class Time(ConnectorCase):
    def test_each_has_connect_timeout_and_all_have_connect_patience(self):
        connector = self.connector(servers=4, connect_timeout=5, connect_patience=12)
        connecting = connector.connect(WHOM)
        self.clock.pump([1] * 12)
        self.assertEqual(
            [(each.server.host, each.patience) for each in self.way.openings], [("dc1", 5), ("dc2", 5), ("dc3", 2)]
        )
        self.assertIn("ldaps://dc4:636: not tried, the others took connect_patience", self.refusal(connecting))
        # The third had less time than it should have.
        states = [state for _, state in connector.servers]
        self.assertEqual([state.down is not None for state in states], [True, True, False, False])
        self.assertTrue(states[2].suspected)

    def test_a_sign_in_does_not_wait_for_a_server_that_another_one_waits_for(self):
        connector = self.connector()
        first = connector.connect(WHOM)
        self.clock.advance(SLOW_ATTEMPT / 2)
        # So long may any server take.
        second = connector.connect(WHOM)
        self.clock.advance(SLOW_ATTEMPT)
        third = connector.connect(WHOM)
        self.assertEqual(self.way.hosts, ["dc1", "dc1", "dc2"])
        for opening in self.way.openings:
            opening.succeed()
        self.assertEqual(
            [self.successResultOf(each).server.host for each in (first, second, third)], ["dc1", "dc1", "dc2"]
        )
        fourth = connector.connect(WHOM)
        self.assertEqual(self.way.hosts[-1], "dc1")
        fourth.cancel()
        self.failureResultOf(fourth, CancelledError)

    def test_whoever_leaves_gives_the_attempt_up_and_says_nothing_of_the_server(self):
        connecting = self.connector().connect(WHOM)
        self.clock.advance(SLOW_ATTEMPT / 2)
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertTrue(self.way.openings[0].given_up)
        self.assertEqual((self.dc1.load.sessions, self.dc1.suspected, self.dc1.down), (0, False, None))
        self.assertEqual(self.told.events, [])

    def test_whoever_leaves_after_a_long_time_has_perhaps_left_for_it(self):
        connecting = self.connector().connect(WHOM)
        self.clock.advance(SLOW_ATTEMPT * 2)
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertEqual((self.dc1.suspected, self.dc1.down), (True, None))


class Alone(ConnectorCase):
    """A server that is down is tried by one session at a time."""

    def down(self):
        connector = self.connector(servers=1)
        self.way.answers = {"dc1": REFUSED}
        self.refusal(connector.connect(WHOM))
        self.way.answers = {}
        self.way.forget()
        return connector

    def test_others_share_its_failure(self):
        connector = self.down()
        sessions = [connector.connect(WHOM) for _ in range(3)]
        self.assertEqual(self.way.hosts, ["dc1"])
        self.way.openings[0].fail(REFUSED)
        self.assertEqual(len({self.refusal(each) for each in sessions}), 1)
        self.assertEqual(self.way.hosts, ["dc1"])

    def test_others_follow_its_success(self):
        connector = self.down()
        sessions = [connector.connect(WHOM) for _ in range(3)]
        self.way.openings[0].succeed()
        self.successResultOf(sessions[0])
        self.assertEqual(self.way.hosts, ["dc1"] * 3)

    def test_one_that_gives_up_makes_way_for_the_next(self):
        connector = self.down()
        first, second = connector.connect(WHOM), connector.connect(WHOM)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.way.hosts, ["dc1"] * 2)
        self.way.openings[1].succeed()
        self.successResultOf(second)

    def test_nobody_waits_longer_than_for_an_attempt_of_its_own(self):
        connector = self.down()
        first = connector.connect(WHOM)
        self.clock.advance(4)
        second = connector.connect(WHOM)
        self.clock.advance(1)
        self.refusal(first)
        self.assertIn("ldaps://dc1:636", self.refusal(second))
        self.assertEqual(self.way.hosts, ["dc1"])


class Doubtful(ConnectorCase):
    def test_sign_ins_pass_over_a_server_that_breaks_sessions(self):
        connector = self.connector()
        self.way.answers = {"dc1": None, "dc2": None}
        broken = partial(ServerBehaved, "ldaps://dc1:636", Duty.bind, self.clock.seconds())
        connector.heard(broken(Conduct.closed))
        self.assertEqual(self.connect(connector), "dc2")
        self.assertEqual(len(self.told.of("server_doubted")), 1)
        self.clock.advance(1)
        connector.heard(ServerBehaved("ldaps://dc1:636", Duty.bind, self.clock.seconds(), Conduct.answered))
        self.dc1.check_passed(1)
        self.assertEqual(self.connect(connector), "dc1")
        self.assertEqual(len(self.told.of("server_trusted")), 1)

    def test_news_of_a_server_that_the_directory_has_no_more_are_no_matter(self):
        connector = self.connector()
        connector.heard(ServerBehaved("ldaps://dc9:636", Duty.bind, 0.0, Conduct.closed))
        self.assertEqual(self.told.events, [])


class Ready(ConnectorCase):
    """Connections that were opened ahead."""

    def with_spare(self):
        connector = self.connector(spares=1)
        self.way.answers = {"dc1": None, "dc2": None}
        connector.spares = SpareLinks(connector, self.state, self.clock)
        self.connect(connector)
        self.clock.advance(0)
        self.assertEqual([each.whom for each in self.way.openings], [WHOM, None])
        return connector

    def test_a_session_gets_one_and_another_one_is_opened(self):
        connector = self.with_spare()
        link = self.successResultOf(connector.connect(WHOM))
        self.assertIs(link, self.way.openings[1].link)
        self.assertTrue(link.kept)
        self.assertEqual(self.dc1.load.sessions, 2)
        self.clock.advance(0)
        self.assertEqual(len(self.way.openings), 3)
        link.close()
        self.assertEqual(self.dc1.load.sessions, 1)

    def test_whoever_was_just_failed_by_a_server_gets_none(self):
        connector = self.with_spare()
        link = self.successResultOf(connector.connect(WHOM, instead_of="ldaps://dc2:636"))
        self.assertIs(link, self.way.openings[2].link)
        self.assertFalse(link.kept)


class Renewal(ConnectorCase):
    def test_what_was_known_of_servers_says_nothing_under_another_trust(self):
        connector = self.connector()
        looks = []
        connector.changed = partial(looks.append, "changed")
        self.way.answers = {"dc1": REFUSED, "dc2": None}
        self.assertEqual(self.connect(connector), "dc2")
        self.way.renewals, self.way.answers["dc1"] = ["another trust"], None
        connector.renew_tls()
        self.assertEqual((looks, self.connect(connector)), (["changed"], "dc1"))

    def test_files_that_cannot_be_used_change_nothing(self):
        connector = self.connector()
        looks = []
        connector.changed = partial(looks.append, "changed")
        self.assertRaises(FileNotFoundError, connector.renew_tls)
        self.assertEqual((looks, self.way.fingerprint), ([], "trust"))
