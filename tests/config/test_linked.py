"""Clients and directories that name a link: what is strict behind one, what is wrong, and what is hardly meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import models
from gateway.config.linked import with_linked_defaults
from gateway.net.sessions.settings import ListenerSettings, StartTls
from gateway.policy.settings import BaseAbove, WhenDenied
from gateway.policy.shrink import ShrinkMode
from tests.config.link_configuration import CLIENT, HASH, INSIDE, OUTSIDE, changed, load, wrong

LISTENERS = OUTSIDE["listeners"]
DIRECT = {"sources": ["198.51.100.0/24"], **CLIENT}
MAPPED = {"clients__mimecast__sync_accounts": None}


def mapped(**account):
    credentials = {"mode": "mapped", "accounts": {"mimecast-sync": {"hashes": [HASH], **account}}}
    return {**MAPPED, "clients__mimecast__credentials": credentials}


@pytest.fixture(scope="module")
def password(keys):
    (keys / "password").write_text("Inner-Passw0rd")
    (keys / "password").chmod(0o600)
    return {"bind_dn": "CN=svc,DC=corp,DC=example", "password_file": "password"}


def test_a_client_with_links_is_strict(keys):
    loaded = load(keys, INSIDE)
    (client,) = loaded.settings.clients
    policy = client.policy
    assert (client.links, client.sources, client.directory.connect_patience) == (("dmz",), (), 8)
    assert (policy.mending, policy.when_denied, policy.base_above) == (False, WhenDenied.refuse, BaseAbove.entry)
    assert (policy.shrink.mode, policy.lockout.per_source, policy.tells_identity) == (ShrinkMode.off, 0, True)
    assert loaded.warnings == ()


def test_what_is_in_force_is_told_as_it_is(keys):
    found = load(keys, INSIDE).effective(b"k" * 32)
    client = found["clients"]["mimecast"]
    assert (client["mending"], client["when_denied"], client["base_above"]) == (False, "refuse", "entry")
    assert (client["shrink_guard"]["mode"], found["directories"]["corp"]["connect_patience"]) == ("off", 8)


def test_a_client_without_links_is_as_it_was_even_beside_one_with_links(keys):
    beside = changed(INSIDE, listeners=LISTENERS, clients__other=DIRECT)
    linked, direct = load(keys, beside).settings.clients
    alone = changed(beside, links=None, clients__mimecast=None, directories__corp__connect_patience=8)
    (same,) = load(keys, alone).settings.clients
    assert direct == same
    assert not direct.policy.tells_identity
    # They share one connector, so it has one patience, whichever of them comes first.
    assert linked.directory == direct.directory


def test_a_directory_that_no_link_serves_has_the_usual_patience(keys):
    apart = changed(
        INSIDE,
        listeners=LISTENERS,
        directories__other=INSIDE["directories"]["corp"],
        clients__other={**DIRECT, "directory": "other"},
    )
    linked, direct = load(keys, apart).settings.clients
    assert (linked.directory.connect_patience, direct.directory.connect_patience) == (8, 15)


def test_the_guard_stays_off_where_only_its_figures_are_written(keys):
    (client,) = load(keys, changed(INSIDE, clients__mimecast__shrink_guard={"minimum": 5})).settings.clients
    assert (client.policy.shrink.mode, client.policy.shrink.minimum) == (ShrinkMode.off, 5)


WRITTEN = {
    "mending": st.booleans(),
    "when_denied": st.sampled_from(("strip", "refuse")),
    "base_above": st.sampled_from(("narrow", "entry", "refuse")),
    "size_limit": st.integers(0, 100),
    "shrink_guard": st.fixed_dictionaries(
        {}, optional={"mode": st.sampled_from(("enforce", "report", "off")), "minimum": st.integers(1, 9)}
    ),
    "lockout": st.fixed_dictionaries({}, optional={"per_source": st.integers(0, 9), "failures": st.integers(0, 9)}),
}
STRICT = {"mending": False, "when_denied": "refuse", "base_above": "entry", "shrink_guard.mode": "off"}


@given(
    st.fixed_dictionaries({}, optional=WRITTEN),
    st.fixed_dictionaries({}, optional={"connect_patience": st.integers(1, 99)}),
    st.booleans(),
)
def test_what_is_written_stays_and_what_is_not_is_strict_for_clients_with_links(written, of_directory, linked):
    whole = changed(INSIDE)
    whole["clients"]["mimecast"] |= written
    whole["directories"]["corp"] |= of_directory
    if not linked:
        del whole["clients"]["mimecast"]["links"]
    plain = models.File.model_validate(whole)
    expected = plain.model_dump()
    client = expected["clients"]["mimecast"]
    if linked:
        for path, value in STRICT.items():
            block, _, key = path.rpartition(".")
            if key not in (written.get(block, {}) if block else written):
                (client[block] if block else client)[key] = value
        if not of_directory:
            expected["directories"]["corp"]["connect_patience"] = 8
    assert with_linked_defaults(plain).model_dump() == expected


def test_starttls_of_a_listener_is_no_extension_of_sessions_over_a_link(keys):
    whole = changed(INSIDE, listeners=[{**LISTENERS[0], "starttls": "required"}], clients__other=DIRECT)
    loaded = load(keys, whole).settings
    assert [bool(client.policy.extensions) for client in loaded.clients] == [False, True]
    assert isinstance(loaded.listeners[0], ListenerSettings)
    assert loaded.listeners[0].starttls is StartTls.required


def test_an_account_without_a_password_is_for_a_directory_with_a_link_alone(keys):
    loaded = load(keys, changed(OUTSIDE, **mapped()))
    (account,) = loaded.settings.clients[0].policy.mapped_accounts
    assert (account.name, account.own) == ("mimecast-sync", None)
    assert not [each for each in loaded.warnings if "password" in each]
    said = wrong(keys, changed(INSIDE, **mapped()))
    assert "mimecast-sync.bind_dn: is required, but for a directory with `link`" in said


def test_half_an_account_is_none_at_either_end(keys, password):
    for configuration in (OUTSIDE, INSIDE):
        for key, missing in (("bind_dn", "password_file"), ("password_file", "bind_dn")):
            said = wrong(keys, changed(configuration, **mapped(**{key: password[key]})))
            assert f"mimecast-sync.{missing}: is required beside {key}" in said


@pytest.mark.parametrize(
    "configuration, changes, said",
    [
        (OUTSIDE, {"directories__corp__link": "other"}, "directories.corp.link: no such link; there are: inside"),
        (OUTSIDE, {"directories__corp__link": ""}, "directories.corp.link: no such link; there are: inside"),
        (INSIDE, {"directories__corp__link": "dmz"}, "directories.corp.link: this link is called from here"),
        *(
            (OUTSIDE, {f"directories__corp__{key}": value}, f"directories.corp.{key}: only of use without `link`")
            for key, value in {
                "servers": ["ldaps://dc1.corp.example"],
                "discover": "corp.example",
                "ca_file": "system",
                "health": "off",
                "spares": 2,
                "client_certificate": {"certificate": "gateway.pem", "private_key": "gateway.key"},
            }.items()
        ),
        (OUTSIDE, {"clients__mimecast__links": ["inside"]}, "mimecast.links.0: this gateway waits on this link"),
        (INSIDE, {"clients__mimecast__links": ["other"]}, "clients.mimecast.links.0: no such link; there are: dmz"),
        (INSIDE, {"clients__mimecast__links": ["dmz", "dmz"]}, "clients.mimecast.links.1: the same link twice"),
        (INSIDE, {"links": None}, "clients.mimecast.links.0: no such link; there are: none"),
        *(
            (INSIDE, {f"clients__mimecast__{key}": value}, f"mimecast.{key}: only of use without `links`")
            for key, value in {
                "sources": ["192.0.2.1"],
                "sources_file": "sources",
                "listeners": ["127.0.0.1:636"],
                "required_certificate": {"ca_file": "gateway.pem", "subjects": ["CN=x"]},
            }.items()
        ),
        (INSIDE, {"clients__mimecast__mode": "report"}, "clients.mimecast.mode: with `links` only enforce"),
        (INSIDE, {"clients__mimecast__pass_diagnostics": True}, "clients.mimecast.pass_diagnostics: with `links` no"),
    ],
)
def test_what_is_wrong_is_said(keys, configuration, changes, said):
    assert said in wrong(keys, changed(configuration, **changes))


def test_a_password_that_passes_the_outside_is_warned_of(keys, password):
    (warning,) = [each for each in load(keys, OUTSIDE).warnings if "password" in each]
    assert "clients.mimecast.credentials: the directory's password passes this gateway" in warning
    # Of people's passwords there is nothing to be done.
    people = {"clients__mimecast__login_base_dns": ["DC=corp,DC=example"], **MAPPED}
    assert not [each for each in load(keys, changed(OUTSIDE, **people)).warnings if "password" in each]
    (warning,) = [each for each in load(keys, changed(OUTSIDE, **mapped(**password))).warnings if "password" in each]
    assert "accounts.mimecast-sync.password_file: a password of the directory at this end of the link" in warning
    assert not [each for each in load(keys, changed(INSIDE, **mapped(**password))).warnings if "password" in each]


@pytest.mark.parametrize(
    "configuration, changes, said",
    [
        (
            INSIDE,
            {"directories__corp__connect_patience": 8.5},
            "directories.corp.connect_patience: more than 8 seconds",
        ),
        (INSIDE, {"directories__corp__connect_patience": 8}, None),
        (INSIDE, {"limits": {"bind": 21}}, "limits.bind: sessions that come over a link have 20 seconds"),
        (INSIDE, {"limits": {"bind": 20}}, None),
        (INSIDE, {"limits": {"idle": 20}}, None),
        (OUTSIDE, {"limits": {"bind": 27}}, "limits.bind: less than 28 seconds, which a gateway inside may need"),
        (OUTSIDE, {"limits": {"bind": 28}}, None),
        (OUTSIDE, {"limits": {"bind": 60}}, None),
        (OUTSIDE, {"directories__corp__connect_patience": 60}, None),
    ],
)
def test_a_gateway_that_gives_up_before_the_one_behind_it_is_warned_of(keys, configuration, changes, said):
    warnings = load(keys, changed(configuration, **changes)).warnings
    about_time = [each for each in warnings if "connect_patience" in each or "limits.bind" in each]
    assert [said in each for each in about_time] == ([] if said is None else [True])


class TestRefusedInside:
    """What a gateway inside with the same lists would refuse."""

    def warnings(self, keys, configuration, **changes):
        found = load(keys, changed(configuration, **changes)).warnings
        said = [each.split(": ", 1)[1] for each in found]
        return [each for each in said if each.startswith(("clients.mimecast.mode", "clients.mimecast.required"))]

    def test_what_is_only_reported_outside(self, keys):
        (said,) = self.warnings(keys, OUTSIDE, clients__mimecast__mode="report")
        assert said.startswith("clients.mimecast.mode: what is only reported here is refused by the gateway inside")

    @pytest.mark.parametrize(
        "wanted, said",
        [
            ("(department=x)", "filter-attribute-not-allowed"),
            ("(mail:caseExactMatch:=x)", "matching-rule-not-allowed"),
            ("(&(objectClass=person)(mail=*))", None),
        ],
    )
    def test_a_required_filter_that_the_inside_would_refuse(self, keys, wanted, said):
        found = self.warnings(keys, OUTSIDE, clients__mimecast__required_filter=wanted)
        assert [each.split(":")[0] for each in found] == ["clients.mimecast.required_filter"] * (said is not None)
        assert said is None or said in found[0]

    def test_it_is_permitted_where_it_is_listed(self, keys):
        changes = {"clients__mimecast__filter_attributes": ["department"]}
        assert self.warnings(keys, OUTSIDE, clients__mimecast__required_filter="(department=x)", **changes) == []

    def test_a_gateway_that_reaches_its_servers_itself_may_have_both(self, keys):
        direct = changed(INSIDE, listeners=LISTENERS, links=None, clients__mimecast=DIRECT)
        changes = {"clients__mimecast__mode": "report", "clients__mimecast__required_filter": "(department=x)"}
        assert self.warnings(keys, direct, **changes) == []
