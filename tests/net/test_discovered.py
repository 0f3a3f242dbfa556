"""The candidates that DNS names: who waits for them, who is told, what stays. The lookups are the test's."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.servers import discovered, discovery
from gateway.net.servers.candidates import NoCandidates
from gateway.net.servers.discovered import DiscoveredCandidates
from gateway.net.servers.discovery import FIRST_RETRY, LONGEST, LONGEST_RETRY, SHORTEST
from gateway.net.servers.found_servers import Found, NotFound
from gateway.net.servers.server_state import DirectoryState
from gateway.net.servers.settings import Candidate, DirectorySettings, DiscoverySettings, ServerSettings
from tests.net.played import Told

SERVICE = "_ldap._tcp.dc._msdcs.corp.example"
DISCOVER = DiscoverySettings(SERVICE, 636, ("corp.example",))
ONE, OTHER = (Candidate(ServerSettings(f"dc{i}.corp.example", 636, f"dc{i}.corp.example"), priority=i) for i in (1, 2))
# The time until the next lookup is up to a tenth longer.
LONGER = 1.1


class DiscoveryCase(SynchronousTestCase):
    """lookups: those that DNS was asked for, each to be answered by the test. given_up: those of which nobody wants the
    answer any more."""

    def setUp(self):
        self.clock, self.told, self.changes = Clock(), Told(), 0
        self.lookups, self.given_up = [], []
        self.state = DirectoryState(self.clock.seconds)
        for module in (discovered, discovery):
            self.patch(module, "find_servers", self.find_servers)
        self.candidates = self.load()

    async def find_servers(self, settings, reactor):
        self.assertEqual((settings, reactor), (DISCOVER, self.clock))
        self.lookups.append(Deferred(self.given_up.append))
        return await self.lookups[-1]

    def load(self):
        directory = DirectorySettings("corp", (), None, discover=DISCOVER)
        return DiscoveredCandidates(directory, DISCOVER, self.state, self.told, self.clock)

    def wait(self, patience=15):
        return Deferred.fromCoroutine(self.candidates.wait(None, patience))

    def changed(self):
        self.changes += 1

    def answer(self, *candidates, ttl=60.0):
        self.lookups[-1].callback(Found(candidates, ttl))


class TheFirstLookup(DiscoveryCase):
    def test_all_who_wait_share_it(self):
        waiting = [self.wait() for _ in range(3)]
        self.assertEqual(len(self.lookups), 1)
        self.answer(ONE, OTHER)
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(self.candidates.known(None), (ONE, OTHER))
        self.assertEqual(self.told.of("servers_found"), [("servers_found", (ONE.server, OTHER.server))])

    def test_it_goes_on_when_whoever_began_it_leaves(self):
        first, second = self.wait(), self.wait()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.answer(ONE)
        self.successResultOf(second)

    def test_nobody_waits_longer_than_its_patience(self):
        waiting = self.wait(15)
        self.clock.advance(14.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        failure = self.failureResultOf(waiting, NoCandidates)
        self.assertEqual(str(failure.value), f"{SERVICE}: no answer within connect_patience")
        # What comes later is of use for the next one.
        self.answer(ONE)
        self.assertEqual(self.candidates.known(None), (ONE,))

    def test_those_who_waited_learn_why_there_are_none_and_the_next_one_asks_again(self):
        waiting = self.wait()
        self.lookups[-1].errback(NotFound(f"{SERVICE}: no such name in DNS"))
        self.assertEqual(str(self.failureResultOf(waiting, NoCandidates).value), f"{SERVICE}: no such name in DNS")
        self.assertEqual(self.told.events, [("discovery_ended", f"{SERVICE}: no such name in DNS")])
        again = self.wait()
        self.assertEqual(len(self.lookups), 2)
        self.answer(ONE)
        self.successResultOf(again)

    def test_those_who_waited_go_on_where_what_follows_from_the_answer_fails(self):
        def fail():
            raise ZeroDivisionError

        self.candidates.begin(fail)
        waiting = self.wait()
        self.answer(ONE)
        self.successResultOf(waiting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class WhileInForce(DiscoveryCase):
    def setUp(self):
        super().setUp()
        self.candidates.begin(self.changed)

    def test_a_change_is_told_and_the_same_again_is_none(self):
        self.answer(ONE)
        self.assertEqual(self.changes, 1)
        self.clock.advance(60 * LONGER)
        self.answer(ONE)
        self.assertEqual((self.changes, len(self.told.of("servers_found"))), (1, 1))
        self.clock.advance(60 * LONGER)
        self.answer(OTHER)
        self.assertEqual((self.changes, self.candidates.known(None)), (2, (OTHER,)))

    def test_the_last_answer_stays_where_there_is_none_any_more(self):
        self.answer(ONE)
        self.clock.advance(60 * LONGER)
        self.lookups[-1].errback(NotFound(f"{SERVICE}: no answer in time"))
        self.assertEqual((self.changes, self.candidates.known(None)), (1, (ONE,)))
        self.assertEqual(self.told.of("discovery_ended")[-1], ("discovery_ended", f"{SERVICE}: no answer in time"))

    def test_the_ttl_says_when_it_is_asked_again_within_limits(self):
        for ttl, wait in ((60.0, 60.0), (0.0, SHORTEST), (1e9, LONGEST)):
            count = len(self.lookups)
            self.answer(ONE, ttl=ttl)
            self.clock.advance(wait - 0.1)
            self.assertEqual(len(self.lookups), count)
            self.clock.advance(wait * (LONGER - 1) + 0.2)
            self.assertEqual(len(self.lookups), count + 1)

    def test_where_dns_gives_no_answer_it_is_asked_ever_more_rarely_until_it_does(self):
        waits = []
        for _ in range(8):
            self.lookups[-1].errback(NotFound("none"))
            began, count = self.clock.seconds(), len(self.lookups)
            while len(self.lookups) == count:
                self.clock.advance(0.25)
            waits.append(self.clock.seconds() - began)
        self.assertLess(waits[0], FIRST_RETRY * LONGER + 0.3)
        self.assertGreaterEqual(waits[1], 2 * FIRST_RETRY)
        self.assertTrue(all(LONGEST_RETRY <= wait < LONGEST_RETRY * LONGER + 0.3 for wait in waits[-2:]))
        self.answer(ONE, ttl=0.0)
        self.clock.advance(SHORTEST * LONGER)
        self.lookups[-1].errback(NotFound("none"))
        count = len(self.lookups)
        self.clock.advance(FIRST_RETRY * LONGER)
        self.assertEqual(len(self.lookups), count + 1)


class OverReloads(DiscoveryCase):
    def test_the_next_load_begins_with_what_was_found(self):
        self.candidates.found(Found((ONE,), 60))
        self.assertEqual(self.load().known(None), (ONE,))

    def test_what_sessions_of_an_earlier_load_find_is_theirs_alone(self):
        self.candidates.begin(self.changed)
        self.candidates.stop()
        del self.told.events[:]
        waiting = self.wait()
        self.answer(ONE)
        self.successResultOf(waiting)
        self.assertEqual((self.candidates.known(None), self.load().known(None)), ((ONE,), ()))
        self.candidates.not_found("none")
        self.assertEqual((self.told.events, self.changes), ([], 0))

    def test_a_lookup_that_is_under_way_is_given_up_and_no_timer_stays(self):
        self.candidates.begin(self.changed)
        self.candidates.stop()
        self.assertEqual((self.given_up, self.clock.getDelayedCalls()), (self.lookups, []))
