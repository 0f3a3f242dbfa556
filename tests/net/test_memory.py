"""Memory of the process over thousands of sessions: what each takes, it gives back."""

import socket
import ssl

import pytest

from gateway.ldap.messages import BindRequest, BindResponse
from gateway.ldap.results import LDAPResult
from gateway.relay.client import BindResult, Client
from tests.servers.gateway_process import PATIENCE, GatewayProcess, configuration
from tests.servers.stub_server import StubServer

ACCOUNT = ("svc@corp.example", b"Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}
pytestmark = pytest.mark.servers

SESSIONS, MOST = 3000, 3_000_000
# Before memory is measured: buffers, caches and the parts of libraries that are loaded late are there then.
FIRST = 400


def connect(port):
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    # A bind behind the end of the handshake would wait 40 ms for the gateway's acknowledgement of that.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


def signs_in(port, context):
    with context.wrap_socket(connect(port), server_hostname="localhost") as connection:
        client = Client()
        connection.sendall(client.bind(*ACCOUNT).data)
        (answer,) = client.receive(connection.recv(65_536))
        assert isinstance(answer, BindResult) and answer.result.code == 0


@pytest.mark.timeout(900)
def test_thousands_of_sessions_leave_nothing_behind(certificates, server_certificates, tmp_path):
    """With a server that gives TLS 1.3 tickets: what the gateway reads of these leaks in some versions of Python."""

    def accept(request):
        return [BindResponse(LDAPResult(0))] if isinstance(request, BindRequest) else []

    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with StubServer(server_certificates, accept) as server:
        config = configuration(certificates, server.gateway_directory(), CLIENT)
        # As the unit and the image run it: Python's own allocator gives its memory back by the megabyte, if at all.
        with GatewayProcess(tmp_path, config, environment={"PYTHONMALLOC": "malloc"}) as running:
            for _ in range(FIRST):
                signs_in(running.port, context)
            before = running.resident_octets()
            for _ in range(SESSIONS):
                signs_in(running.port, context)
            assert running.resident_octets() - before <= MOST
            assert sum(isinstance(request, BindRequest) for request in server.requests) == FIRST + SESSIONS
