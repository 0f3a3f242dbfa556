"""A gateway outside and one inside, of the configuration of one that reaches its servers directly."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.link.keys import PairFiles, write_pair
from tests.servers.gateway_process import free_port

# What the outside's directory has of the direct one's.
_KEPT_OUTSIDE = ("naming_contexts", "connect_timeout", "connect_patience", "order", "paging", "page_size")
# What is of no use to sessions that come over a link.
_NOT_INSIDE = ("sources", "sources_file", "required_certificate", "listeners")


class LinkKeys:
    """The keys of both ends, made in a directory. agents: the names of those inside. age: of their keys. address: where
    they call the outside; "" for a free port of loopback."""

    def __init__(
        self,
        directory: Path,
        agents: tuple[str, ...] = ("inside-1",),
        age: timedelta = timedelta(0),
        address: str = "",
    ) -> None:
        now = datetime.now(UTC)
        self.outside = write_pair(directory, "outside", now)
        self.agents = {name: write_pair(directory, name, now - age) for name in agents}
        self.address = address or f"127.0.0.1:{free_port()}"

    def outside_link(self) -> dict[str, Any]:
        """The block of the link at the end that waits."""
        agents = {name: str(pair.certificate) for name, pair in self.agents.items()}
        return {"address": self.address, "identity": _pair(self.outside), "agents": agents}

    def inside_link(self, agent: str) -> dict[str, Any]:
        """The block of the link at the end that calls."""
        hosts = {self.address: str(self.outside.certificate)}
        return {"call": [self.address], "identity": _pair(self.agents[agent]), "hosts": hosts}


def outside_of(config: str, keys: LinkKeys) -> str:
    """The outside's configuration."""
    whole = json.loads(config)
    whole["links"] = {"inside": keys.outside_link()}
    for name, directory in whole["directories"].items():
        kept = {key: value for key, value in directory.items() if key in _KEPT_OUTSIDE}
        whole["directories"][name] = {"link": "inside", **kept}
    for client in whole["clients"].values():
        # The mapping is the inside's.
        for account in client.get("credentials", {}).get("accounts", {}).values():
            for key in ("bind_dn", "password_file"):
                account.pop(key, None)
    return json.dumps(whole, indent=1)


def inside_of(config: str, keys: LinkKeys, agent: str = "inside-1") -> str:
    """The inside's configuration."""
    whole = json.loads(config)
    del whole["listeners"]
    whole.pop("trusted_proxies", None)
    whole["links"] = {"dmz": keys.inside_link(agent)}
    for name, client in whole["clients"].items():
        kept = {key: value for key, value in client.items() if key not in _NOT_INSIDE}
        whole["clients"][name] = {"links": ["dmz"], **kept}
    return json.dumps(whole, indent=1)


def _pair(files: PairFiles) -> dict[str, str]:
    return {"certificate": str(files.certificate), "private_key": str(files.private_key)}
