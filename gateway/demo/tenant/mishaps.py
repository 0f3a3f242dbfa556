"""What can go wrong with one answer of Graph, as the stand-in does it when it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from gateway.demo.tenant.wire import Answer, Asked, error, json_answer

ELSEWHERE: Final = "https://graph.elsewhere.example"


class Mishap(StrEnum):
    """A way in which an answer goes wrong."""

    # Another answer in the place of the true one.
    throttled = "throttled"
    unavailable = "unavailable"
    bad_gateway = "bad gateway"
    gone = "gone"
    sync_state_not_found = "sync state not found"
    unknown_page = "unknown page"
    steady_state = "steady state"
    unauthorized = "unauthorized"
    forbidden = "forbidden"
    redirected = "redirected"
    no_answer = "no answer"
    not_json = "not JSON"
    # The true answer, broken on its way or by its author.
    cut = "cut"
    ends_early = "ends early"
    link_elsewhere = "link elsewhere"
    both_links = "both links"
    no_link = "no link"
    same_link = "same link"
    no_id = "no id"
    wrong_type = "wrong type"
    no_value = "no value"


# With these whoever asks has to begin anew.
BEGIN_ANEW: Final = frozenset({Mishap.gone, Mishap.sync_state_not_found, Mishap.unknown_page, Mishap.steady_state})
# With these whoever asks has to stop until a person has done something.
FINAL: Final = frozenset({Mishap.unauthorized, Mishap.forbidden})


@dataclass(frozen=True, slots=True)
class Fault:
    """A mishap of one answer. retry_after: the header's value where the answer has one, such as `1.5`."""

    mishap: Mishap
    retry_after: str | None = None

    def instead(self, asked: Asked) -> Answer | None:
        """The answer in the place of the true one; None where it is the true one that breaks."""
        made = _INSTEAD.get(self.mishap)
        if made is None:
            return None
        answer = made(asked)
        if self.retry_after is None:
            return answer
        return replace(answer, headers={**answer.headers, "Retry-After": self.retry_after})

    def broken(self, asked: Asked, origin: str, answer: Answer) -> Answer:
        """The true answer, broken. origin: where the stand-in is."""
        if answer.status != 200 or self.mishap not in _BREAKS:
            return answer
        if self.mishap is Mishap.cut:
            return replace(answer, cut_after=len(answer.body) // 2)
        if self.mishap is Mishap.ends_early:
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        page = json.loads(answer.body)
        if not isinstance(page, dict) or "value" not in page:
            return answer
        _BREAKS[self.mishap](page, origin + asked.target)
        return json_answer(200, page)


_NEXT: Final = "@odata.nextLink"
_DELTA: Final = "@odata.deltaLink"


def _link_elsewhere(page: dict[str, Any], url: str) -> None:
    page.pop(_DELTA, None)
    page[_NEXT] = f"{ELSEWHERE}/v1.0/users/delta?$skiptoken=x"


def _both_links(page: dict[str, Any], url: str) -> None:
    link = page.get(_NEXT) or page.get(_DELTA) or url
    page[_NEXT] = page[_DELTA] = link


def _no_link(page: dict[str, Any], url: str) -> None:
    page.pop(_NEXT, None)
    page.pop(_DELTA, None)


def _same_link(page: dict[str, Any], url: str) -> None:
    page.pop(_DELTA, None)
    page[_NEXT] = url


def _no_id(page: dict[str, Any], url: str) -> None:
    page["value"].append({"displayName": "Nobody"})


def _wrong_type(page: dict[str, Any], url: str) -> None:
    page["value"].append({"id": "00000000-0000-4000-8000-000000000001", "displayName": ["a", "list"]})


def _no_value(page: dict[str, Any], url: str) -> None:
    del page["value"]


def _unchanged(page: dict[str, Any], url: str) -> None:
    """For those that break the octets."""


_BREAKS: Final[dict[Mishap, Callable[[dict[str, Any], str], None]]] = {
    Mishap.cut: _unchanged,
    Mishap.ends_early: _unchanged,
    Mishap.link_elsewhere: _link_elsewhere,
    Mishap.both_links: _both_links,
    Mishap.no_link: _no_link,
    Mishap.same_link: _same_link,
    Mishap.no_id: _no_id,
    Mishap.wrong_type: _wrong_type,
    Mishap.no_value: _no_value,
}

_INSTEAD: Final[dict[Mishap, Callable[[Asked], Answer]]] = {
    Mishap.throttled: lambda _: error(429, "TooManyRequests", "Too many requests"),
    Mishap.unavailable: lambda _: error(503, "serviceNotAvailable", "The service is temporarily unavailable."),
    Mishap.bad_gateway: lambda _: Answer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    Mishap.gone: lambda asked: error(
        410, "resyncRequired", "Resync is required.", {"Location": f"{asked.path}?$deltatoken="}
    ),
    Mishap.sync_state_not_found: lambda _: error(
        400, "syncStateNotFound", "The sync state generation is not found. The delta token is expired."
    ),
    Mishap.unknown_page: lambda _: error(
        400, "DirectoryPageTokenNotFoundException", "The directory page token was not found."
    ),
    Mishap.steady_state: lambda _: error(400, "Request_BadRequest", "The token is not in a steady state."),
    Mishap.unauthorized: lambda _: error(401, "InvalidAuthenticationToken", "Access token has expired."),
    Mishap.forbidden: lambda _: error(403, "Authorization_RequestDenied", "Insufficient privileges."),
    Mishap.redirected: lambda asked: Answer(302, b"", {"Location": ELSEWHERE + asked.target}),
    Mishap.no_answer: lambda _: Answer(200, cut_after=-1),
    Mishap.not_json: lambda _: Answer(
        200, b"<html>Sign in to the hotel's network</html>", {"Content-Type": "text/html"}
    ),
}
