"""The same cases against a gateway that runs: no other session notices, and its log knows of no error of its own."""

import pytest

from gateway.ldap import messages as m
from tests.hostile import octets as o
from tests.hostile.answers import entries, results
from tests.hostile.at_work import HostileServer, Neighbour, RawConnection, gateway_configuration
from tests.hostile.test_from_clients import CASES as CLIENT_CASES
from tests.hostile.test_from_servers import CASES as SERVER_CASES

pytestmark = pytest.mark.servers


class Site:
    """The gateway, the server, and a session that is open all the time."""

    def __init__(self, certificates, server, gateway):
        self.server, self.gateway = server, gateway
        self._ca_file = certificates.ca_file
        self.neighbour = Neighbour(gateway, self.connection())

    def connection(self):
        return RawConnection(self.gateway.port, self._ca_file)

    def check(self):
        """As Neighbour.check, with a server that is kind again."""
        self.server.octets = None
        self.neighbour.check()


@pytest.fixture(scope="module")
def site(certificates, server_certificates, start_gateway):
    with HostileServer(server_certificates) as server:
        site = Site(certificates, server, start_gateway(gateway_configuration(certificates, server)))
        yield site
        site.neighbour.close()


@pytest.mark.parametrize("octets, verdict", CLIENT_CASES)
def test_from_clients(site, octets, verdict):
    with site.connection().signed_in() as session:
        before = len(site.server.requests)
        session.send(octets)
        notice = () if verdict.notice is None else ((0, verdict.notice),)
        wanted = verdict.results + notice
        assert results(session.until_results(len(wanted))) == wanted
        if verdict.end == "open":
            session.send(o.bind(id=1000) + o.search(id=1001))
            assert results(session.until_results(2)) == ((1000, 0), (1001, 0))
            asked = (m.BindRequest, m.SearchRequest)
            forwarded = [x for x in site.server.requests[before:] if isinstance(x, asked)]
            assert len(forwarded) == verdict.forwarded + 2
        elif verdict.end != "waits":
            assert session.message() is None
        site.check()
        assert verdict.end != "waits" or session.silent()


@pytest.mark.parametrize("octets, verdict", SERVER_CASES)
def test_from_servers(site, octets, verdict):
    with site.connection().signed_in() as session:
        site.server.octets = octets
        session.send(o.search(id=5) + o.search(id=6))
        wanted = verdict.results + (((0, 52),) if verdict.ends else ())
        found = session.until_results(len(wanted))
        assert (results(found), entries(found)) == (wanted, verdict.entries)
        if verdict.ends:
            assert session.message() is None
        site.check()
        if not verdict.ends:
            session.send(o.search(id=7))
            assert results(session.until_results(1)) == ((7, 0),)
