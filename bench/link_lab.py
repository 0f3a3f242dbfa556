"""The lab of `bench/run link`: a gateway behind a link beside one that reaches the server by itself, near and far."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.delay import delayed
from bench.gateway_process import gateway
from bench.lab import MANY_REQUESTS, Lab
from bench.link_pair import linked
from bench.peers import Target
from bench.servers import Server, slapd

# Seconds from one end to the other and back.
ROUND_TRIP = 0.04


@dataclass
class LinkedLab(Lab):
    """far: the same before the same server, which is as far from the DMZ as the round trip says: the gateway reaches
    the server over that distance, and the gateway inside, which is beside the server, the one outside. delays: the
    processes that make the distance."""

    far: Lab = field(kw_only=True)
    delays: tuple[int, ...] = field(kw_only=True)

    @property
    def pids(self) -> list[int]:
        # Some have the server's in common.
        return list({*super().pids, *self.far.pids, *self.delays})


@contextmanager
def linked_lab(users: int, code: Path) -> Iterator[LinkedLab]:
    with ExitStack() as started:
        server = started.enter_context(slapd(users))
        far_server = started.enter_context(delayed(server.port, ROUND_TRIP / 2))
        delays = [far_server.pid]

        @contextmanager
        def way(port: int) -> Iterator[int]:
            with delayed(port, ROUND_TRIP / 2) as delay:
                delays.append(delay.pid)
                yield delay.port

        distant = replace(server, port=far_server.port)
        near = [
            _no_gateway(server),
            started.enter_context(gateway(server, code=code, limits=MANY_REQUESTS)),
            started.enter_context(linked(server, code=code, limits=MANY_REQUESTS)),
        ]
        far = [
            _no_gateway(distant),
            started.enter_context(gateway(distant, code=code, limits=MANY_REQUESTS)),
            started.enter_context(linked(server, code=code, limits=MANY_REQUESTS, way=way)),
        ]
        yield LinkedLab(users, server, code, near, far=Lab(users, server, code, far), delays=tuple(delays))


def _no_gateway(server: Server) -> Target:
    return Target("direct", server.port, server.ca_file, server.pid)
