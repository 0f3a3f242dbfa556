"""Microsoft Graph as the copy asks it: delta queries, lists of ids, the count of people; and what its statuses mean.

Nothing is asked but GET of v1.0, without `Prefer: return=minimal`: with it an answer would be told from a broken one by
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Collection as Names
from typing import Any, Final, TypeVar

from gateway.entra.gate import Gate
from gateway.entra.page import VERSION, read_count
from gateway.entra.properties import Collection
from gateway.entra.tokens import Tokens, retry_after
from gateway.entra.trouble import BeginAnew, Passing, Refused, Stopped, Trouble, Unauthorized
from gateway.entra.web import Reply, Web

Result = TypeVar("Result")

# How often in a row an answer that is not as it may be is asked for again before everything is read anew.
_REFUSALS: Final = 5
# Ids on a page of a list: the most that Graph gives.
_TOP: Final = 999
# By these codes Graph says that it cannot go on from a link; others say it in their text.
_ANEW_CODES: Final = frozenset(
    {
        "syncstatenotfound",
        "resyncrequired",
        "directory_expiredpagetoken",
        "directorypagetokennotfoundexception",
    }
)
_ANEW_TEXT: Final = "steady state"

PERMISSIONS: Final = {
    Collection.users: "User.Read.All",
    Collection.groups: "GroupMember.Read.All",
    Collection.contacts: "OrgContact.Read.All",
}


class Graph:
    """Asks Graph, and asks again where that helps. told: hears each time why it waits and for how many seconds,
    and "" once it goes on. patience: how often in a row a question is asked that has no answer; None for ever."""

    def __init__(
        self,
        origin: str,
        web: Web,
        tokens: Tokens,
        gate: Gate,
        told: Callable[[str, float], None],
        patience: int | None = None,
    ) -> None:
        self.origin = origin
        self._web = web
        self._tokens = tokens
        self._gate = gate
        self._told = told
        self._patience = patience

    def first_url(self, collection: Collection, select: Names[str]) -> str:
        return f"{self.origin}{VERSION}/{collection}/delta?$select={','.join(select)}"

    def ids_url(self, collection: Collection) -> str:
        return f"{self.origin}{VERSION}/{collection}?$select=id&$top={_TOP}"

    def asked(self, url: str, collection: Collection, read: Callable[[bytes], Result]) -> Result:
        """What `read` makes of the answer, which raises Refused where that is none. Raises BeginAnew, Stopped, and
        Passing where the patience ends."""
        return self._again(lambda: read(self._get(url, collection, {})))

    def people(self) -> int:
        """How many people Graph says that there are, guests among them."""
        url = f"{self.origin}{VERSION}/{Collection.users}/$count"
        headers = {"ConsistencyLevel": "eventual", "Accept": "text/plain"}
        return self._again(lambda: read_count(self._get(url, Collection.users, headers)))

    def _again(self, ask: Callable[[], Result]) -> Result:
        refusals = unauthorized = tries = 0
        while True:
            self._gate.wait()
            try:
                found = ask()
            except Unauthorized as error:
                unauthorized += 1
                self._tokens.forget()
                if unauthorized > 1:
                    raise Stopped(str(error)) from None
            except Passing as error:
                tries += 1
                refusals += isinstance(error, Refused)
                if refusals >= _REFUSALS:
                    raise BeginAnew(f"{error}; it has come {refusals} times, so everything is read anew") from None
                if self._patience is not None and tries >= self._patience:
                    raise
                self._told(str(error), self._gate.shut(error.after))
            else:
                self._gate.passed()
                if tries:
                    self._told("", 0.0)
                return found

    def _get(self, url: str, collection: Collection, headers: dict[str, str]) -> bytes:
        reply = self._web.get(url, {"Authorization": f"Bearer {self._tokens.token(self._web)}", **headers})
        if reply.status == 200:
            return reply.body
        raise _trouble(reply, collection, begins="token=" not in url)


def _trouble(reply: Reply, collection: Collection, *, begins: bool) -> Trouble:
    """What a status of Graph's means. begins: whether the question carried no token of a round."""
    status = reply.status
    code, message = _error(reply.body)
    if status == 401:
        return Unauthorized(
            "Graph takes no token of the app, not even a new one: is `cloud` the tenant's, and the app enabled?"
        )
    if status == 403:
        return Stopped(
            f"Graph does not let the app read {collection}: grant {PERMISSIONS[collection]} as an application "
            "permission, with the consent of an administrator"
        )
    if status == 410 or code.lower() in _ANEW_CODES or _ANEW_TEXT in message.lower():
        return BeginAnew("Graph does not know any more where this copy is, so everything is read anew")
    if status == 429:
        return Passing("Graph wants to be asked less often (429)", retry_after(reply.headers))
    if status >= 500 and status != 501:
        return Passing(f"Graph cannot answer now ({status})", retry_after(reply.headers))
    if not begins:
        return BeginAnew(f"Graph does not take its own link any more ({status}), so everything is read anew")
    named = f": {said}" if (said := _printable(message)) else ""
    return Stopped(
        f"Graph refuses to be asked for these properties of {collection} ({status}{named}); take the attribute behind "
        "the one that it names out of the clients' attributes, and see `ldap-gateway entra check`"
    )


def _error(body: bytes) -> tuple[str, str]:
    """Code and message of an error of Graph; "" for what is missing."""
    try:
        found: Any = json.loads(body)["error"]
        code, message = found["code"], found["message"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return "", ""
    return (code, message) if isinstance(code, str) and isinstance(message, str) else ("", "")


def _printable(message: str) -> str:
    """What Graph says, as far as it can stand in a sentence."""
    return "".join(each for each in message if each.isascii() and each.isprintable())[:200].rstrip(". ")
