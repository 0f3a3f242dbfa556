"""Links in the configuration: what they become, and what is wrong with them."""

from copy import deepcopy

import pytest

from gateway.link.settings import InsideSettings, OutsideSettings
from tests.config.link_configuration import ADDRESS, INSIDE, OUTSIDE, changed, load, wrong


def test_the_outside_has_a_link_in_the_place_of_servers(keys):
    loaded = load(keys, OUTSIDE)
    (link,) = loaded.settings.links
    assert isinstance(link, OutsideSettings)
    assert (link.name, link.address, link.parked, link.connections) == ("inside", "127.0.0.1:8636", 4, 500)
    assert link.agents == {"inside-1": keys / "inside-1.pem"}
    (client,) = loaded.settings.clients
    assert (client.directory.link, client.directory.servers, client.links) == ("inside", (), ())


def test_the_inside_listens_nowhere(keys):
    loaded = load(keys, INSIDE)
    (link,) = loaded.settings.links
    assert isinstance(link, InsideSettings)
    assert [each.address for each in link.call] == [ADDRESS]
    assert loaded.settings.listeners == ()


@pytest.mark.parametrize(
    "configuration, changes, said",
    [
        (OUTSIDE, {"links__inside__call": [ADDRESS]}, "links.inside: either `address`"),
        (OUTSIDE, {"links__inside__address": None}, "links.inside: either `address`"),
        (OUTSIDE, {"links__inside__address": "nowhere"}, "links.inside.address: an IP address and a port"),
        (OUTSIDE, {"links__inside__agents": {}}, "links.inside.agents: no agent is pinned"),
        (OUTSIDE, {"links__inside__agents": {"inside-1": "gone.pem"}}, "gone.pem: cannot be read"),
        (OUTSIDE, {"links__inside__agents": {"inside-1": "gateway.pem"}}, "gateway.pem: it may issue others"),
        (
            OUTSIDE,
            {"links__inside__agents": {"inside-1": "inside-1.pem", "inside-2": "inside-1.pem"}},
            "has the same certificate; one key is for one end alone",
        ),
        (OUTSIDE, {"links__inside__hosts": {ADDRESS: "outside.pem"}}, "links.inside.hosts: only of use with `call`"),
        (OUTSIDE, {"links__inside__parked": 65}, "links.inside.parked"),
        (
            OUTSIDE,
            {"links__inside__identity": {"certificate": "outside.pem", "private_key": "inside-1.key"}},
            "this key does not belong to",
        ),
        (OUTSIDE, {"listeners": None}, "listeners: no listener, and no link that is called"),
        (INSIDE, {"links__dmz__call": ["gateway.example.net"]}, "links.dmz.call.0: a host and a port are expected"),
        (INSIDE, {"links__dmz__hosts": {}}, "links.dmz.call.0: its certificate is needed"),
        (INSIDE, {"links__dmz__hosts": {ADDRESS: "outside.pem", "a:1": "outside.pem"}}, "not in `call`"),
        (INSIDE, {"links__dmz__sources": ["192.0.2.1"]}, "links.dmz.sources: only of use with `address`"),
        (
            INSIDE,
            {"clients__mimecast__links": None, "clients__mimecast__sources": ["192.0.2.1"]},
            "no client has `links",
        ),
    ],
)
def test_what_is_wrong_is_said(keys, configuration, changes, said):
    assert said in wrong(keys, changed(configuration, **changes))


def test_two_links_on_one_address_and_one_that_nobody_asks(keys):
    second = {**OUTSIDE["links"]["inside"]}
    said = wrong(keys, changed(OUTSIDE, links__second=second))
    assert "links.second.address: the same address as links.inside has" in said
    assert "links.second: no directory has `link: second`" in said


@pytest.mark.parametrize("configuration", [OUTSIDE, INSIDE], ids=["outside", "inside"])
@pytest.mark.parametrize("name", ["x" * 256, "mime\tcast", "cast\u202emime"])
def test_a_client_whose_name_no_frame_can_hold(keys, configuration, name):
    client = configuration["clients"]["mimecast"]
    said = wrong(keys, changed(configuration, clients={name: client}))
    assert "over a link a client's name has 1 to 255 octets, all of which can be printed" in said


def test_more_clients_than_one_line_tells_of(keys):
    client = INSIDE["clients"]["mimecast"]
    clients = {f"client-{number}": deepcopy(client) for number in range(501)}
    assert "links.dmz: 501 clients have it in `links`; at most 500 may" in wrong(keys, changed(INSIDE, clients=clients))
    del clients["client-500"]
    assert len(load(keys, changed(INSIDE, clients=clients)).settings.clients) == 500
