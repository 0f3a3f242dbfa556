"""What the tests of lines and berths share: the ends as they name themselves, and what commands say."""

from collections.abc import Iterable

from gateway.link import commands as c
from gateway.link import frames as f
from gateway.link.line import Who
from tests.link.frame_values import all_frames

TOKEN = "0123456789abcdef" * 2
OUTSIDE = Who("0.1.0", "0" * 32)
INSIDE = Who("0.1.0", "1" * 32)
LINE_HELLO = f.LineHello(INSIDE.version, INSIDE.instance, 500)
LOOK_HELLO = f.LookHello(INSIDE.version, INSIDE.instance)
BERTH_HELLO = f.BerthHello(INSIDE.version, INSIDE.instance, TOKEN)
GO = f.Go("mimecast", "s4711", "198.51.100.7")
READY = f.State("mimecast", True, "", {"base_dns": "ab12"}, (2, 2))


def low(low: float, high: float) -> float:
    """A draw that is always the lowest."""
    return low


def octets(commands: Iterable[c.Command]) -> bytes:
    return b"".join(command.octets for command in commands if isinstance(command, c.Send))


def sent(commands: Iterable[c.Command]) -> list[f.Frame]:
    """The frames that the commands send."""
    reader = f.FrameReader()
    reader.feed(octets(commands))
    return all_frames(reader)


def news(commands: Iterable[c.Command]) -> list[c.Command]:
    """All that is not to be sent."""
    return [command for command in commands if not isinstance(command, c.Send)]


def end(commands: Iterable[c.Command]) -> c.End:
    """The one end that the commands bring, which is the last of them."""
    found = list(commands)
    assert isinstance(found[-1], c.End)
    assert not any(isinstance(command, c.End) for command in found[:-1])
    return found[-1]
