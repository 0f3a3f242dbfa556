"""What is done for directories while a configuration is in force, and ends with it: over ways that the test plays."""

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.servers.connector import ServerConnector
from gateway.net.servers.settings import DirectorySettings, HealthSettings, ServerSettings
from gateway.net.servers.upkeep import Upkeep
from gateway.net.transport.failures import FailureCause
from tests.net.played import PlayedCandidates, PlayedWay, Told

DC1, DC2 = (ServerSettings(f"dc{i}", 636, f"dc{i}.corp.example") for i in (1, 2))
HEALTH = HealthSettings(interval=30)


async def served(link):
    return True


class UpkeepCase(SynchronousTestCase):
    def setUp(self):
        self.clock, self.told = MemoryReactorClock(), Told()
        self.upkeep = Upkeep(lambda health, reactor: served, self.clock)

    def directory(self, name="corp", opens_ahead=True, **settings):
        self.way = PlayedWay(self.clock, opens_ahead)
        self.addCleanup(self.way.end)
        self.way.answers = {"dc1": None, "dc2": None}
        self.candidates = PlayedCandidates(DC1, DC2)
        directory = DirectorySettings(name, (DC1, DC2), None, **settings)
        state = self.upkeep.state(name)
        return ServerConnector(directory, self.clock, self.told, state, self.way, self.candidates)

    def pass_time(self, seconds):
        self.clock.pump([0.25] * round(4 * seconds))


class InForce(UpkeepCase):
    def test_servers_are_checked_and_spares_opened(self):
        corp = self.directory(health=HEALTH, spares=1)
        self.upkeep.apply({"corp": corp})
        self.pass_time(2)
        self.assertCountEqual(self.way.hosts, ["dc1", "dc2"])
        link = self.successResultOf(corp.connect())
        self.pass_time(0.25)
        self.assertEqual(len(self.way.openings), 4)
        self.assertIs(self.successResultOf(corp.connect()), self.way.openings[3].link)
        self.assertIsNot(link, self.way.openings[3].link)

    def test_a_way_that_opens_nothing_ahead_is_asked_for_nothing_but_sessions(self):
        corp = self.directory(opens_ahead=False, health=HEALTH, spares=2)
        self.upkeep.apply({"corp": corp})
        self.successResultOf(corp.connect())
        self.pass_time(100)
        self.assertEqual(self.way.hosts, ["dc1"])
        # Its servers may be others, all the same.
        self.candidates.become(DC2)
        self.assertEqual(self.successResultOf(corp.connect()).server, DC2)
        self.upkeep.stop()
        self.assertIsNone(self.candidates.changed)

    def test_other_servers_are_checked_from_then_on_and_spares_to_the_former_closed(self):
        corp = self.directory(health=HEALTH, spares=1)
        self.upkeep.apply({"corp": corp})
        self.successResultOf(corp.connect())
        self.pass_time(2)
        spare = next(each for each in self.way.openings if each.link is not None and each.link.kept)
        self.way.forget()
        self.candidates.become(DC2)
        self.clock.advance(0)
        self.assertTrue(spare.closed)
        self.pass_time(2 * HEALTH.interval)
        self.assertEqual(set(self.way.hosts), {"dc2"})

    def test_what_was_bad_under_another_trust_is_forgotten_and_that_is_told(self):
        corp = self.directory(spares=1)
        self.upkeep.apply({"corp": corp})
        corp.servers[0][1].failed(FailureCause.certificate, "its certificate is not issued by a CA in ca_file")
        del self.told.events[:]
        self.way.renewals = ["another trust"]
        corp.renew_tls()
        self.assertIn(("server_forgotten", DC1), self.told.events)
        self.assertIsNone(corp.servers[0][1].down)


class OverReloads(UpkeepCase):
    def test_what_is_known_of_a_directory_stays_and_its_old_upkeep_ends(self):
        old = self.directory(health=HEALTH, spares=1)
        old_way, old_candidates = self.way, self.candidates
        self.upkeep.apply({"corp": old})
        self.pass_time(2)
        old.servers[0][1].failed(FailureCause.refused, "refused")
        new = self.directory()
        self.upkeep.apply({"corp": new})
        self.assertIsNotNone(new.servers[0][1].down)
        self.assertEqual((old.in_force, old.spares, old_candidates.changed), (False, None, None))
        old_way.forget()
        self.pass_time(100)
        self.assertEqual(old_way.openings, [])
        # Sessions that began under the old configuration go on.
        self.successResultOf(old.connect())

    def test_a_directory_that_is_gone_is_forgotten(self):
        corp = self.directory()
        self.upkeep.apply({"corp": corp})
        corp.servers[0][1].failed(FailureCause.refused, "refused")
        self.upkeep.apply({"other": self.directory("other")})
        self.assertIsNone(self.directory().servers[0][1].down)

    def test_of_servers_that_only_the_old_configuration_has_nobody_is_told(self):
        old = self.directory()
        old_way = self.way
        self.upkeep.apply({"corp": old})
        new = self.directory()
        self.candidates.servers = (DC2,)
        self.upkeep.apply({"corp": new})
        del self.told.events[:]
        old_way.answers["dc1"] = ConnectionRefusedError()
        self.successResultOf(old.connect())
        self.assertEqual(self.told.of("server_fell"), [])

    def test_nothing_is_left_at_the_end(self):
        self.upkeep.apply({"corp": self.directory(health=HEALTH, spares=2)})
        self.pass_time(2)
        self.upkeep.stop()
        for opening in self.way.openings:
            opening.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])
