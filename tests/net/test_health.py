"""When the servers of a directory are checked in the background, and what follows: over a way that the test plays."""

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.health import HealthChecks, NoAnswer
from gateway.net.servers.server_state import FIRST_RETRY, JITTER, LONGEST_RETRY, DirectoryState
from gateway.net.servers.settings import DirectorySettings, HealthSettings, ServerSettings
from gateway.net.transport.failures import FailureCause
from gateway.relay.questions import Conduct, Duty, ServerBehaved
from tests.net.played import PlayedCandidates, PlayedWay, Told

DC1, DC2 = (ServerSettings(f"dc{i}", 636, f"dc{i}.corp.example") for i in (1, 2))
REFUSED = ConnectionRefusedError()
HEALTH = HealthSettings(interval=30, rise=2, fall=3)


class HealthCase(SynchronousTestCase):
    """asked: the links over which the question was asked. answer: whether a bind was accepted, or what is raised."""

    def setUp(self):
        self.clock = MemoryReactorClock()
        self.way, self.told = PlayedWay(self.clock), Told()
        self.addCleanup(self.way.end)
        self.way.answers = {"dc1": None, "dc2": None}
        self.asked, self.answer = [], False

    async def question(self, link):
        self.asked.append(link)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def begin(self, health=HEALTH, servers=(DC1,)):
        self.known = PlayedCandidates(*servers)
        directory = DirectorySettings("corp", servers, None, health=health)
        known = DirectoryState(self.clock.seconds)
        self.connector = ServerConnector(directory, self.clock, self.told, known, self.way, self.known)
        self.state = self.connector.servers[0][1]
        question = None if health is None else self.question
        self.checks = HealthChecks(self.connector.standings, self.connector.attempts, question, self.clock)
        self.checks.look()

    def pass_time(self, seconds):
        self.clock.pump([0.05] * round(20 * seconds))

    def next_check(self):
        """Waits for one check, for no longer than it may take to come."""
        before, latest = len(self.way.openings), self.clock.seconds() + HEALTH.interval * (1 + JITTER) + 0.1
        while len(self.way.openings) == before:
            self.assertLess(self.clock.seconds(), latest)
            self.clock.advance(0.05)


class OfServersThatAreUp(HealthCase):
    def test_the_first_check_comes_soon_and_the_next_one_behind_the_interval(self):
        self.begin(servers=(DC1, DC2))
        self.pass_time(FIRST_RETRY + 0.1)
        self.assertCountEqual(self.way.hosts, ["dc1", "dc2"])
        self.assertEqual([opening.whom for opening in self.way.openings], [None, None])
        self.pass_time(HEALTH.interval * (1 - JITTER) - FIRST_RETRY - 0.2)
        self.assertEqual(len(self.way.openings), 2)
        self.pass_time(2 * JITTER * HEALTH.interval + FIRST_RETRY + 0.3)
        self.assertCountEqual(self.way.hosts, ["dc1", "dc2"] * 2)

    def test_each_is_told_and_its_connection_closed(self):
        self.begin()
        self.pass_time(FIRST_RETRY + 0.1)
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.told.of("server_checked"), [("server_checked", DC1, True)])
        self.clock.advance(0)
        self.assertTrue(self.way.openings[0].closed)

    def test_one_falls_after_so_many_failures_in_a_row(self):
        self.begin()
        self.way.answers["dc1"] = REFUSED
        self.next_check()
        self.next_check()
        self.assertIsNone(self.state.down)
        self.way.answers["dc1"] = None
        self.next_check()
        self.way.answers["dc1"] = REFUSED
        self.next_check()
        self.next_check()
        self.assertIsNone(self.state.down)
        self.next_check()
        self.assertEqual(self.told.of("server_fell"), [("server_fell", DC1, FailureCause.refused)])

    def test_without_checks_only_trouble_is_looked_at_and_at_once(self):
        self.begin(None)
        self.pass_time(100)
        self.assertEqual(self.way.openings, [])
        self.state.suspect()
        self.clock.advance(0)
        self.assertEqual((self.way.hosts, self.state.suspected), (["dc1"], False))
        self.pass_time(100)
        self.assertEqual(len(self.way.openings), 1)

    def test_however_often_it_is_suspected_it_is_not_checked_all_the_time(self):
        self.begin(None)
        self.pass_time(10)
        for _ in range(100):
            self.state.suspect()
            self.pass_time(0.1)
        self.assertLessEqual(len(self.way.openings), 1 + 10 / (FIRST_RETRY * (1 - JITTER)))

    def test_one_failed_check_settles_a_suspicion(self):
        self.begin()
        self.pass_time(FIRST_RETRY + 1)
        self.way.answers["dc1"] = REFUSED
        self.state.suspect()
        self.clock.advance(0)
        self.assertEqual(self.state.down.cause, FailureCause.refused)


class OfServersThatAreDown(HealthCase):
    def fall(self, health=HEALTH):
        self.begin(health)
        self.pass_time(FIRST_RETRY + 1)
        self.way.answers["dc1"] = REFUSED
        self.state.failed(FailureCause.refused, "refused")
        self.way.forget()

    def test_checks_become_rarer(self):
        self.fall(None)
        self.pass_time(10)
        early = len(self.way.openings)
        self.assertGreaterEqual(early, 3)
        self.pass_time(300)
        self.way.forget()
        self.pass_time(300)
        self.assertLessEqual(len(self.way.openings), 300 / (LONGEST_RETRY * (1 - JITTER)))
        self.assertGreaterEqual(len(self.way.openings), 300 / (LONGEST_RETRY * (1 + JITTER)) - 1)

    def test_one_rises_after_so_many_passed_checks_in_a_row_and_that_is_told_once(self):
        self.fall()
        self.way.answers["dc1"] = None
        self.next_check()
        self.way.answers["dc1"] = REFUSED
        self.next_check()
        self.way.answers["dc1"] = None
        self.next_check()
        self.assertIsNotNone(self.state.down)
        self.next_check()
        self.assertIsNone(self.state.down)
        self.assertEqual(self.told.of("server_rose"), [("server_rose", DC1)])

    def test_a_check_waits_for_the_attempt_of_a_session_and_shares_its_failure(self):
        self.fall()
        del self.way.answers["dc1"]
        session = self.connector.connect()
        self.pass_time(3)
        self.assertEqual(len(self.way.openings), 1)
        checked = len(self.told.of("server_checked"))
        self.way.openings[0].fail(REFUSED)
        self.failureResultOf(session)
        # What it would have found is known.
        self.assertEqual(len(self.told.of("server_checked")), checked)


class OfWhatLiesBehindTheConnection(HealthCase):
    def test_a_server_that_connects_and_answers_nothing_falls_and_a_connection_proves_nothing(self):
        self.begin()
        self.answer = NoAnswer("it connects, but says nothing")
        for _ in range(HEALTH.fall):
            self.next_check()
        self.assertEqual(self.told.of("server_fell"), [("server_fell", DC1, FailureCause.no_answer)])
        self.clock.advance(0)
        self.assertTrue(all(opening.closed for opening in self.way.openings))
        self.successResultOf(self.connector.connect())
        self.assertEqual(self.told.of("server_rose"), [])

    def doubted(self):
        self.begin()
        self.pass_time(FIRST_RETRY + 1)
        self.connector.heard(ServerBehaved("ldaps://dc1:636", Duty.bind, self.clock.seconds(), Conduct.closed))
        self.assertIsNotNone(self.state.doubts.doubt)

    def test_a_check_that_was_served_as_sessions_need_it_ends_a_doubt(self):
        self.answer = True
        self.doubted()
        self.pass_time(1)
        self.assertEqual(self.told.of("server_trusted"), [("server_trusted", DC1)])

    def test_one_without_a_bind_does_not(self):
        self.doubted()
        self.pass_time(1)
        self.assertTrue(self.told.of("server_checked")[-1][2])
        self.assertIsNotNone(self.state.doubts.doubt)


class TheEnd(HealthCase):
    def test_a_check_that_is_under_way_is_given_up_and_no_timer_stays(self):
        self.way.answers = {}
        self.begin()
        self.pass_time(FIRST_RETRY + 0.1)
        (opening,) = self.way.openings
        self.checks.stop()
        self.assertTrue(opening.given_up)
        self.assertEqual((self.clock.getDelayedCalls(), self.told.events), ([], []))
        self.state.suspect()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_is_no_server_of_the_directory_any_more_is_left_alone(self):
        self.begin(servers=(DC1, DC2))
        self.pass_time(FIRST_RETRY + 0.1)
        self.known.servers = (DC2,)
        self.checks.look()
        self.way.forget()
        self.pass_time(HEALTH.interval * 2)
        self.assertEqual(set(self.way.hosts), {"dc2"})

    def test_a_question_that_breaks_is_a_failed_check_and_the_next_one_comes(self):
        self.begin()
        self.answer = ZeroDivisionError()
        self.next_check()
        self.answer = False
        self.next_check()
        self.assertEqual([event[2] for event in self.told.of("server_checked")], [False, True])
        self.clock.advance(0)
        self.assertTrue(all(opening.closed for opening in self.way.openings))
