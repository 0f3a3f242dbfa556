"""A gateway before its servers as two gateways and a link between them, for tests that know of one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.servers.gateway_process import GatewayProcess
from tests.servers.link_ends import LinkKeys, inside_of, outside_of


class LinkedGateway(GatewayProcess):
    """The outside, with the agent that calls it. config: of one gateway that reaches its servers directly. directory:
    for the files of the outside. inside: for those of the agent and the keys; then the agent, which has admin pages."""

    def __init__(self, directory: Path, inside: Path, config: str) -> None:
        self._keys = LinkKeys(inside)
        self._state = inside / "state"
        super().__init__(directory, outside_of(config, self._keys))
        try:
            self.inside = GatewayProcess(inside, self._inside_of(config))
            self.wait_for("link inside: agent inside-1 is here")
        except BaseException:
            self.kill()
            raise

    @property
    def reaching(self) -> GatewayProcess:
        return self.inside

    def reload(self, config: str) -> str:
        """Both ends. What the logs of both say: the text's mistakes may concern one of them."""
        if "links" in json.loads(config):
            return super().reload(config)
        said = self.inside.reload(self._inside_of(config))
        return said + super().reload(outside_of(config, self._keys))

    def _inside_of(self, config: str) -> str:
        own = json.loads(inside_of(config, self._keys)) | {"admin": {"address": "127.0.0.1:0"}}
        if "state_dir" in own:
            self._state.mkdir(exist_ok=True)
            own["state_dir"] = str(self._state)
        return json.dumps(own)
