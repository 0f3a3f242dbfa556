"""The pages of the admin address: for load balancers, Prometheus and people on this host.

What the status page and the metrics stand on is imported when they are first asked for: a start need not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from gateway.compilation import compilation
from gateway.observe.admin_host import is_own_host
from gateway.observe.ledger import Ledger
from gateway.observe.readiness import not_ready, notes

_WRONG_HOST: Final = (
    b"These pages are for this host only, and the request names another one in its Host header. Ask for them as "
    b"http://127.0.0.1 or http://localhost with the port; a proxy before them has to send such a Host.\n"
)


def admin_site(ledger: Ledger) -> Site:
    root = Resource()
    # Twisted's types are zope interfaces, which type checkers do not read.
    pages: dict[bytes, Any] = {
        b"": _Status(ledger),
        b"healthz": _Health(ledger),
        b"readyz": _Ready(ledger),
        b"metrics": _Metrics(ledger),
    }
    for name, page in pages.items():
        root.putChild(name, page)
    site = _QuietSite(root)
    site.noisy = False
    return site


class _QuietSite(Site):
    def getResourceFor(self, request: Any) -> Any:
        """Whatever is asked for, and however."""
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        if not is_own_host(hosts, is_http_1_1=request.clientproto != b"HTTP/1.0"):
            return _OtherHost()
        return Site.getResourceFor(self, request)

    def log(self, request: Any) -> None:
        """The audit has what matters; who asked for these pages does not."""


class _Page(Resource):
    isLeaf = True

    def __init__(self, ledger: Ledger) -> None:
        Resource.__init__(self)
        self._ledger = ledger


class _OtherHost(Resource):
    """For a request that names another host, whoever that is: nothing of it is repeated, nothing else told."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        # RFC 9110 15.5.20: Misdirected Request.
        request.setResponseCode(421, b"Misdirected Request")
        request.setHeader("content-type", "text/plain; charset=utf-8")
        return _WRONG_HOST


class _Health(_Page):
    """200 while the gateway serves, 503 while it stops; says whether this installation is compiled."""

    def render_GET(self, request: Request) -> bytes:
        serving = not self._ledger.stopping
        found = compilation()
        status = "ok" if serving else "stopping"
        return _json(request, serving, {"status": status, "compiled": found.compiled, "installation": found.said})


class _Ready(_Page):
    """200 while the next client would be served; else 503 and every reason. Notes are of what is wrong besides."""

    def render_GET(self, request: Request) -> bytes:
        reasons = not_ready(self._ledger)
        said = {"status": "not ready" if reasons else "ready", "reasons": reasons, "notes": notes(self._ledger)}
        return _json(request, not reasons, said)


class _Status(_Page):
    """For people."""

    def render_GET(self, request: Request) -> bytes:
        from gateway.observe.status_page import status_page
        from gateway.observe.status_style import CONTENT_SECURITY_POLICY

        request.setHeader("content-type", "text/html; charset=utf-8")
        request.setHeader("content-security-policy", CONTENT_SECURITY_POLICY)
        request.setHeader("x-content-type-options", "nosniff")
        request.setHeader("referrer-policy", "no-referrer")
        request.setHeader("cache-control", "no-store")
        return status_page(self._ledger)


class _Metrics(_Page):
    """What Prometheus reads."""

    _page: Callable[[str], tuple[bytes, str]] | None = None

    def render_GET(self, request: Request) -> bytes:
        if self._page is None:
            from gateway.observe.metrics import Metrics

            self._page = Metrics(self._ledger).page
        body, content_type = self._page(request.getHeader("accept") or "")
        request.setHeader("content-type", content_type)
        return body


def _json(request: Request, well: bool, body: dict[str, Any]) -> bytes:
    request.setHeader("content-type", "application/json")
    request.setResponseCode(200 if well else 503)
    return json.dumps(body).encode() + b"\n"
