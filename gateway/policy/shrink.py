"""The shrink guard: whether a complete search gave so much less than last time that people have probably been lost.

A service deletes or disables whoever is missing from its next sync. So what the same search gave last time is
remembered, and a result that lost more than the configuration permits is not called a success.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, final

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.controls import DOMAIN_SCOPE, PAGED_RESULTS, SORT, Control, write_controls
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import write_filter
from gateway.ldap.messages import SCOPE_NAMES, SearchRequest
from gateway.policy.filter_times import asks_for_changes, without_times

# With and without these the same entries come: in pages, in another order, without references.
_SAME_ENTRIES: Final = frozenset({PAGED_RESULTS, SORT, DOMAIN_SCOPE})


class ShrinkMode(StrEnum):
    """What the shrink guard does.

    enforce: a result that shrank ends in an error. report: it is recorded and passes. off: nothing is kept.
    """

    enforce = "enforce"
    report = "report"
    off = "off"


@dataclass(frozen=True, slots=True)
class ShrinkSettings:
    """The settings of the shrink guard.

    keep_at_least: per cent of each figure of the last complete result, 1 to 100. minimum: results with fewer entries
    are not remembered, and figures below it are not compared.
    """

    mode: ShrinkMode = ShrinkMode.enforce
    keep_at_least: int = 80
    minimum: int = 50


@final
class Shape:
    """What makes two searches the same one, from one sync run to the next.

    key: 32 octets, equal for searches of one client with the same base, scope, filter and attributes, in whatever
    order and case, and with the same controls that change a result; times in the filter make no difference.
    account: the listed spelling by which the session signed in, "" for an anonymous one. Each has sizes of its own.
    """

    __slots__ = ("_described", "account", "client", "key")

    def __init__(self, client: str, key: bytes, described: str | SearchRequest, account: str = "") -> None:
        """described: its description, or the search that it is to be made of."""
        self.client: Final = client
        self.key: Final = key
        self.account: Final = account
        self._described: Final = described

    @property
    def description(self) -> str:
        """For people; the values in the filter are shown as `?`. Not made before it is wanted: most never is."""
        if isinstance(self._described, str):
            return self._described
        base, scope = self._described.base or "the root", SCOPE_NAMES[self._described.scope]
        return f"{base} ({scope}) {filter_text(self._described.filter, values=False)}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Shape):
            return False
        return (self.client, self.key, self.account) == (other.client, other.key, other.account)

    def __hash__(self) -> int:
        return hash((self.client, self.key, self.account))


@dataclass(frozen=True, slots=True)
class AttributeSize:
    """How much of one attribute a search has sent. entries: that had the attribute. values: sent of it in all."""

    name: str
    entries: int
    values: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one complete search sent."""

    entries: int
    attributes: tuple[AttributeSize, ...] = ()


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Remembered:
    """What a search is compared with.

    sizes: what the last complete search of a shape gave; where the account has none of its own, what the client's last
    one by another account gave; None where nothing is known. accepted: an administrator has said that the next complete
    result is right, whatever its sizes.
    """

    sizes: Final[Sizes | None]
    accepted: Final[bool]

    def __init__(self, sizes: Sizes | None, accepted: bool = False) -> None:
        self.sizes = sizes
        self.accepted = accepted


@dataclass(frozen=True, slots=True)
class Loss:
    """A figure that is lower than it may be. figure: `entries`, `entries with mail` or `values of mail`."""

    figure: str
    before: int
    now: int

    def __str__(self) -> str:
        return f"{self.figure}: {self.now}, last time {self.before}"


# A service asks for the same few lists of attributes over and over. Characters of one that is remembered.
_REMEMBERED_LISTS: Final = 100
_LONGEST_LIST: Final = 4096


@final
class Shapes:
    """Those of one client's searches."""

    __slots__ = ("_client", "_lists")

    def __init__(self, client: str) -> None:
        self._client = client
        self._lists: dict[tuple[str, ...], str] = {}

    def of(self, request: SearchRequest, account: str = "", controls: tuple[Control, ...] = ()) -> Shape | None:
        """None for a search that asks only for changes since some time: how many there are says nothing.

        request: as the client means it, its base parsed and written anew, before the gateway narrows it or adds a
        filter of its own; so that a mistake in these is a change of the result and not of the shape. controls: that
        the server is sent with it.
        """
        if asks_for_changes(request.filter):
            return None
        scope = SCOPE_NAMES[request.scope]
        attributes = self._list(request.attributes)
        text = f"{self._client}\0{request.base.lower()}\0{scope}\0{attributes}\0{request.types_only}\0"
        # Keys lie on disk: for a search without times and controls they are the same as ever.
        octets = text.encode() + write_filter(without_times(request.filter)) + _result_controls(controls)
        return Shape(self._client, sha256(octets).digest(), request, account)

    def _list(self, attributes: tuple[str, ...]) -> str:
        known = self._lists.get(attributes)
        if known is None:
            known = ",".join(sorted({canonical_type(name) for name in attributes}))
            if len(self._lists) >= _REMEMBERED_LISTS:
                self._lists.clear()
            if sum(map(len, attributes)) <= _LONGEST_LIST:
                self._lists[attributes] = known
        return known


def losses(before: Sizes, now: Sizes, settings: ShrinkSettings) -> tuple[Loss, ...]:
    """Every figure of which less than keep_at_least is left. now: with every attribute that is still listed; what was
    taken from the list on purpose is no loss."""
    if before.entries < settings.minimum:
        return ()
    left = {size.name: size for size in now.attributes}
    figures = [("entries", before.entries, now.entries)]
    for size in before.attributes:
        current = left.get(size.name)
        if current is None:
            continue
        figures.append((f"entries with {size.name}", size.entries, current.entries))
        figures.append((f"values of {size.name}", size.values, current.values))
    return tuple(
        Loss(figure, then, since)
        for figure, then, since in figures
        if then >= settings.minimum and since * 100 < then * settings.keep_at_least
    )


def _result_controls(controls: tuple[Control, ...]) -> bytes:
    """Octets that are equal where the controls change a result in the same way, in whatever order they come; none
    where they do not change it."""
    changing = sorted((control.oid, control.value or b"") for control in controls if control.oid not in _SAME_ENTRIES)
    # Critical or not, a server that knows a control does the same.
    return write_controls(tuple([Control(oid, False, value) for oid, value in changing]))
