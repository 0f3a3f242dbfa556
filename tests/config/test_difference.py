"""What a reload would change, in words, and what of it is never told."""

import json
import os
from typing import get_args

import pytest
from pydantic import BaseModel

from gateway.config import models
from gateway.config.difference import differences
from gateway.config.load import load_configuration
from tests.config.certificates import write_pair
from tests.config.link_configuration import INSIDE, OUTSIDE, changed, load
from tests.config.test_credentials import ONE, OWN, TWO

KEY = b"k" * 32
TEXT = """\
listeners:
  - {address: "127.0.0.1:636", certificate: gateway.pem, private_key: gateway.key}
directories:
  corp:
    servers: [ldaps://dc1.corp.example, {url: "ldaps://10.1.2.3", server_name: dc2.corp.example}]
    ca_file: gateway.pem
    naming_contexts: ["DC=corp,DC=example"]
clients:
  mimecast:
    sources: [198.51.100.0/24, 203.0.113.7]
    directory: corp
    sync_accounts: [svc@corp.example]
    base_dns: ["OU=Staff,DC=corp,DC=example"]
    attributes: [mail, cn]
"""
CLIENT = TEXT[TEXT.index("  mimecast:") :]
OTHER = CLIENT.replace("mimecast:", "other:").replace("198.51.100", "198.51.101").replace("203.0.113.7", "203.0.113.8")
ACCOUNT = f'{{hashes: ["{ONE}"], bind_dn: "{OWN}", password_file: secret}}'
MAPPED = TEXT.replace(
    "sync_accounts: [svc@corp.example]", f"credentials: {{mode: mapped, accounts: {{sync: {ACCOUNT}}}}}"
)


@pytest.fixture
def effective(tmp_path):
    """A function that gives what is in force with a text; files besides it stay what they are."""
    write_pair(tmp_path)
    (tmp_path / "secret").write_text("Passw0rd-of-the-gateway")
    (tmp_path / "secret").chmod(0o600)

    def load(text):
        (tmp_path / "gateway.yaml").write_text(text)
        return load_configuration(tmp_path / "gateway.yaml").effective(KEY)

    return load


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("[mail, cn]", "[mail, department]", ["clients.mimecast.attributes: + department, - cn"]),
        ("[mail, cn]", "[cn, mail]", []),
        ("[mail, cn]", "[mail, cn]\n    size_limit: 5000", ["clients.mimecast.size_limit: 0 -> 5000"]),
        ("[mail, cn]", "[mail, cn]\n    size_limit: 0", []),
        (
            "[mail, cn]",
            "[mail, cn]\n    root_dse: [vendorName]\n    subschema: cn=Subschema",
            ["clients.mimecast.root_dse: + vendorName", "clients.mimecast.subschema: none -> cn=Subschema"],
        ),
        ("[mail, cn]", "[mail, cn]\n    mending: off", ["clients.mimecast.mending: on -> off"]),
        ("[mail, cn]", "[mail, cn]\n    lockout: {window: 30m}", []),
        ("[mail, cn]", "[mail, cn]\n    lockout: {window: 1h}", ["clients.mimecast.lockout.window: 1800 -> 3600"]),
        (
            "[mail, cn]",
            '[mail, cn]\n    required_filter: "(mail=*)"',
            ["clients.mimecast.required_filter: none -> (mail=*)"],
        ),
        (
            "198.51.100.0/24, ",
            "198.51.100.0/25, ",
            [
                "clients.mimecast.sources: + 198.51.100.0/25, - 198.51.100.0/24 "
                "(sessions from there end within drain_timeout)"
            ],
        ),
        (
            "[ldaps://dc1.corp.example, ",
            "[ldaps://dc3.corp.example, ",
            ["directories.corp.servers: + ldaps://dc3.corp.example, - ldaps://dc1.corp.example"],
        ),
        (
            '[ldaps://dc1.corp.example, {url: "ldaps://10.1.2.3", server_name: dc2.corp.example}]',
            '[{url: "ldaps://10.1.2.3", server_name: dc2.corp.example}, ldaps://dc1.corp.example]',
            [
                "directories.corp.servers: in another order: ldaps://10.1.2.3 (server_name dc2.corp.example), "
                "ldaps://dc1.corp.example"
            ],
        ),
        (
            '"127.0.0.1:636", ',
            '"127.0.0.1:636", starttls: required, ',
            ["listeners[127.0.0.1:636].starttls: off -> required"],
        ),
        (
            "127.0.0.1:636",
            "127.0.0.1:1636",
            [
                "listeners[127.0.0.1:1636]: added",
                "listeners[127.0.0.1:636]: removed (its socket is closed, and sessions from there go on)",
            ],
        ),
        (CLIENT, CLIENT + OTHER, ["clients.other: added"]),
        (
            "  mimecast:",
            "  renamed:",
            ["clients.renamed: added", "clients.mimecast: removed (its sessions end within drain_timeout)"],
        ),
        ("directories:", "admin: null\ndirectories:", ["admin: removed (from the next start on)"]),
        (
            "directories:",
            "admin: {address: 127.0.0.1:9}\ndirectories:",
            ["admin.address: 127.0.0.1:8389 -> 127.0.0.1:9 (from the next start on)"],
        ),
        ("directories:", "limits: {search: 60}\ndirectories:", ["limits.search: 3600 -> 60"]),
    ],
)
def test_a_change_in_words(effective, old, new, said):
    assert old in TEXT
    assert [str(change) for change in differences(effective(TEXT), effective(TEXT.replace(old, new, 1)))] == said


MORE_CALLED = changed(
    INSIDE,
    links__dmz__call=[*INSIDE["links"]["dmz"]["call"], "gw2.example.net:8636"],
    links__dmz__hosts={**INSIDE["links"]["dmz"]["hosts"], "gw2.example.net:8636": "inside-2.pem"},
)
TWO_OUTSIDES = changed(
    INSIDE,
    links__cloud={
        **INSIDE["links"]["dmz"],
        "call": ["cloud.example:8636"],
        "hosts": {"cloud.example:8636": "inside-2.pem"},
    },
    clients__mimecast__links=["dmz", "cloud"],
)


@pytest.mark.parametrize(
    "before, after, said",
    [
        (
            OUTSIDE,
            changed(OUTSIDE, links__inside__agents={"inside-2": "inside-2.pem"}),
            [
                "links.inside.agents.inside-2: none -> inside-2.pem",
                "links.inside.agents.inside-1: inside-1.pem -> none (it is cut off, with its sessions)",
            ],
        ),
        (OUTSIDE, changed(OUTSIDE, links__inside__parked=9), ["links.inside.parked: 4 -> 9"]),
        (OUTSIDE, changed(OUTSIDE, links__inside__parked=4), []),
        (
            OUTSIDE,
            changed(OUTSIDE, links__inside__sources=["192.0.2.11"]),
            ["links.inside.sources: + 192.0.2.11/32, - 192.0.2.10/32"],
        ),
        (
            OUTSIDE,
            changed(OUTSIDE, links__inside=None, links__lan=OUTSIDE["links"]["inside"], directories__corp__link="lan"),
            [
                "links.lan: added",
                "links.inside: removed (its sessions end at once)",
                "directories.corp.link: inside -> lan",
            ],
        ),
        (
            TWO_OUTSIDES,
            INSIDE,
            [
                "links.cloud: removed (its sessions end at once)",
                "clients.mimecast.links: - cloud (sessions from there end within drain_timeout)",
            ],
        ),
        (
            MORE_CALLED,
            INSIDE,
            [
                "links.dmz.call: - gw2.example.net:8636",
                "links.dmz.hosts[gw2.example.net:8636]: inside-2.pem -> none (it is cut off, with its sessions)",
            ],
        ),
        (
            INSIDE,
            changed(INSIDE, clients__mimecast__when_denied="strip"),
            ["clients.mimecast.when_denied: refuse -> strip"],
        ),
        (INSIDE, changed(INSIDE, clients__mimecast__when_denied="refuse", clients__mimecast__mending=False), []),
    ],
)
def test_a_change_of_a_link_in_words(keys, before, after, said):
    old, new = (load(keys, each).effective(KEY) for each in (before, after))
    assert [str(change) for change in differences(old, new)] == said


def test_nothing_has_changed_in_nothing(effective):
    assert differences(effective(TEXT), effective(TEXT)) == []


def test_addresses_of_a_file_are_told_like_those_beside_it(effective, tmp_path):
    listed = TEXT.replace("    directory: corp\n", "    directory: corp\n    sources_file: more\n")
    (tmp_path / "more").write_text("192.0.2.1\n")
    before = effective(listed)
    (tmp_path / "more").write_text("192.0.2.1\n192.0.2.2 # new\n")
    (change,) = differences(before, effective(listed))
    assert str(change) == "clients.mimecast.sources: + 192.0.2.2/32"


def test_a_secret_has_changed_and_no_more(effective, tmp_path):
    before = effective(MAPPED)
    (tmp_path / "new").write_text("Passw0rd-that-is-new")
    (tmp_path / "new").chmod(0o600)
    (tmp_path / "new").replace(tmp_path / "secret")
    after = effective(MAPPED.replace(ONE, TWO))
    assert [str(change) for change in differences(before, after)] == [
        "clients.mimecast.credentials.accounts.sync.hashes: changed",
        "clients.mimecast.credentials.accounts.sync.password_file: secret has been written since",
    ]
    digests = [text.rpartition("$")[2] for text in (ONE, TWO)]
    for values in (before, after, [str(change) for change in differences(before, after)]):
        told = json.dumps(values)
        assert not any(secret in told for secret in (*digests, "Passw0rd"))


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("redis://:OLD@redis/0", "redis://:NEW@redis/0", ["lockout_store.password: changed"]),
        (
            "redis://gw:OLD@redis/0",
            "redis://other:OLD@redis/0",
            ["lockout_store.url: redis://gw@redis/0 -> redis://other@redis/0"],
        ),
        ("redis://:OLD@redis/0", "redis://:OLD@redis2/0", ["lockout_store.url: redis://redis/0 -> redis://redis2/0"]),
        (
            "memory",
            "redis://:NEW@redis/0",
            ["lockout_store.url: memory -> redis://redis/0", "lockout_store.password: added"],
        ),
        ("redis://redis/0", "{url: redis://redis/0}", []),
        ("unix://gw:OLD@/run/redis.sock", "unix://gw:NEW@/run/redis.sock", ["lockout_store.password: changed"]),
    ],
)
def test_a_store_is_told_without_its_password(effective, old, new, said):
    written = [f"lockout_store: {each if each[0] == '{' else json.dumps(each)}\n" for each in (old, new)]
    before, after = (effective(TEXT + each) for each in written)
    assert [str(change) for change in differences(before, after)] == said
    assert not any(word in json.dumps((before, after)) for word in ("OLD", "NEW"))


def test_another_file_with_a_secret_is_told_by_its_name(effective, tmp_path):
    os.link(tmp_path / "secret", tmp_path / "other")
    before, after = effective(MAPPED), effective(MAPPED.replace("_file: secret", "_file: other"))
    (change,) = differences(before, after)
    assert str(change) == "clients.mimecast.credentials.accounts.sync.password_file: secret -> other"


def all_models(model=models.File, seen=None):
    seen = set() if seen is None else seen
    seen.add(model)
    for field in model.model_fields.values():
        waiting = [field.annotation]
        while waiting:
            found = waiting.pop()
            waiting.extend(get_args(found))
            if isinstance(found, type) and issubclass(found, BaseModel) and found not in seen:
                all_models(found, seen)
    return seen


def test_every_key_that_sounds_like_a_secret_is_kept_as_one():
    """One that is written in the configuration has no repr; one in a file has a key that ends so."""
    sounds = ("password", "secret", "hash", "token", "passphrase", "credential")
    found = {
        (model.__name__, name): field
        for model in all_models()
        for name, field in model.model_fields.items()
        if any(word in name for word in sounds) and not name.endswith("_file")
    }
    # Blocks, limits, and what is looked at itself.
    for harmless in (("Client", "credentials"), ("Limits", "password_length")):
        found.pop(harmless, None)
    assert found
    assert not [where for where, field in found.items() if field.repr]


def test_a_hash_is_kept_wherever_it_is_written(effective):
    told = json.dumps(effective(TEXT + f'    required_filter: "(cn={ONE})"\n'))
    assert ONE.rpartition("$")[2] not in told


def test_relative_paths_are_those_of_the_file(effective, tmp_path):
    account = effective(MAPPED)["clients"]["mimecast"]["credentials"]["accounts"]["sync"]
    assert (tmp_path / "secret").stat().st_mtime_ns in account["password_file"]["written"]
