"""Links in the configuration: what they become, and what is wrong with them."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.links import read_host
from gateway.link.frames import Go, State, encode
from gateway.link.keys import write_pair
from gateway.link.line import MOST_CLIENTS
from gateway.link.settings import InsideSettings, OutsideSettings
from tests.config.link_configuration import ADDRESS, CLIENT, INSIDE, OUTSIDE, changed, load, wrong

LINK = OUTSIDE["links"]["inside"]
CALLED = INSIDE["links"]["dmz"]


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
        (OUTSIDE, {"links__inside__agents": {"inside-1": "gateway.pem"}}, "gateway.pem: it may issue others"),
        (
            OUTSIDE,
            {"links__inside__agents": {"inside-1": "inside-1.pem", "inside-2": "inside-1.pem"}},
            "has the same certificate; one key is for one end alone",
        ),
        (
            OUTSIDE,
            {"links__inside__agents": {"inside-1": "inside-1.pem", "x": "outside.pem"}},
            "links.inside.agents.x: ",
        ),
        (OUTSIDE, {"links__inside__agents": {"inside-1": "outside.pem"}}, "outside.pem: this end's own certificate"),
        (OUTSIDE, {"links__inside__agents": {"in/side": "inside-1.pem"}}, "agents.in/side: a name of 1 to 31 letters"),
        (OUTSIDE, {"links__inside__agents": {"-1": "inside-1.pem"}}, "which begins with a letter or digit"),
        (OUTSIDE, {"links__inside__agents": ["inside-1.pem"]}, "links.inside.agents: a mapping of keys is expected"),
        (OUTSIDE, {"links__in side": LINK}, "links.in side: a name of 1 to 31 letters"),
        (OUTSIDE, {"links__inside__hosts": {ADDRESS: "outside.pem"}}, "links.inside.hosts: only of use with `call`"),
        (OUTSIDE, {"links__inside__hosts": {}}, "links.inside.hosts: only of use with `call`"),
        (OUTSIDE, {"links__inside__parked": 65}, "links.inside.parked: a number of at most 64"),
        (OUTSIDE, {"links__inside__parked": 0}, "links.inside.parked: a number of at least 1"),
        (OUTSIDE, {"links__inside__connections": 4}, "links.inside.connections: an agent has one connection besides"),
        (OUTSIDE, {"links__inside__identity": None}, "links.inside.identity: is required"),
        (OUTSIDE, {"links__inside__sources": ["192.0.2.1/24"]}, "links.inside.sources.0: 192.0.2.1/24 has host bits"),
        (OUTSIDE, {"links__inside__adress": "x"}, 'links.inside.adress: unknown key; did you mean "address"'),
        (OUTSIDE, {"links__inside__address": "127.0.0.1:0"}, "links.inside.address: with port 0"),
        (OUTSIDE, {"links__inside__address": "127.0.0.1:636"}, "links.inside.address: the same address as listeners.0"),
        (OUTSIDE, {"links__inside__address": "127.0.0.1:8389"}, "admin.address: the same address as links.inside has"),
        (
            OUTSIDE,
            {"links__inside__identity": {"certificate": "outside.pem", "private_key": "inside-1.key"}},
            "this key does not belong to",
        ),
        (OUTSIDE, {"listeners": None}, "listeners: no listener, and no link that is called"),
        (INSIDE, {"links__dmz__call": ["gateway.example.net"]}, "links.dmz.call.0: a host and a port are expected"),
        (INSIDE, {"links__dmz__call": [ADDRESS, ADDRESS.upper()]}, "links.dmz.call.1: the same address twice"),
        (INSIDE, {"links__dmz__hosts": {}}, "links.dmz.call.0: its certificate is needed"),
        (INSIDE, {"links__dmz__hosts": {ADDRESS: "outside.pem", "a:1": "outside.pem"}}, "hosts.a:1: not in `call`"),
        (INSIDE, {"links__dmz__hosts": {ADDRESS: "outside.pem", "a": "outside.pem"}}, "hosts.a: a host and a port"),
        (
            INSIDE,
            {"links__dmz__hosts": {ADDRESS: "outside.pem", ADDRESS.upper(): "inside-2.pem"}},
            f"hosts.{ADDRESS.upper()}: the same address twice",
        ),
        (INSIDE, {"links__dmz__hosts": {ADDRESS: "inside-1.pem"}}, "inside-1.pem: this end's own certificate"),
        *(
            (INSIDE, {f"links__dmz__{key}": LINK.get(key, 8)}, f"links.dmz.{key}: only of use with `address`")
            for key in ("sources", "agents", "parked")
        ),
        (INSIDE, {"links__dmz__connections": 1, "links__dmz__call": [ADDRESS, "b:1"]}, "an equal share of these"),
        (INSIDE, {"links__second": CALLED}, "links.second.call.0: links.dmz calls it already"),
        (INSIDE, {"links__second": {**CALLED, "address": "127.0.0.1:1"}}, "links.second: either `address`"),
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


def test_one_mistake_is_one_problem(keys):
    second = changed(INSIDE, links__second=CALLED, clients__mimecast__links=["dmz", "second"])
    assert len(wrong(keys, second).splitlines()) == 1
    assert len(wrong(keys, changed(OUTSIDE, links__inside__address=None)).splitlines()) == 1
    assert len(wrong(keys, changed(OUTSIDE, links__inside__call=[ADDRESS])).splitlines()) == 1
    assert len(wrong(keys, changed(INSIDE, links__dmz__address="127.0.0.1:8636")).splitlines()) == 1
    twice = changed(INSIDE, links__dmz__call=[ADDRESS, ADDRESS])
    assert len(wrong(keys, twice).splitlines()) == 1


def test_what_is_wrong_with_keys_is_said_in_the_line_that_names_them(keys):
    said = wrong(keys, changed(OUTSIDE, links__inside__agents={"a": "inside-1.pem", "b": "inside-1.pem"}))
    line = (keys / "gateway.yaml").read_text().splitlines().index('    "b": "inside-1.pem"') + 1
    assert said.startswith(f"{keys / 'gateway.yaml'}:{line}: links.inside.agents.b: {keys / 'inside-1.pem'}: ")


def test_an_agent_whose_certificate_is_gone_or_has_expired_is_shut_out_alone(keys, tmp_path):
    old = write_pair(tmp_path, "old", datetime.now(UTC) - timedelta(days=800))
    others = {"inside-1": "inside-1.pem", "old": str(old.certificate), "gone": "gone.pem"}
    expired, gone = about_links(load(keys, changed(OUTSIDE, links__inside__agents=others)))
    assert "links.inside.agents.gone: " in gone
    assert gone.endswith(
        "gone.pem: cannot be read: there is no such file; gone is shut out until its certificate is there"
    )
    assert "links.inside.agents.old: " in expired
    assert "old.pem: expired on" in expired
    assert "old is shut out until it has a new key: `ldap-gateway link key` there" in expired
    # Of several, or of none: the gateway serves whatever else it has.
    del others["inside-1"]
    (said,) = about_links(load(keys, changed(OUTSIDE, links__inside__agents=others)), "links.inside.agents: ")
    assert said.endswith("none of these certificates can be used now, so nobody is at the other end of this link")
    warned = about_links(load(keys, changed(INSIDE, links__dmz__hosts={ADDRESS: "gone.pem"})))
    assert f"{ADDRESS} is shut out until its certificate is there" in warned[0]
    assert len(warned) == 2


def test_a_pair_of_this_end_that_has_expired_is_warned_of(keys, tmp_path):
    old = write_pair(tmp_path, "old", datetime.now(UTC) - timedelta(days=800))
    identity = {"certificate": str(old.certificate), "private_key": str(old.private_key)}
    (said,) = about_links(load(keys, changed(OUTSIDE, links__inside__identity=identity)))
    assert "links.inside.identity.certificate: " in said
    assert "expired on" in said
    assert "no other end lets this one in" in said


def about_links(loaded, part=": links."):
    return [each for each in loaded.warnings if part in each]


def test_a_key_that_others_may_read(keys, tmp_path):
    pair = write_pair(tmp_path, "open", datetime.now(UTC))
    pair.private_key.chmod(0o644)
    identity = {"certificate": str(pair.certificate), "private_key": str(pair.private_key)}
    said = wrong(keys, changed(OUTSIDE, links__inside__identity=identity))
    assert "links.inside.identity.private_key: " in said
    assert "chmod o-rwx" in said


def test_every_link_has_its_own_ends(keys):
    """One gateway may wait on one link, and call on another."""
    both = changed(OUTSIDE, links__dmz=CALLED, clients__second={"links": ["dmz"], **CLIENT})
    kinds = {link.name: type(link) for link in load(keys, both).settings.links}
    assert kinds == {"inside": OutsideSettings, "dmz": InsideSettings}


def test_addresses_are_equal_however_they_are_written(keys):
    spelled = {"call": ["Gateway.Example.net:8636", "[2001:DB8:0::1]:8636"]}
    hosts = {"GATEWAY.example.net:8636": "outside.pem", "[2001:db8::1]:08636": "inside-2.pem"}
    (link,) = load(keys, changed(INSIDE, links__dmz={**CALLED, **spelled, "hosts": hosts})).settings.links
    assert [(host.address, host.certificate.name) for host in link.call] == [
        ("gateway.example.net:8636", "outside.pem"),
        ("[2001:db8::1]:8636", "inside-2.pem"),
    ]


def test_whoever_may_connect_to_a_link_is_looked_at(keys, monkeypatch):
    monkeypatch.setattr("gateway.config.compile.shared_addresses", lambda: {ip_address("192.0.2.1"): "the gateway"})
    for sources, said in (
        ([], "links.inside.sources: every address may connect; list the company's way out"),
        (["192.0.2.10", "0.0.0.0/0"], "links.inside.sources.1: every address may connect"),
        (["192.0.2.1"], "links.inside.sources.0: 192.0.2.1 is the gateway"),
        (["192.0.2.10"], None),
    ):
        warnings = load(keys, changed(OUTSIDE, links__inside__sources=sources)).warnings
        about_sources = [each for each in warnings if "links.inside.sources" in each]
        assert [said in each for each in about_sources] == ([] if said is None else [True])


def test_a_client_is_named_over_a_link_by_what_a_frame_can_hold(keys):
    longest = "\U0001f600" * 63 + "abc"
    digests = {f"list_of_the_policy_{i}": "0" * 32 for i in range(30)}
    assert encode(State(longest, False, "no server of its directory is up", digests, (0, 9)))
    assert encode(Go(longest, "s" * 20, "link dmz"))
    for configuration in (INSIDE, OUTSIDE):
        client = configuration["clients"]["mimecast"]
        assert load(keys, changed(configuration, clients={longest: client})).settings.clients
        for name in ("x" * 256, "é" * 128, "a\u00adb", ""):
            said = wrong(keys, changed(configuration, clients={name: client}))
            assert "over a link a client needs a name of 1 to 255 octets that can be printed" in said
    # Others are as free as ever.
    direct = {"sources": ["198.51.100.0/24"], **CLIENT}
    many = changed(INSIDE, listeners=OUTSIDE["listeners"], **{"clients__a\u00adb": direct})
    assert load(keys, many).settings.clients


def test_a_link_has_as_many_clients_as_its_ends_tell_each_other_of(keys):
    clients = {f"client-{i}": {"links": ["dmz"], **CLIENT} for i in range(MOST_CLIENTS)}
    assert load(keys, changed(INSIDE, clients=clients)).settings.clients
    more = clients | {"one-more": {"links": ["dmz"], **CLIENT}}
    said = f"links.dmz: {MOST_CLIENTS + 1} clients go over this link; {MOST_CLIENTS} are the most"
    assert said in wrong(keys, changed(INSIDE, clients=more))


HOSTS = ("gateway.example.net", "gw", "a_b.example", "xn--bcher-kva.example", "192.0.2.1", "[2001:db8::1]", "[::1]")


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_a_name_or_an_ip_address(host):
    assert read_host(f"{host}:8636") == (host.strip("[]"), 8636)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":8636",
        "gw:",
        "gw:0",
        "gw:65536",
        "gw:" + "9" * 5000,
        "gw: 8636",
        "gw:８６３６",
        "::1:8636",
        "2001:db8::1:8636",
        "[192.0.2.1]:8636",
        "[gw]:8636",
        "https://gw.example:8636",
        "user@gw:8636",
        "gw.example/x:8636",
        "-gw:8636",
        "gw-:8636",
        "gw..example:8636",
        "gw.example.:8636",
        "300.1.2.3:8636",
        "2130706433:8636",
        "127.1:8636",
        "a" * 64 + ":8636",
        "a." * 127 + "aa:8636",
        "gw\n:8636",
        "bücher.example:8636",
    ],
)
def test_what_is_no_host_with_a_port(text):
    assert read_host(text) is None


@given(st.text(max_size=40) | st.from_regex(r"\[?[0-9a-fA-F:.]{1,20}\]?:[0-9]{1,6}", fullmatch=True))
@example("[::ffff:192.0.2.1]:8636")
@example("GW.EXAMPLE:00636")
def test_any_text_is_no_address_or_one_that_has_one_spelling(text):
    found = read_host(text)
    if found is None:
        return
    host, port = found
    assert 0 < port < 65536
    spelled = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert read_host(spelled) == read_host(spelled.upper()) == found
    assert spelled.isascii()
    assert spelled.isprintable()
