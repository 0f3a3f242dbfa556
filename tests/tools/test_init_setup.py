"""What `init` says where it does not come to a server."""

from pathlib import Path

import pytest

from gateway.ask.handshake import DROPPED, NoConnection
from gateway.config.directories import server_settings
from gateway.tools.init.setup import Said, Setup, SetupError

SAID = Said(Path("gateway.yaml"), False, (), None, None, None, None, "m", (), (), None, "", None, None, None)


class Fails:
    """A background in which nothing can be reached."""

    def __init__(self, error):
        self._error = error

    def call(self, main):
        raise self._error


@pytest.mark.parametrize("refused", [False, True])
def test_a_server_that_cannot_be_reached_may_be_reached_from_inside(refused):
    setup = Setup(SAID, None, Fails(NoConnection("no answer within 10 seconds", DROPPED, refused)))
    with pytest.raises(SetupError) as error:
        setup._shake(server_settings("ldaps://dc1.corp.example", None))
    said = str(error.value)
    assert said.startswith("ldaps://dc1.corp.example:636: no answer within 10 seconds: a firewall drops it")
    assert ("have a gateway there call this one (docs/link.md)" in said) is not refused
