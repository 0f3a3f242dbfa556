import pytest
import yaml

from gateway.config.draft import Draft, attributes_of, draft_text
from gateway.config.load import load_configuration
from gateway.demo.certificates import make_certificates

NAMES = (
    "OU=Sales\\, EMEA,DC=corp,DC=example",
    'OU=The \\"A\\" Team,DC=corp,DC=example',
    "OU=It's,DC=corp,DC=example",
    "OU=O'Neil \\+ Co,DC=corp,DC=example",
    "OU=\\#Ops: {x}% & *y,DC=corp,DC=example",
    "OU=Müller,DC=corp,DC=example",
    "OU=日本,DC=corp,DC=example",
    "OU=line\u2028break\u0085\u00a0\U000e0001,DC=corp,DC=example",
    "OU=Back\\\\slash,DC=corp,DC=example",
)


def draft(**changes):
    keys = {
        "listen": "127.0.0.1:0",
        "certificate": "gateway.pem",
        "private_key": "gateway.key",
        "test_pair": False,
        "directory": "corp",
        "servers": (("ldaps://dc1.corp.example:636", ""), ("ldaps://[::1]:636", "dc2.corp.example")),
        "ca_file": "gateway-ca.pem",
        "naming_contexts": ("DC=corp,DC=example",),
        "can_page": True,
        "client": "mimecast",
        "sources": ("198.51.100.0/24", "2001:db8::/32"),
        "sync_accounts": ("svc@corp.example", "CORP\\svc"),
        "base_dns": NAMES,
        "login_base_dns": (),
        "login_domains": (),
        "attributes": attributes_of(None, True),
    }
    return Draft(**keys | changes)


def loaded(tmp_path, found):
    make_certificates(tmp_path, "gateway")
    path = tmp_path / "gateway.yaml"
    path.write_text(draft_text(found), encoding="utf-8")
    return load_configuration(path).settings


def test_what_is_written_loads_as_it_was_meant(tmp_path):
    settings = loaded(tmp_path, draft(login_base_dns=NAMES[:1], login_domains=("corp.example",)))
    (client,) = settings.clients
    assert [str(base) for base in client.policy.base_dns] == list(NAMES)
    assert client.policy.sync_accounts == ("svc@corp.example", "CORP\\svc")
    assert client.policy.login_domains == ("corp.example",)
    assert [str(network) for network in client.sources] == ["198.51.100.0/24", "2001:db8::/32"]
    assert [(server.host, server.server_name) for server in client.directory.servers] == [
        ("dc1.corp.example", "dc1.corp.example"),
        ("::1", "dc2.corp.example"),
    ]
    assert client.policy.paging.value == "auto"


@pytest.mark.parametrize("name", ["no", "off", "1e3", "0x10", "~", "a: b", "- x", "null", "2026-11-24", "é", "corp"])
def test_names_that_yaml_would_take_for_something_else(name):
    assert list(yaml.safe_load(draft_text(draft(client=name)))["clients"]) == [name]


def test_a_server_that_cannot_page(tmp_path):
    (client,) = loaded(tmp_path, draft(can_page=False)).clients
    assert client.policy.paging.value == "never"


def test_a_test_pair_is_marked():
    assert "TEST PAIR" in draft_text(draft(test_pair=True))
    assert "TEST PAIR" not in draft_text(draft())


def names(*arguments):
    return [name for _, names in attributes_of(*arguments) for name in names]


def test_attributes_are_those_that_the_directory_knows():
    assert {"objectGUID", "userAccountControl", "sAMAccountName"} <= set(names(None, True))
    assert not {"entryUUID", "uniqueMember", "uid"} & set(names(None, True))
    assert not {"objectGUID", "userAccountControl"} & set(names(None, False))
    assert names(lambda name: name in ("mail", "objectClass", "uid"), False) == ["objectClass", "mail", "uid"]
    assert "uid" not in names(lambda _: True, True)
