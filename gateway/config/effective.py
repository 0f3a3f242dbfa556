"""A loaded configuration as plain values: every key with what is in force, defaults included, and no secret.

Secrets can be told apart and not told: those written in the configuration itself are a keyed digest, and a file with
one is known by when it was written.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from gateway.config import models
from gateway.config.settings import GatewaySettings

# Values by key; lists, texts, numbers, booleans and None in it, as JSON has them.
Effective: TypeAlias = dict[str, Any]

# Files that hold no secret: what is in them is either shown (sources) or used without a reload (authorities).
_OPEN_FILES: Final = frozenset({"sources_file", "ca_file"})

# Whatever looks like one, wherever it is written: PHC hashes, and passwords in URLs.
_HASH: Final = re.compile(r"\$[a-z0-9-]+\$.*\$")
_USER_INFO: Final = re.compile(r"(?<=://)[^/@]*@")
_PASSWORD: Final = re.compile(r"(?<=://)(?P<user>[^:/@]*)(:(?P<password>[^/@]*))?@")


def effective(file: models.File, settings: GatewaySettings, directory: Path, key: bytes) -> Effective:
    """directory: that relative paths begin at. key: of the digests; two configurations that are to be compared need
    the same one."""
    reader = _Reader(directory, key)
    values = reader.read(file)
    values["lockout_store"] = reader.store(file.lockout_store)
    values["listeners"] = _by_address(values["listeners"])
    for block in values["directories"].values():
        block["servers"] = [_server(server) for server in block["servers"]]
    for client in settings.clients:
        # With those of sources_file.
        values["clients"][client.policy.name]["sources"] = [str(network) for network in client.sources]
    return values


class _Reader:
    def __init__(self, directory: Path, key: bytes) -> None:
        self._directory = directory
        self._key = key

    def read(self, model: BaseModel) -> Effective:
        """A field without repr is a secret (gateway/config/models.py)."""
        shown = model.model_dump(mode="json")
        found: Effective = {}
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            if not field.repr:
                found[name] = self._secret(shown[name])
            elif name.endswith("_file") and name not in _OPEN_FILES and value is not None:
                found[name] = {"file": value, "written": _written(self._directory / value)}
            else:
                found[name] = self._read(value, shown[name])
        return found

    def store(self, store: str | models.LockoutStore) -> Effective:
        """Both of its forms alike. Of a password in the URL it can be told that it has changed."""
        written = models.LockoutStore(url=store) if isinstance(store, str) else store
        found = _PASSWORD.search(written.url)
        user, password = (found["user"], found["password"]) if found is not None else ("", None)
        url = _PASSWORD.sub(lambda _: f"{user}@" if user else "", written.url)
        return self.read(written) | {"url": url, "password": self._secret(password)}

    def _read(self, value: Any, shown: Any) -> Any:
        if isinstance(value, BaseModel):
            return self.read(value)
        if isinstance(value, Mapping):
            return {str(name): self._read(item, shown[name]) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._read(item, shown[place]) for place, item in enumerate(value)]
        if isinstance(shown, str):
            return self._secret(shown) if _HASH.search(shown) else _USER_INFO.sub("", shown)
        return shown

    def _secret(self, value: Any) -> Any:
        """None for one that is not there."""
        return {"secret": hmac.digest(self._key, repr(value).encode(), "sha256").hex()} if value else None


def _written(path: Path) -> list[int] | None:
    """The file and when it was written; not its size, which would be that of the secret."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_dev, found.st_ino, found.st_mtime_ns]


def _server(server: str | Mapping[str, Any]) -> str:
    if isinstance(server, str):
        return server
    name = server["server_name"]
    return server["url"] if name is None else f"{server['url']} (server_name {name})"


def _by_address(listeners: list[Effective]) -> Effective:
    """Several of one address, which have port 0, are counted."""
    found: Effective = {}
    seen: Counter[str] = Counter()
    for listener in listeners:
        address = listener.pop("address")
        seen[address] += 1
        found[address if seen[address] == 1 else f"{address} #{seen[address]}"] = listener
    return found
