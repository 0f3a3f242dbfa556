"""A gateway behind a link, before one server: the one outside and the one inside, each a process of its own."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from bench.compiled import ROOT
from bench.gateway_process import Started, configuration, started
from bench.peers import Target
from bench.requests import ATTRIBUTES
from bench.servers import Server
from gateway.demo.certificates import make_certificates
from tests.servers.gateway_process import free_port
from tests.servers.link_ends import LinkKeys, inside_of, outside_of

# Opens another port of 127.0.0.1 that leads to one.
Way: TypeAlias = Callable[[int], AbstractContextManager[int]]

_PATIENCE = 60.0


@contextmanager
def linked(
    server: Server,
    *,
    code: Path = ROOT,
    name: str = "link",
    attributes: Sequence[str] = ATTRIBUTES,
    limits: Mapping[str, Any] | None = None,
    way: Way = nullcontext,
) -> Iterator[Target]:
    """A gateway outside and, behind it, one inside before the server, each with what a gateway of
    bench.gateway_process has, once the link is up. way: from the inside to the outside."""
    with tempfile.TemporaryDirectory(prefix="bench-link-") as made:
        directory = Path(made)
        keys = LinkKeys(directory)
        port = free_port()
        whole = configuration(server, port, free_port(), attributes, limits or {}) | {"admin": None}
        outside, inside = (
            json.loads(outside_of(json.dumps(whole), keys)),
            json.loads(inside_of(json.dumps(whole), keys)),
        )
        called = keys.address.rpartition(":")[2]
        with way(int(called)) as leading:
            (link,) = inside["links"].values()
            address = f"127.0.0.1:{leading}"
            link["call"], link["hosts"] = [address], {address: next(iter(link["hosts"].values()))}
            with both_ends(directory, outside, inside, code) as (first, second):
                ca_file = str(directory / "outside" / "gateway-ca.pem")
                yield Target(name, port, ca_file, first.pid, behind=(second.pid,))


@contextmanager
def both_ends(
    directory: Path, outside: Mapping[str, Any], inside: Mapping[str, Any], code: Path
) -> Iterator[tuple[Started, Started]]:
    """Two gateways by their whole configurations, once each link of them is up."""
    for name in ("outside", "inside"):
        (directory / name).mkdir()
    make_certificates(directory / "outside", "gateway")
    with (
        started(directory / "outside", outside, code) as first,
        started(directory / "inside", inside, code) as second,
    ):
        until = time.monotonic() + _PATIENCE
        while sum("is here" in line for line in first.log) < len(outside["links"]):
            if time.monotonic() > until:
                raise RuntimeError(f"the link did not come up: {''.join(first.log + second.log)}")
            time.sleep(0.02)
        yield first, second
