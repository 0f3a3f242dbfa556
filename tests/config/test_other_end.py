"""What `link export` prints: completed it passes `check`, both ends agree then, and it tells nothing of this host."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.load import load_configuration
from gateway.config.other_end import NoOtherEnd, other_end
from gateway.config.problems import ConfigurationError
from gateway.link.agreed import agreed
from gateway.link.digests import differing, list_digests
from gateway.link.keys import write_pair as write_link_pair
from gateway.policy.settings import BaseAbove, WhenDenied
from gateway.policy.shrink import ShrinkMode
from tests.config.certificates import write_pair
from tests.config.link_configuration import HASH, INSIDE, OUTSIDE, changed, load, wrong
from tests.examples import examples

CONF = Path(__file__).parents[2] / "conf"
# Lines that somebody completes by taking the mark of a comment away.
TO_DO = (
    *("address", "agents", "bind_dn", "ca_file", "call", "client_certificate", "hosts", "identity", "password_file"),
    *("servers", "sources"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """All files that the examples and the lines to be completed name."""
    directory = tmp_path_factory.mktemp("both")
    certificates, link = directory / "certs", directory / "link"
    certificates.mkdir()
    link.mkdir()
    write_pair(certificates)
    shutil.copy(certificates / "gateway.pem", certificates / "corp-ca.pem")
    for name, suffix in (("google-ldap", ".crt"), ("ldap-client", ".pem")):
        write_pair(certificates, name)
        (certificates / f"{name}.pem").rename(certificates / f"{name}{suffix}")
    write_pair(directory)
    (directory / "entra.token").write_text("example-token-of-the-copy")
    for end in ("outside", "inside-1"):
        write_link_pair(link, end, datetime.now(UTC))
        shutil.copy(link / f"{end}.pem", directory)
        shutil.copy(link / f"{end}.key", directory)
    (directory / "mimecast-sync.hashes").write_text(HASH)
    for secret in ("svc-mimecast.password", "svc-sync.password"):
        (directory / secret).write_text("Example-Passw0rd")
    for secret in ("mimecast-sync.hashes", "svc-mimecast.password", "svc-sync.password"):
        (directory / secret).chmod(0o600)
    return directory


def printed(configuration, client, link):
    return other_end(configuration.file, configuration.settings, client, link)


def completed(text):
    """With all lines that are to be completed, but for the listeners, which are a list."""
    text = re.sub(rf"^( *)# (({'|'.join(TO_DO)}): )", r"\1\2", text, flags=re.MULTILINE)
    return text.replace("# listeners:\n#   - ", "listeners:\n  - ")


def written(directory, text):
    path = directory / "other.yaml"
    path.write_text(text, encoding="utf-8")
    return load_configuration(path)


def differences(outside, inside, client):
    (ours,) = (each.policy for each in outside.settings.clients if each.policy.name == client)
    (theirs,) = (each.policy for each in inside.settings.clients if each.policy.name == client)
    digests = [
        list_digests(agreed(policy, end.settings.limits, outside=end is outside).lists, "one", "other")
        for policy, end in ((ours, outside), (theirs, inside))
    ]
    assert digests[0]
    return differing(*digests)


def linked(data):
    """A configuration as its gateway has it once its directories are behind a link."""
    for directory in data["directories"].values():
        kept = {key: value for key, value in directory.items() if key in ("naming_contexts", "paging", "page_size")}
        directory.clear()
        directory.update(link="inside", **kept)
    for client in data["clients"].values():
        for account in client.get("credentials", {}).get("accounts", {}).values():
            account.pop("bind_dn", None)
            account.pop("password_file", None)
    identity = {"certificate": "link/outside.pem", "private_key": "link/outside.key"}
    agents = {"inside-1": "link/inside-1.pem"}
    return {**data, "links": {"inside": {"address": "127.0.0.1:8636", "identity": identity, "agents": agents}}}


# The inside has an example of its own, and a copy of a tenant has no inside.
ALONE = ("inside.yaml", "entra.yaml")


@pytest.mark.parametrize("name", sorted(path.name for path in CONF.glob("*.yaml") if path.name not in ALONE))
def test_each_client_of_the_examples_agrees_with_its_inside(files, name):
    data = yaml.safe_load((CONF / name).read_text())
    shutil.copy(CONF / name, files)
    direct, outside = load_configuration(files / name), load(files, linked(data))
    for client in data["clients"]:
        for end in (direct, outside):
            inside = written(files, completed(printed(end, client, "dmz")))
            assert differences(outside, inside, client) == []
            assert not [each for each in inside.warnings if "link" in each]
            # And back again.
            again = written(files, completed(printed(inside, client, "inside")))
            assert differences(again, inside, client) == []


def test_the_copy_of_a_tenant_has_no_inside(files):
    shutil.copy(CONF / "entra.yaml", files)
    with pytest.raises(NoOtherEnd, match="directory cloud is the copy of a tenant"):
        printed(load_configuration(files / "entra.yaml"), "mimecast", "dmz")


def test_an_inside_of_the_examples_agrees_with_its_outside(files):
    shutil.copy(CONF / "inside.yaml", files)
    inside = load_configuration(files / "inside.yaml")
    outside = written(files, completed(printed(inside, "mimecast", "inside")))
    assert differences(outside, inside, "mimecast") == []


UNITS = st.sampled_from(
    ["OU=Staff", r"OU=Sales\, EMEA", "OU=Łódź", r"OU=a\"b", "ou = Two  Words", r"OU=back\\slash", "OU=it's", "OU=no"]
)
BASES = st.lists(st.builds("{},DC=corp,DC=example".format, UNITS), min_size=1, max_size=4, unique=True)
NAMES = st.lists(st.sampled_from(["mail", "commonName", "objectClass", "on", "null", "x-y", "2.5.4.20"]), max_size=5)
CLIENTS = st.fixed_dictionaries(
    {"base_dns": BASES, "attributes": NAMES.filter(bool), "sync_accounts": st.just(["svc@corp.example"])},
    optional={
        "filter_attributes": NAMES,
        "login_base_dns": BASES,
        "matching_rules": st.lists(st.sampled_from(["caseIgnoreMatch", "1.2.840.113556.1.4.803"]), max_size=2),
        "controls": st.lists(st.sampled_from(["1.2.840.113556.1.4.319", "1.2.840.113556.1.4.473"]), max_size=2),
        "required_filter": st.sampled_from(["(mail=*)", r"(&(mail=\2a)(!(cn=a:b# c)))", "(objectClass=*)"]),
        "mode": st.just("enforce"),
        "pass_diagnostics": st.booleans(),
        "when_denied": st.sampled_from(["strip", "refuse"]),
        "base_above": st.sampled_from(["narrow", "entry", "refuse"]),
        "mending": st.booleans(),
        "expand_ranges": st.booleans(),
        "allow_anonymous": st.booleans(),
        "size_limit": st.integers(0, 2**31 - 1),
        "time_limit": st.integers(0, 100),
        "octet_limit": st.integers(0, 2**53),
        "root_dse": st.lists(st.just("vendorName"), max_size=1),
        "sync_gap": st.floats(1, 1000),
        "shrink_guard": st.fixed_dictionaries({"mode": st.sampled_from(["off", "report"])}),
        "lockout": st.fixed_dictionaries({}, optional={"failures": st.integers(0, 9), "per_source": st.integers(0, 9)}),
    },
)
LIMITS = st.fixed_dictionaries(
    {}, optional={"idle": st.floats(1, 9000), "controls": st.integers(1, 99), "bind": st.just(40)}
)


@settings(max_examples=examples(60))
@given(
    client=CLIENTS, limits=LIMITS, paging=st.sampled_from(["auto", "never"]), name=st.sampled_from(["m", "a b", "on"])
)
def test_what_is_printed_agrees_whatever_the_client_has(files, client, limits, paging, name):
    data = changed(OUTSIDE, clients={name: {"sources": ["198.51.100.0/24"], "directory": "corp", **client}})
    data |= {"limits": limits}
    data["directories"]["corp"]["paging"] = paging
    outside = load(files, data)
    text = printed(outside, name, "dmz")
    inside = written(files, completed(text))
    assert differences(outside, inside, name) == []
    (policy,) = (each.policy for each in inside.settings.clients)
    strict = (policy.mending, policy.when_denied, policy.base_above, policy.shrink.mode, policy.lockout.per_source)
    assert strict == (False, WhenDenied.refuse, BaseAbove.entry, ShrinkMode.off, 0)
    assert policy.paging == paging
    assert differences(written(files, completed(printed(inside, name, "inside"))), inside, name) == []


MAPPED = {"mode": "mapped", "accounts": {"sync": {"hashes": [HASH]}}}
OWN = {"bind_dn": "CN=svc,OU=Service,DC=corp,DC=example", "password_file": "svc-sync.password"}


def mapped(configuration, **account):
    return changed(
        configuration,
        clients__mimecast__sync_accounts=None,
        clients__mimecast__credentials={"mode": "mapped", "accounts": {"sync": {"hashes": [HASH], **account}}},
    )


class TestCredentials:
    """What is printed of accounts with mapped credentials."""

    def test_hashes_come_along_and_the_account_is_to_be_completed(self, files):
        outside = load(files, mapped(OUTSIDE))
        text = printed(outside, "mimecast", "dmz")
        assert "# TODO: the account of the directory" in text and f'"{HASH}"' in text
        without = text.replace("# bind_dn", "# bind-dn")
        with pytest.raises(ConfigurationError, match=r"accounts\.sync\.bind_dn: is required beside password_file"):
            written(files, completed(without))
        inside = written(files, completed(text))
        assert differences(outside, inside, "mimecast") == []
        back = printed(inside, "mimecast", "inside")
        assert HASH in back and "bind_dn" not in back and "password" not in back.replace("No password", "")

    def test_of_a_direct_gateway_the_account_goes_along_and_the_mapping_moves(self, files):
        direct = {**OUTSIDE, "directories": INSIDE["directories"], "links": {}}
        text = printed(load(files, mapped(direct, **OWN)), "mimecast", "dmz")
        assert f'bind_dn: "{OWN["bind_dn"]}"' in text and "# password_file" in text
        inside = written(files, completed(text))
        assert differences(load(files, mapped(OUTSIDE)), inside, "mimecast") == []

    def test_an_outside_that_maps_itself_signs_in_inside_with_its_own_account(self, files):
        outside = load(files, mapped(OUTSIDE, **OWN))
        text = printed(outside, "mimecast", "dmz")
        assert HASH not in text and f'sync_accounts: ["{OWN["bind_dn"]}"]' in text
        assert differences(outside, written(files, completed(text)), "mimecast") == []

    def test_an_outside_that_maps_some_accounts_itself_has_no_other_end(self, files):
        data = mapped(OUTSIDE)
        data["clients"]["mimecast"]["credentials"]["accounts"]["other"] = {"hashes": [HASH], **OWN}
        with pytest.raises(NoOtherEnd, match="some have bind_dn and password_file, and some have not"):
            printed(load(files, data), "mimecast", "dmz")


def test_no_secret_and_no_file_of_this_host_is_printed(files):
    direct = changed(
        mapped({**OUTSIDE, "directories": INSIDE["directories"], "links": {}}, **OWN),
        directories__corp__client_certificate={"certificate": "gateway.pem", "private_key": "gateway.key"},
        directories__corp__health={"bind_dn": "CN=probe,DC=corp,DC=example", "password_file": "svc-mimecast.password"},
        clients__mimecast__sources_file="sources.txt",
        clients__mimecast__listeners=["127.0.0.1:636"],
        clients__mimecast__required_certificate={"ca_file": "gateway.pem", "subjects": ["CN=sync"]},
        state_dir="/var/lib/ldap-gateway",
    )
    (files / "sources.txt").write_text("203.0.113.9\n")
    text = printed(load(files, direct), "mimecast", "dmz")
    for needle in (
        "gateway.pem",
        "gateway.key",
        "svc-mimecast",
        "sources.txt",
        "Passw0rd",
        "203.0.113",
        "/var/lib",
        "probe",
    ):
        assert needle not in text.replace("gateway.example", "")


def test_an_outside_that_only_reports_is_told_so_and_differs(files):
    outside = load(files, changed(OUTSIDE, clients__mimecast__mode="report"))
    text = printed(outside, "mimecast", "dmz")
    assert "The outside has `mode: report`. What it only reports is refused here." in text
    assert differences(outside, written(files, completed(text)), "mimecast") == ["mode"]


def test_what_is_not_completed_is_refused_by_its_key(files):
    text = printed(load(files, mapped(OUTSIDE)), "mimecast", "dmz")
    assert "links.dmz: a mapping of keys is expected" in wrong(files, yaml.safe_load(text))
    links = {**yaml.safe_load(text), "links": yaml.safe_load(completed(text))["links"]}
    said = wrong(files, links)
    assert "directories.corp.ca_file: is required" in said
    assert "directories.corp.servers: either servers or discover is needed" in said
    assert "clients.mimecast.credentials.accounts.sync.bind_dn: is required" in said
    back = printed(load(files, mapped(INSIDE, **OWN)), "mimecast", "inside")
    assert "links.inside: a mapping of keys is expected" in wrong(files, yaml.safe_load(back))
    links = {**yaml.safe_load(back), "links": yaml.safe_load(completed(back))["links"]}
    said = wrong(files, links)
    assert "listeners: no listener" in said
    assert "clients.mimecast.sources: no network" in said
