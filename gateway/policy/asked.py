"""What a decision is made of: a request, and what its session knows besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from gateway.ldap.controls import Control
from gateway.ldap.errors import RequestFault
from gateway.ldap.messages import Request
from gateway.policy.at_server import Features
from gateway.policy.base_spelling import BaseSpellings
from gateway.policy.decision import AccountKind
from gateway.policy.mending import Budget
from gateway.policy.reasons import Reason


@final
@dataclass(init=False, slots=True)
class Asked:
    """A request of a client, and the facts of its session that the decision depends on.

    bound_as: None for a session that is not bound, which one with a bind is (RFC 4511 4.2.1). tls: the connection is
    encrypted. needs_tls: the listener serves nothing else before StartTLS. busy: not all operations have ended.
    obstacle: what the state of the running gateway has against the request, such as Reason.stopping while it drains
    (gateway/policy/obstacles.py); None for nothing. budget: for reading names that lack their escapes; None for any.
    fault: a value in the request that it may not have, and the request is blank then. server: what is known of the
    server that the request goes to; None where what depends on it is left open. spellings: of base DNs, by that server.
    """

    request: Final[Request]
    controls: Final[tuple[Control, ...]]
    bound_as: Final[AccountKind | None]
    tls: Final[bool]
    needs_tls: Final[bool]
    busy: Final[bool]
    obstacle: Final[Reason | None]
    budget: Final[Budget | None]
    fault: Final[RequestFault | None]
    server: Final[Features | None]
    spellings: Final[BaseSpellings]

    def __init__(
        self,
        request: Request,
        controls: tuple[Control, ...] = (),
        bound_as: AccountKind | None = None,
        tls: bool = True,
        needs_tls: bool = False,
        busy: bool = False,
        obstacle: Reason | None = None,
        budget: Budget | None = None,
        fault: RequestFault | None = None,
        server: Features | None = None,
        spellings: BaseSpellings = (),
    ) -> None:
        self.request = request
        self.controls = controls
        self.bound_as = bound_as
        self.tls = tls
        self.needs_tls = needs_tls
        self.busy = busy
        self.obstacle = obstacle
        self.budget = budget
        self.fault = fault
        self.server = server
        self.spellings = spellings
