"""The health page of the admin address."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from gateway.ldap import COMPILED


class _QuietSite(Site):
    def log(self, request: Any) -> None:
        """The audit has what matters; who asked for the health page does not."""


class HealthPage(Resource):
    """GET /healthz: 200 while the gateway serves, 503 while it stops; says whether the compiled codec is used."""

    isLeaf = True

    def __init__(self, serving: Callable[[], bool]) -> None:
        Resource.__init__(self)
        self._serving = serving

    def site(self) -> Site:
        site = _QuietSite(self)
        site.noisy = False
        return site

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        if request.path != b"/healthz":
            request.setResponseCode(404)
            return b'{"status": "not found"}\n'
        serving = self._serving()
        request.setResponseCode(200 if serving else 503)
        body = {"status": "ok" if serving else "stopping", "compiled": COMPILED}
        return json.dumps(body).encode() + b"\n"
