"""The two configurations of a link, as values that a test changes, and the keys that they name."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import Configuration, load_configuration
from gateway.config.problems import ConfigurationError

ADDRESS = "gateway.example.net:8636"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"
CLIENT: dict[str, Any] = {
    "directory": "corp",
    "sync_accounts": ["svc@corp.example"],
    "base_dns": ["DC=corp,DC=example"],
    "attributes": ["mail"],
}
OUTSIDE: dict[str, Any] = {
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
INSIDE: dict[str, Any] = {
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


def changed(configuration: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The configuration with other values: links__inside__address=..., None for a key that is gone."""
    whole: dict[str, Any] = json.loads(json.dumps(configuration))
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


def load(directory: Path, configuration: dict[str, Any]) -> Configuration:
    path = directory / "gateway.yaml"
    # Of YAML's ways to write it this one has no aliases, and each key has a line of its own.
    path.write_text(json.dumps(configuration, indent=1, ensure_ascii=False), encoding="utf-8")
    return load_configuration(path)


def wrong(directory: Path, configuration: dict[str, Any]) -> str:
    """What is wrong with it, in words."""
    with pytest.raises(ConfigurationError) as error:
        load(directory, configuration)
    return str(error.value)
