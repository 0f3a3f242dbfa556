"""The upstream requests that an operation makes, one after another, and their answers.

An operation is a generator: it yields a step, is sent that step's answer, and returns an Outcome. A step
that fails ends the whole operation, so a generator sees only answers that belong to what it asked.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.ldap.controls import Control
from gateway.ldap.messages import (
    BindRequest,
    BindResponse,
    ExtendedRequest,
    ExtendedResponse,
    SearchRequest,
    SearchResultEntry,
)
from gateway.ldap.results import LDAPResult
from gateway.policy.decision import AccountKind
from gateway.policy.reasons import Reason


@dataclass(frozen=True, slots=True)
class Ask:
    """A request with one response: a BindResponse or an ExtendedResponse comes back."""

    request: BindRequest | ExtendedRequest


@dataclass(frozen=True, slots=True)
class Look:
    """A small search for the gateway itself; Found comes back. No more than maximum entries are kept."""

    request: SearchRequest
    maximum: int = 2


@dataclass(frozen=True, slots=True)
class Stream:
    """A search whose entries go to the client as they arrive; Streamed comes back."""

    request: SearchRequest
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """entries: the first ones, at most Look.maximum. count: how many there were."""

    result: LDAPResult
    entries: tuple[SearchResultEntry, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Streamed:
    result: LDAPResult
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a session is bound as; name as the audit records show it."""

    kind: AccountKind
    name: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ends.

    account: of a bind that succeeded. server_bound: the server accepted a bind that the client is not told
    of, so the connection carries an identity that the session does not have.
    """

    result: LDAPResult
    controls: tuple[Control, ...] = ()
    reason: Reason | None = None
    detail: str = ""
    account: Account | None = field(default=None)
    server_bound: bool = False


Step: TypeAlias = Ask | Look | Stream
Answer: TypeAlias = BindResponse | ExtendedResponse | Found | Streamed
Steps: TypeAlias = Generator[Step, Answer, Outcome]
