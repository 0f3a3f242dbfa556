"""One connection of the gateway with the responder, without its socket: requests in, answers out, one after another.

Nothing can be changed (RFC 4511 4.6 to 4.10 are refused), and nobody signs in but with the token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import Final, cast

from twisted.logger import Logger

from gateway.entra.own_entries import CONTROLS
from gateway.entra.searching import Answer, SearchedCopy, Searching
from gateway.entra.token_file import TokenError, is_token
from gateway.ldap.decoding import RequestLimits, decode_request
from gateway.ldap.encoding import encode
from gateway.ldap.errors import DecodeError, RequestFault
from gateway.ldap.filters import FilterLimits
from gateway.ldap.framing import Framer
from gateway.ldap.messages import (
    AbandonRequest,
    BindRequest,
    ExtendedRequest,
    LDAPMessage,
    Request,
    SearchRequest,
    SimpleAuthentication,
    UnbindRequest,
    blank_request,
    final_response,
    notice_of_disconnection,
)
from gateway.ldap.results import LDAPResult, ResultCode

# Octets of one request: what the gateway narrows may be larger than what its own clients may send.
_LARGEST: Final = 4 * 1024 * 1024
_LIMITS: Final = RequestLimits(FilterLimits(depth=100, elements=10_000), attributes=2_000, controls=32)
# Requests that wait for their turn; no more is read meanwhile.
_MOST_WAITING: Final = 64

log = Logger(__name__)


class Conversation:
    """What is said on one connection. ended: nothing more comes of it, and the connection is to be closed."""

    def __init__(self, copy: SearchedCopy, token_file: Path) -> None:
        self.ended = False
        self._token_file = token_file
        self._searching = Searching(copy)
        self._framer = Framer(_LARGEST)
        self._waiting: deque[LDAPMessage] = deque()
        # The request that is being answered, by its message ID, and its answer.
        self._current = 0
        self._answer: Answer | None = None
        # Answers that did not have to wait.
        self._ready: list[bytes] = []
        self._bound = False

    @property
    def has_work(self) -> bool:
        return bool(self._ready or self._waiting or self._answer is not None)

    @property
    def full(self) -> bool:
        """Whether nothing more is to be read for now."""
        return len(self._waiting) >= _MOST_WAITING

    def received(self, data: bytes) -> None:
        self._framer.feed(data)
        self._take_in()

    def work(self) -> bytes:
        """Does a small part of what there is to do. The octets to be sent, b"" where none are ready yet."""
        if self._ready:
            ready = b"".join(self._ready)
            self._ready.clear()
            return ready
        if self._answer is None:
            if not self._waiting:
                return b""
            message = self._waiting.popleft()
            self._current = message.message_id
            self._answer = self._answered(message)
        octets = next(self._answer, None)
        if octets is None:
            self._answer = None
            self._take_in()
            return b""
        return octets

    def end(self) -> None:
        """Nobody reads the answers any more."""
        self.ended = True
        self._waiting.clear()
        self._ready.clear()
        self._give_up()
        self._searching.end()

    # Requests as they come.

    def _take_in(self) -> None:
        while not self.ended and not self.full:
            try:
                octets = self._framer.next_message()
                if octets is None:
                    return
                self._take(decode_request(octets, _LIMITS))
            except RequestFault as fault:
                self._fault(fault)
            except DecodeError as error:
                # RFC 4511 4.1.1 and 4.4.1.
                self._disconnect(str(error))

    def _take(self, message: LDAPMessage) -> None:
        request = message.operation
        if isinstance(request, UnbindRequest):
            self.end()
        elif isinstance(request, AbandonRequest):
            self._abandon(request.message_id)
        elif message.message_id == 0:
            self._disconnect("a request with the message ID 0")
        else:
            self._waiting.append(message)

    def _abandon(self, message_id: int) -> None:
        if self._answer is not None and self._current == message_id:
            self._give_up()
        self._waiting = deque([each for each in self._waiting if each.message_id != message_id])

    def _give_up(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def _fault(self, fault: RequestFault) -> None:
        request = blank_request(fault.tag)
        if request is not None:
            result = LDAPResult(fault.code, "", str(fault))
            self._ready.append(_final(fault.message_id, request, result))

    def _disconnect(self, said: str) -> None:
        self.end()
        self._ready.append(encode(notice_of_disconnection(ResultCode.protocolError, said)))

    # Requests in their turn.

    def _answered(self, message: LDAPMessage) -> Answer:
        request = cast(Request, message.operation)
        unknown = [each.oid for each in message.controls if each.critical and each.oid not in CONTROLS]
        if isinstance(request, SearchRequest) and not unknown:
            return self._searching.answer(message.message_id, request, message.controls, self._bound)
        if unknown:
            said = f"the critical control {unknown[0]} is not known here"
            result = LDAPResult(int(ResultCode.unavailableCriticalExtension), "", said)
        elif isinstance(request, BindRequest):
            result = self._bind(request)
        elif isinstance(request, ExtendedRequest):
            # RFC 4511 4.12.
            result = LDAPResult(int(ResultCode.protocolError), "", "no extended operation is known here")
        else:
            result = LDAPResult(int(ResultCode.unwillingToPerform), "", "a copy of a tenant can only be searched")
        return _one(_final(message.message_id, request, result))

    def _bind(self, request: BindRequest) -> LDAPResult:
        """The token alone tells who it is; the name counts for nothing. What is not a bind with it is anonymous."""
        self._bound = False
        code, said = ResultCode.success, ""
        if request.version != 3:
            code, said = ResultCode.protocolError, "only LDAP version 3 is spoken here"
        elif not isinstance(request.authentication, SimpleAuthentication):
            code, said = ResultCode.authMethodNotSupported, "only simple binds are known here"
        elif not request.authentication.password:
            if request.name:
                # RFC 4513 5.1.2.
                code, said = ResultCode.unwillingToPerform, "a bind with a name and without a password"
        else:
            try:
                self._bound = is_token(self._token_file, request.authentication.password)
            except TokenError as error:
                log.error("no bind can be answered: {error}", error=error)
                code, said = ResultCode.unavailable, "the token cannot be read; the log of this process says why"
            else:
                if not self._bound:
                    log.warn("a bind was refused: it has another token than {file}", file=str(self._token_file))
                    code, said = ResultCode.invalidCredentials, "this is not the token"
        return LDAPResult(int(code), "", said)


def _final(message_id: int, request: Request, result: LDAPResult) -> bytes:
    response = final_response(request, result)
    return b"" if response is None else encode(LDAPMessage(message_id, response))


def _one(octets: bytes) -> Generator[bytes, None, None]:
    yield octets
