"""The pages of the admin address: for load balancers, Prometheus and people on this host.

What the status page and the metrics stand on is imported when they are first asked for: a start need not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from gateway.compilation import compilation
from gateway.observe.ledger import Ledger
from gateway.observe.page.admin_host import is_own_host
from gateway.observe.readiness import not_ready, notes

_WRONG_HOST: Final = (
    b"These pages are for this host only, and the request names another one in its Host header. Ask for them as "
    b"http://127.0.0.1 or http://localhost with the port; a proxy before them has to send such a Host.\n"
)
_NOT_FOUND: Final = b"There is no such page. The status page is at /\n"
_NOT_ALLOWED: Final = b"These pages can only be read: GET and HEAD.\n"
_ALLOW: Final = b"GET, HEAD, OPTIONS"
_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"


def admin_site(ledger: Ledger) -> Site:
    root = _Root()
    # Twisted's types are zope interfaces, which type checkers do not read.
    pages: dict[bytes, Any] = {
        b"": _Status(ledger),
        b"docs": _Documents(),
        b"healthz": _Health(ledger),
        b"links": _Links(ledger),
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
    """A page that can be read and nothing else. What is behind it in the path is no page."""

    def render(self, request: Request) -> bytes:
        if request.method == b"OPTIONS":
            # RFC 9110 9.3.7.
            request.setHeader("allow", _ALLOW)
            request.setResponseCode(204)
            return b""
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader("allow", _ALLOW)
            return _text(request, 405, _NOT_ALLOWED)
        return _without_body(request, self.answer(request))

    def answer(self, request: Request) -> bytes:
        """The body of the answer to GET; its code and headers are set."""
        raise NotImplementedError

    def getChild(self, path: bytes, request: Request) -> Resource:
        return _NotFound()


class _Root(Resource):
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _NotFound()


class _NotFound(_Page):
    def answer(self, request: Request) -> bytes:
        return _text(request, 404, _NOT_FOUND)


class _OtherHost(Resource):
    """For a request that names another host, whoever that is: nothing of it is repeated, nothing else told."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        # RFC 9110 15.5.20: Misdirected Request.
        return _without_body(request, _text(request, 421, _WRONG_HOST, b"Misdirected Request"))


class _OfLedger(_Page):
    def __init__(self, ledger: Ledger) -> None:
        Resource.__init__(self)
        self._ledger = ledger


class _Health(_OfLedger):
    """200 while the gateway serves, 503 while it stops; says whether this installation is compiled."""

    def answer(self, request: Request) -> bytes:
        serving = not self._ledger.stopping
        found = compilation()
        status = "ok" if serving else "stopping"
        return _json(request, serving, {"status": status, "compiled": found.compiled, "installation": found.said})


class _Ready(_OfLedger):
    """200 while the next client would be served; else 503 and every reason. Notes are of what is wrong besides."""

    def answer(self, request: Request) -> bytes:
        reasons = [reason.text for reason in not_ready(self._ledger)]
        status = "not ready" if reasons else "ready"
        said = {"status": status, "reasons": reasons, "notes": [note.text for note in notes(self._ledger)]}
        return _json(request, not reasons, said)


class _Links(_OfLedger):
    """How each link stands, for `doctor` (gateway/ask/link_page.py)."""

    def answer(self, request: Request) -> bytes:
        return _json(request, True, {"links": [asdict(link) for link in self._ledger.links.standings()]})


class _Status(_OfLedger):
    """For people."""

    def answer(self, request: Request) -> bytes:
        from gateway.observe.page.status_page import status_page

        _set_html(request)
        return status_page(self._ledger)


class _Documents(_Page):
    """The documentation: /docs/operations is docs/operations.md."""

    def answer(self, request: Request) -> bytes:
        return _text(request, 404, _NOT_FOUND)

    def getChild(self, path: bytes, request: Request) -> Resource:
        return _Document(path.decode("latin-1"))


class _Document(_Page):
    def __init__(self, name: str) -> None:
        Resource.__init__(self)
        self._name = name

    def answer(self, request: Request) -> bytes:
        from gateway.observe.page.documents import document
        from gateway.observe.page.status_parts import document_page

        text = document(self._name)
        if text is None:
            return _text(request, 404, _NOT_FOUND)
        _set_html(request)
        return document_page(text)


class _Metrics(_OfLedger):
    """What Prometheus reads."""

    _page: Callable[[str], tuple[bytes, str]] | None = None

    def answer(self, request: Request) -> bytes:
        if self._page is None:
            from gateway.observe.metrics import Metrics

            self._page = Metrics(self._ledger).page
        body, content_type = self._page(request.getHeader("accept") or "")
        request.setHeader("content-type", content_type)
        return body


def _set_html(request: Request) -> None:
    from gateway.observe.page.status_style import CONTENT_SECURITY_POLICY

    request.setHeader("content-type", _HTML)
    request.setHeader("content-security-policy", CONTENT_SECURITY_POLICY)
    request.setHeader("x-content-type-options", "nosniff")
    request.setHeader("referrer-policy", "no-referrer")
    request.setHeader("cache-control", "no-store")


def _text(request: Request, code: int, body: bytes, message: bytes | None = None) -> bytes:
    request.setResponseCode(code, message)
    request.setHeader("content-type", _TEXT)
    return body


def _json(request: Request, well: bool, body: dict[str, Any]) -> bytes:
    request.setHeader("content-type", "application/json")
    request.setResponseCode(200 if well else 503)
    return json.dumps(body).encode() + b"\n"


def _without_body(request: Request, body: bytes) -> bytes:
    """The body, but for HEAD, whose answer has the headers alone (RFC 9110 9.3.2)."""
    if request.method != b"HEAD":
        return body
    request.setHeader("content-length", str(len(body)))
    return b""
