"""Microsoft Graph, as far as the copy asks it: delta queries, lists of ids and the count of people."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import quote

from gateway.demo.tenant.delta import TIDY, Item, Query, Untidiness, first_round, next_round
from gateway.demo.tenant.mishaps import Fault
from gateway.demo.tenant.model import Kind, Tenant
from gateway.demo.tenant.wire import Answer, Asked, error, json_answer

_VERSION: Final = "/v1.0"
# The SDKs ask with the whole name and with parentheses.
_DELTA: Final = re.compile(r"/(users|groups|contacts)/(?:microsoft\.graph\.)?delta(?:\(\))?")
_LIST: Final = re.compile(r"/(users|groups|contacts)")
# Seconds that a token is good for.
TOKEN_LIFE: Final = 7 * 86400.0
# What a list has on a page, at most and where nothing is said of it.
_TOP: Final = 999
_DEFAULT_TOP: Final = 100

PERMISSIONS: Final = {
    Kind.users: "User.Read.All",
    Kind.groups: "GroupMember.Read.All",
    Kind.contacts: "OrgContact.Read.All",
}


def _no_fault(asked: Asked) -> Fault | None:
    return None


@dataclass(slots=True)
class Behaviour:
    """How Graph behaves, to be set by whoever tries the copy out.

    untidy: the disorder of rounds. fault: asked before each answer. permissions: what the app was granted. unsupported:
    properties that cannot be selected. retried_tokens_fail: whether the link of a page that was asked for twice leads
    nowhere, as happens. count_off: what the count of people is wrong by.
    """

    untidy: Untidiness = TIDY
    fault: Callable[[Asked], Fault | None] = _no_fault
    permissions: Collection[str] = frozenset(PERMISSIONS.values())
    unsupported: Collection[str] = frozenset()
    retried_tokens_fail: bool = False
    count_off: int = 0


@dataclass(slots=True)
class _Round:
    """A round of a delta query, whose pages are made. place: in the journal, where the next one begins. asked: how
    often each page was asked for."""

    query: Query
    pages: list[list[Item]]
    place: int
    asked: dict[int, int] = field(default_factory=dict)


class Graph:
    """The stand-in for Graph. origin: where it is, such as `https://127.0.0.1:8443`. is_valid: whether an access token
    is one that the authority gave out. asked: the targets of all requests, in order."""

    def __init__(
        self,
        tenant: Tenant,
        is_valid: Callable[[str], bool],
        now: Callable[[], float],
        random: Random,
        origin: str = "https://graph.test",
    ) -> None:
        self.tenant = tenant
        self.behaviour = Behaviour()
        self.origin = origin
        self.asked: list[str] = []
        self._is_valid = is_valid
        self._now = now
        self._random = random
        # By token: a page of a round, or where the next round begins; with the time at which the token was made.
        self._next: dict[str, tuple[_Round, int, float]] = {}
        self._since: dict[str, tuple[Query, int, float]] = {}
        self._lists: dict[str, tuple[Kind, int, int]] = {}

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked.target)
        fault = self.behaviour.fault(asked)
        answer = None if fault is None else fault.instead(asked)
        if answer is None:
            answer = self._answer(asked)
        return answer if fault is None else fault.broken(asked, self.origin, answer)

    def forget_tokens(self) -> None:
        """Makes all links unknown that were given out."""
        self._next.clear()
        self._since.clear()

    def _answer(self, asked: Asked) -> Answer:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self._is_valid(token):
            return error(401, "InvalidAuthenticationToken", "Access token is empty or not valid.")
        if asked.method != "GET":
            return error(405, "Request_BadRequest", "Only GET is understood here.")
        path = asked.path.removeprefix(_VERSION)
        for pattern, answer in ((_DELTA, self._delta), (_LIST, self._list)):
            found = pattern.fullmatch(path)
            if found is not None and asked.path.startswith(_VERSION):
                kind = Kind(found[1])
                if PERMISSIONS[kind] not in self.behaviour.permissions:
                    return error(
                        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
                    )
                return answer(kind, asked)
        if path == "/users/$count":
            return self._count(asked)
        return error(404, "Request_ResourceNotFound", f"Resource not found for the segment {path!r}.")

    def _delta(self, kind: Kind, asked: Asked) -> Answer:
        query = asked.query
        if unsupported := {"$top", "$expand", "$orderby"} & query.keys():
            return error(400, "Request_UnsupportedQuery", f"{min(unsupported)} is not supported here.")
        if "return=minimal" in asked.headers.get("prefer", ""):
            return error(400, "Request_UnsupportedQuery", "The stand-in has no minimal answers.")
        if "$skiptoken" in query:
            return self._page(query["$skiptoken"], kind)
        if "$deltatoken" in query:
            found = self._since.get(query["$deltatoken"])
            if found is None or found[0].kind is not kind or self._now() - found[2] > TOKEN_LIFE:
                return error(
                    400, "syncStateNotFound", "The delta token is expired and data must be synchronized again."
                )
            return self._begin(found[0], found[1])
        select = tuple(name for name in query.get("$select", "").split(",") if name)
        if refused := [name for name in select if name in self.behaviour.unsupported or name == "*"]:
            return error(400, "Request_BadRequest", f"$select is not supported for these properties: {refused[0]}")
        return self._begin(Query(kind, select), None)

    def _begin(self, query: Query, since: int | None) -> Answer:
        untidy, place = self.behaviour.untidy, len(self.tenant.journal)
        if since is None:
            pages = first_round(self.tenant, query, untidy, self._random)
        else:
            pages = next_round(self.tenant, query, since, untidy, self._random)
        return self._told(_Round(query, pages, place), 0)

    def _page(self, token: str, kind: Kind) -> Answer:
        found = self._next.get(token)
        if found is None or found[0].query.kind is not kind or self._now() - found[2] > TOKEN_LIFE:
            return error(400, "DirectoryPageTokenNotFoundException", "The directory page token was not found.")
        return self._told(found[0], found[1])

    def _told(self, round: _Round, at: int) -> Answer:
        kind = round.query.kind
        times = round.asked[at] = round.asked.get(at, 0) + 1
        page: dict[str, Any] = {"@odata.context": f"{self.origin}{_VERSION}/$metadata#{kind}", "value": round.pages[at]}
        token = self._token()
        link = f"{self.origin}{_VERSION}/{kind}/delta?"
        if at + 1 < len(round.pages):
            if times == 1 or not self.behaviour.retried_tokens_fail:
                self._next[token] = (round, at + 1, self._now())
            page["@odata.nextLink"] = f"{link}$skiptoken={quote(token)}"
        else:
            self._since[token] = (round.query, round.place, self._now())
            page["@odata.deltaLink"] = f"{link}$deltatoken={quote(token)}"
        return json_answer(200, page)

    def _list(self, kind: Kind, asked: Asked) -> Answer:
        query = asked.query
        begin, top = 0, min(_TOP, int(query.get("$top", _DEFAULT_TOP)))
        if "$skiptoken" in query:
            found = self._lists.get(query["$skiptoken"])
            if found is None or found[0] is not kind:
                return error(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")
            _, begin, top = found
        select = tuple(name for name in query.get("$select", "").split(",") if name)
        present = list(self.tenant.present(kind))
        told = Query(kind, select)
        page: dict[str, Any] = {
            "@odata.context": f"{self.origin}{_VERSION}/$metadata#{kind}",
            "value": [told.told(each) for each in present[begin : begin + top]],
        }
        if begin + top < len(present):
            token = self._token()
            self._lists[token] = (kind, begin + top, top)
            page["@odata.nextLink"] = (
                f"{self.origin}{_VERSION}/{kind}?$select={','.join(select)}&$top={top}&$skiptoken={quote(token)}"
            )
        return json_answer(200, page)

    def _count(self, asked: Asked) -> Answer:
        if PERMISSIONS[Kind.users] not in self.behaviour.permissions:
            return error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        if asked.headers.get("consistencylevel", "").lower() != "eventual":
            return error(400, "Request_BadRequest", "$count is not currently supported without ConsistencyLevel.")
        number = sum(1 for _ in self.tenant.present(Kind.users)) + self.behaviour.count_off
        return Answer(200, str(number).encode(), {"Content-Type": "text/plain"})

    def _token(self) -> str:
        return f"{self._random.getrandbits(128):032x}"
