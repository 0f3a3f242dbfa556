"""The whole stand-in: a tenant with its authority and its Graph, at one origin, and how it is served on loopback."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Any

from gateway.demo.certificates import CertificateFiles
from gateway.demo.tenant.authority import App, Authority
from gateway.demo.tenant.graph import Graph
from gateway.demo.tenant.model import Tenant
from gateway.demo.tenant.wire import Answer, Asked


class Cloud:
    """A tenant's authority and its Graph, without a network. random: for tokens and disorder."""

    def __init__(
        self, tenant: Tenant, app: App, *, now: Callable[[], float] = time.time, random: Random | None = None
    ) -> None:
        chance = random or Random()
        self.tenant = tenant
        self.authority = Authority(app, now, chance)
        self.graph = Graph(tenant, self.authority.is_valid, now, chance)
        self._turn = threading.Lock()

    def at(self, origin: str) -> None:
        """Says where both are; their links say it from now on."""
        self.authority.origin = self.graph.origin = origin

    def answer(self, asked: Asked) -> Answer:
        """One at a time, from whatever thread."""
        with self._turn:
            if asked.path.startswith("/v1.0/") or asked.path.startswith("/beta/"):
                return self.graph.answer(asked)
            return self.authority.answer(asked)


class ServedCloud:
    """The stand-in on a port of 127.0.0.1 that the system gives, behind TLS; a context manager. files: its
    certificate."""

    def __init__(self, cloud: Cloud, files: CertificateFiles) -> None:
        self.cloud = cloud
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.private_key)
        self._server = _Server(("127.0.0.1", 0), _handler(cloud, context))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.port = self._server.server_address[1]
        self.origin = f"https://127.0.0.1:{self.port}"
        cloud.at(self.origin)

    def __enter__(self) -> ServedCloud:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread for each connection, which does not hold up the end."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever breaks a connection off is not told of; a fault of the stand-in's own is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _handler(cloud: Cloud, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection. The handshake is its own, so that nobody holds up the others with it."""

        protocol_version = "HTTP/1.1"
        timeout = 60

        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().setup()

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(cloud.answer(Asked(self.command, self.path, headers, body)))

        def _send(self, answer: Answer) -> None:
            if answer.cut_after == -1:
                self.close_connection = True
                return
            head = [f"HTTP/1.1 {answer.status} Status", f"Content-Length: {len(answer.body)}"]
            head += [f"{name}: {value}" for name, value in answer.headers.items()]
            body = answer.body if answer.cut_after is None else answer.body[: answer.cut_after]
            self.wfile.write(("\r\n".join(head) + "\r\n\r\n").encode() + body)
            if answer.cut_after is not None:
                self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            """Nothing is told."""

    return Handler
