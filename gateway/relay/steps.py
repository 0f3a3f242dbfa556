"""The steps that an operation takes, one after another, and their answers: requests to the server, what goes to the
client, questions to whoever holds the session and notices to it (gateway/relay/questions.py).

An operation is a generator: it yields a step, is sent that step's answer, and returns an Outcome. A step
that fails ends the whole operation, so a generator sees only answers that belong to what it asked.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from gateway.ldap.controls import Control
from gateway.ldap.dn import DN
from gateway.ldap.entry_stream import Tally
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
from gateway.policy.shrink import Shape, Sizes
from gateway.relay.aside import PutAside
from gateway.relay.questions import Notice, Question, Reply


@dataclass(frozen=True, slots=True)
class Ask:
    """A request with one response: a BindResponse or an ExtendedResponse comes back. The controls of an answer to a
    bind with controls are kept at the operation."""

    request: BindRequest | ExtendedRequest
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A small search for the gateway itself; Found comes back. No more than maximum entries are kept."""

    request: SearchRequest
    maximum: int = 2
    controls: tuple[Control, ...] = ()


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Stream:
    """A search whose entries go to the client as they arrive; Streamed comes back.

    tally: counts what is sent. most: entries that may be sent, None for any number; one more that could be sent
    ends the step with sizeLimitExceeded. aside: takes the entries that cannot be sent yet because they have
    attributes in ranges; None where ranges pass as they are. in_order: those behind such an entry wait with it. page:
    entries that the client's page has room for, None for any number; carry: takes the others. drops_references: no
    reference goes to the client.
    """

    request: Final[SearchRequest]
    tally: Final[Tally]
    controls: Final[tuple[Control, ...]]
    most: Final[int | None]
    aside: Final[PutAside | None]
    page: Final[int | None]
    carry: Final[PutAside | None]
    in_order: Final[bool]
    drops_references: Final[bool]

    def __init__(
        self,
        request: SearchRequest,
        tally: Tally,
        controls: tuple[Control, ...] = (),
        most: int | None = None,
        aside: PutAside | None = None,
        page: int | None = None,
        carry: PutAside | None = None,
        in_order: bool = False,
        drops_references: bool = False,
    ) -> None:
        self.request = request
        self.tally = tally
        self.controls = controls
        self.most = most
        self.aside = aside
        self.page = page
        self.carry = carry
        self.in_order = in_order
        self.drops_references = drops_references


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Resume:
    """Entries that were carried from the client's page before go to the client; Streamed comes back. carry: where they
    are, and those stay for which this page has no room. The rest as in Stream."""

    tally: Final[Tally]
    carry: Final[PutAside]
    page: Final[int]
    most: Final[int | None]
    aside: Final[PutAside | None]
    in_order: Final[bool]

    def __init__(
        self,
        tally: Tally,
        carry: PutAside,
        page: int,
        most: int | None = None,
        aside: PutAside | None = None,
        in_order: bool = False,
    ) -> None:
        self.tally = tally
        self.carry = carry
        self.page = page
        self.most = most
        self.aside = aside
        self.in_order = in_order


@dataclass(frozen=True, slots=True)
class Deliver:
    """An entry that the gateway has put together, of what the policy passed, goes to the client; Ready comes back.

    tally: where its octets count."""

    entry: SearchResultEntry = field(repr=False)
    tally: Tally


@dataclass(frozen=True, slots=True)
class AwaitTurn:
    """Until no other operation of the session has the turn; Ready comes back. It lasts to the operation's end."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a Look.

    entries: the first ones, at most Look.maximum. count: how many there were.
    """

    result: LDAPResult
    entries: tuple[SearchResultEntry, ...]
    count: int


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Streamed:
    """The answer to a Stream or a Resume: how it ended.

    received: entries of this step; taken: those of them that the client's page takes. over_limit: the result is the
    gateway's own, there were more than Stream.most. stray: so it is, and this is the name of an entry that is inside
    the search's base by loose comparison alone; untouched: before it nothing of this step had come to the client.
    """

    result: Final[LDAPResult]
    controls: Final[tuple[Control, ...]]
    received: Final[int]
    over_limit: Final[bool]
    taken: Final[int]
    stray: Final[DN | None]
    untouched: Final[bool]

    def __init__(
        self,
        result: LDAPResult,
        controls: tuple[Control, ...] = (),
        received: int = 0,
        over_limit: bool = False,
        taken: int = 0,
        stray: DN | None = None,
        untouched: bool = False,
    ) -> None:
        self.result = result
        self.controls = controls
        self.received = received
        self.over_limit = over_limit
        self.taken = taken
        self.stray = stray
        self.untouched = untouched


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer to a step that nobody answers: it is done."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a session is bound as; name as the audit records show it. dn: of the person whom the look-up behind a
    sign-in by a name found, with the configured spelling of the login base; "" where nobody was looked up."""

    kind: AccountKind
    name: str
    dn: str = ""


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Outcome:
    """How an operation ends.

    account: of a bind that succeeded; a bind without one leaves its session anonymous. reported: what would have been
    refused or failed. sizes: of a complete search, to be remembered. more: of a success that is not the whole result.
    guarded_for: of a bind that the lockout guard refused, seconds until it may be tried again if nothing happens
    meanwhile; None for any other. value: of the response to an extended request, None for no value.
    """

    result: Final[LDAPResult]
    controls: Final[tuple[Control, ...]]
    reason: Final[Reason | None]
    detail: Final[str]
    account: Final[Account | None]
    reported: Final[tuple[Reason, ...]]
    sizes: Final[tuple[Shape, Sizes] | None]
    more: Final[bool]
    guarded_for: Final[float | None]
    value: Final[bytes | None]

    def __init__(
        self,
        result: LDAPResult,
        controls: tuple[Control, ...] = (),
        reason: Reason | None = None,
        detail: str = "",
        account: Account | None = None,
        reported: tuple[Reason, ...] = (),
        sizes: tuple[Shape, Sizes] | None = None,
        more: bool = False,
        guarded_for: float | None = None,
        value: bytes | None = None,
    ) -> None:
        self.result = result
        self.controls = controls
        self.reason = reason
        self.detail = detail
        self.account = account
        self.reported = reported
        self.sizes = sizes
        self.more = more
        self.guarded_for = guarded_for
        self.value = value


ServerStep: TypeAlias = Ask | Look | Stream
Step: TypeAlias = ServerStep | Resume | Deliver | AwaitTurn | Question | Notice
Answer: TypeAlias = BindResponse | ExtendedResponse | Found | Streamed | Ready | Reply
Steps: TypeAlias = Generator[Step, Answer, Outcome]
