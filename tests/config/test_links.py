"""Links in the configuration: what they become, what is wrong with them, and what is strict behind one."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest
import yaml

from gateway.config.load import load_configuration
from gateway.config.problems import ConfigurationError
from gateway.link.keys import write_pair
from gateway.link.settings import InsideSettings, OutsideSettings
from gateway.policy.settings import BaseAbove, WhenDenied
from gateway.policy.shrink import ShrinkMode
from tests.config.certificates import write_pair as write_certificate

ADDRESS = "gateway.example.net:8636"
CLIENT = {
    "directory": "corp",
    "sync_accounts": ["svc@corp.example"],
    "base_dns": ["DC=corp,DC=example"],
    "attributes": ["mail"],
}
OUTSIDE = {
    "listeners": [{"address": "127.0.0.1:636", "certificate": "gateway.pem", "private_key": "gateway.key"}],
    "links": {
        "inside": {
            "address": "127.0.0.1:8636",
            "sources": ["192.0.2.10"],
            "identity": {"certificate": "outside.pem", "private_key": "outside.key"},
            "agents": {"inside-1": "inside-1.pem"},
        }
    },
    "directories": {"corp": {"link": "inside", "naming_contexts": ["DC=corp,DC=example"]}},
    "clients": {"mimecast": {"sources": ["198.51.100.0/24"], **CLIENT}},
}
INSIDE = {
    "links": {
        "dmz": {
            "call": [ADDRESS],
            "identity": {"certificate": "inside-1.pem", "private_key": "inside-1.key"},
            "hosts": {ADDRESS: "outside.pem"},
        }
    },
    "directories": {
        "corp": {
            "servers": ["ldaps://dc1.corp.example"],
            "ca_file": "gateway.pem",
            "naming_contexts": ["DC=corp,DC=example"],
        }
    },
    "clients": {"mimecast": {"links": ["dmz"], **CLIENT}},
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    for name in ("outside", "inside-1"):
        write_pair(directory, name, datetime.now(UTC))
    write_certificate(directory)
    return directory


def changed(configuration, **changes):
    """The configuration with other values: links__inside__address=..., None for a key that is gone."""
    whole = yaml.safe_load(yaml.safe_dump(configuration))
    for path, value in changes.items():
        *above, key = path.split("__")
        block = whole
        for part in above:
            block = block[part]
        if value is None:
            block.pop(key)
        else:
            block[key] = value
    return whole


def load(keys, configuration):
    path = keys / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration, sort_keys=False))
    return load_configuration(path)


def wrong(keys, configuration):
    with pytest.raises(ConfigurationError) as error:
        load(keys, configuration)
    return str(error.value)


def test_the_outside_has_a_link_in_the_place_of_servers(keys):
    loaded = load(keys, OUTSIDE)
    (link,) = loaded.settings.links
    assert isinstance(link, OutsideSettings)
    assert (link.name, link.address, link.parked, link.connections) == ("inside", "127.0.0.1:8636", 4, 500)
    assert link.agents == {"inside-1": keys / "inside-1.pem"}
    (client,) = loaded.settings.clients
    assert (client.directory.link, client.directory.servers, client.links) == ("inside", (), ())
    assert any("clients.mimecast.credentials: the directory's password passes" in each for each in loaded.warnings)


def test_the_inside_listens_nowhere_and_is_strict(keys):
    loaded = load(keys, INSIDE)
    (link,) = loaded.settings.links
    assert isinstance(link, InsideSettings)
    assert [each.address for each in link.call] == [ADDRESS]
    (client,) = loaded.settings.clients
    policy = client.policy
    assert loaded.settings.listeners == ()
    assert (client.links, client.sources, client.directory.connect_patience) == (("dmz",), (), 8)
    assert (policy.mending, policy.when_denied, policy.base_above) == (False, WhenDenied.refuse, BaseAbove.refuse)
    assert (policy.shrink.mode, policy.lockout.per_source, policy.tells_identity) == (ShrinkMode.off, 0, True)


def test_what_is_written_wins_over_what_is_strict(keys):
    client = {
        "mending": True,
        "when_denied": "strip",
        "base_above": "narrow",
        "shrink_guard": {"mode": "enforce"},
        "lockout": {"per_source": 7},
    }
    settings = load(
        keys,
        changed(
            INSIDE,
            directories__corp__connect_patience=12,
            **{f"clients__mimecast__{key}": value for key, value in client.items()},
        ),
    ).settings
    (found,) = settings.clients
    policy = found.policy
    assert (policy.mending, policy.when_denied, policy.base_above) == (True, WhenDenied.strip, BaseAbove.narrow)
    assert (policy.shrink.mode, policy.lockout.per_source) == (ShrinkMode.enforce, 7)
    assert found.directory.connect_patience == 12


def test_an_account_without_a_password_is_for_a_directory_with_a_link_alone(keys):
    hashes = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"
    credentials = {"mode": "mapped", "accounts": {"mimecast-sync": {"hashes": [hashes]}}}
    changes = {"clients__mimecast__credentials": credentials, "clients__mimecast__sync_accounts": None}
    (client,) = load(keys, changed(OUTSIDE, **changes)).settings.clients
    (account,) = client.policy.mapped_accounts
    assert (account.name, account.own) == ("mimecast-sync", None)
    assert "mimecast-sync.bind_dn: is required, but for a directory with `link`" in wrong(
        keys, changed(INSIDE, **changes)
    )


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
        (OUTSIDE, {"directories__corp__link": "other"}, "directories.corp.link: no such link; there are: inside"),
        (OUTSIDE, {"directories__corp__ca_file": "system"}, "directories.corp.ca_file: only of use without `link`"),
        (OUTSIDE, {"directories__corp__health": "off"}, "directories.corp.health: only of use without `link`"),
        (OUTSIDE, {"clients__mimecast__links": ["inside"]}, "this gateway waits on this link"),
        (OUTSIDE, {"listeners": None}, "listeners: no listener, and no link that is called"),
        (INSIDE, {"links__dmz__call": ["gateway.example.net"]}, "links.dmz.call.0: a host and a port are expected"),
        (INSIDE, {"links__dmz__hosts": {}}, "links.dmz.call.0: its certificate is needed"),
        (INSIDE, {"links__dmz__hosts": {ADDRESS: "outside.pem", "a:1": "outside.pem"}}, "not in `call`"),
        (INSIDE, {"links__dmz__sources": ["192.0.2.1"]}, "links.dmz.sources: only of use with `address`"),
        (INSIDE, {"clients__mimecast__links": ["other"]}, "clients.mimecast.links.0: no such link; there are: dmz"),
        (
            INSIDE,
            {"clients__mimecast__sources": ["192.0.2.1"]},
            "mimecast.sources: only of use without `links`",
        ),
        (INSIDE, {"clients__mimecast__mode": "report"}, "clients.mimecast.mode: with `links` only enforce"),
        (INSIDE, {"clients__mimecast__pass_diagnostics": True}, "clients.mimecast.pass_diagnostics: with `links` no"),
        (INSIDE, {"directories__corp__link": "dmz"}, "this link is called from here"),
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
