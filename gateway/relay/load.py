"""How much memory operations take from their requests to their ends, estimated in octets.

What is counted is what a client can make large: its requests, which are kept for the audit, as plans, and to compare
the pages of a search. It is an estimate from the size of a request and the number of its parts, a little above what
was measured. Entries on their way are not in it: limits of their own bound them (write_window, expanded_entry).
"""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from gateway.ldap.filters import count_elements
from gateway.ldap.messages import Request, SearchRequest
from gateway.policy.decision import SearchPlan
from gateway.relay.settings import SessionLimits

# Octets that a session may hold whatever the others do: enough for a bind and some usual look-ups. Otherwise whoever
# has many sessions could keep all others out.
ALWAYS: Final = 65_536

# Octets of an operation without its request, for one octet of the request (a name that was put right is kept in both
# forms), of one filter or substring, of the name of an attribute asked for, besides the name itself, of what is counted
# of one listed attribute, of one more base that a wider search is answered from, besides its name, and of what is told
# of a name that was put right, besides its two forms.
_OPERATION: Final = 6_000
_OCTET: Final = 2
_ELEMENT: Final = 250
_NAME: Final = 70
_COUNTED: Final = 80
_PART: Final = 200
_MENDED: Final = 400


class GatewayLoad:
    """The load of all sessions of a gateway. octets: held by operations and by paged searches between two pages.
    waiting: operations that wait until one that is open has ended."""

    __slots__ = ("octets", "waiting")

    def __init__(self) -> None:
        self.octets = 0
        self.waiting = 0


class SessionLoad:
    """The load of one session, which is a part of the gateway's. attributes: how many the client's policy lists."""

    __slots__ = ("_most", "_most_in_all", "_per_operation", "gateway", "octets")

    def __init__(self, gateway: GatewayLoad, limits: SessionLimits, attributes: int) -> None:
        self.gateway = gateway
        self.octets = 0
        self._most = limits.waiting
        self._most_in_all = limits.waiting_in_all
        self._per_operation = _OPERATION + _COUNTED * attributes

    @property
    def full(self) -> bool:
        """Whether the session holds as much as it may."""
        return self.octets >= self._most

    @property
    def most_between_pages(self) -> int:
        """Octets that paged searches may hold between two pages. They end when the client wants it, so they must leave
        room for operations, which end by themselves."""
        return self._most // 2

    def permits(self, octets: int) -> bool:
        """Whether so many octets more are within what all sessions may hold together."""
        return self.octets + octets <= ALWAYS or self.gateway.octets + octets <= self._most_in_all

    def add(self, octets: int) -> None:
        self.octets += octets
        self.gateway.octets += octets

    def remove(self, octets: int) -> None:
        self.octets -= octets
        self.gateway.octets -= octets

    def weight(self, octets: int, request: Request) -> int:
        """What an operation holds. octets: of the message with its request."""
        weight = self._per_operation + _OCTET * octets
        if isinstance(request, SearchRequest):
            weight += _ELEMENT * count_elements(request.filter) + _NAME * len(request.attributes)
            # One character beyond U+FFFF makes each character of its text take four octets. The base is held as it came
            # and as it is sent.
            weight += 2 * getsizeof(request.base) + sum(map(getsizeof, request.attributes))
        return weight


def weight_of_plan(plan: SearchPlan) -> int:
    """What an operation holds in addition for what became of its request."""
    weight = 0
    for part in plan.parts[1:]:
        weight += _PART + getsizeof(part.base)
    for name in plan.mended:
        weight += _MENDED + getsizeof(name.received) + getsizeof(name.meant)
    return weight
