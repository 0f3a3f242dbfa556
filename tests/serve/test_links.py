"""The links of a gateway at its start."""

import json
import socket
from datetime import UTC, datetime

import pytest

from gateway.config.load import load_configuration
from gateway.link.keys import write_pair
from gateway.net.listeners.listening import StartError
from gateway.serve.service import Gateway
from gateway.state.sizes import SizesInMemory
from tests.config.certificates import write_pair as write_certificate
from tests.config.link_configuration import OUTSIDE, changed
from tests.net.loop import Loop
from tests.servers.gateway_process import free_port


def test_a_start_that_fails_at_the_admin_address_leaves_no_link_open(tmp_path):
    for name in ("outside", "inside-1"):
        write_pair(tmp_path, name, datetime.now(UTC))
    write_certificate(tmp_path)
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = {**OUTSIDE["listeners"][0], "address": "127.0.0.1:0"}
        admin = f"127.0.0.1:{taken.getsockname()[1]}"
        address = f"127.0.0.1:{port}"
        whole = changed(OUTSIDE, listeners=[listener], links__inside__address=address, admin={"address": admin})
        (tmp_path / "gateway.yaml").write_text(json.dumps(whole))
        loop = Loop()
        gateway = Gateway(
            load_configuration(tmp_path / "gateway.yaml").settings, lambda record: None, SizesInMemory(), loop
        )
        with pytest.raises(StartError, match=f"admin.address {admin}: another program has this port"):
            gateway.start()
        loop.settle()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 30)
