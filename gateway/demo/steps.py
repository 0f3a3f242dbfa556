"""What the simulated service did, step by step, and what each side saw of it: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from gateway.ldap.messages import Request, SearchRequest
from gateway.ldap.results import ResultCode
from gateway.policy.reasons import Reason

# A record of the audit, as the object that its line of JSON is.
Record: TypeAlias = Mapping[str, Any]


class Part(StrEnum):
    """A part of the demo."""

    sync = "sync"
    beyond = "beyond"
    sign_in = "sign-in"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the demo's policy makes of a request. reaches: whether the directory hears anything of it."""

    code: ResultCode | None = ResultCode.success
    reason: Reason | None = None
    reaches: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the service does.

    operation: connect, bind, search, delete or unbind. name: the bind name, or the entry to be deleted, or the
    URL. search: its request; page_size: 0 for an unpaged one.
    """

    part: Part
    title: str
    operation: str
    expected: Expected
    name: str = ""
    search: SearchRequest | None = None
    page_size: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """What came of one step of the demo.

    code, diagnostic: what the service was told; no code where nothing is told. entries, attributes: what it received,
    attributes by name. heard: what reached the directory. records: the audit's, one a page. inside: those of the
    gateway behind it, where there is one, whatever the first one asked of it. stayed: attributes that the directory
    gives to the same search asked directly, and that did not come through the gateway.
    """

    step: Step
    code: int | None = None
    diagnostic: str = ""
    pages: int = 0
    entries: int = 0
    attributes: tuple[str, ...] = ()
    heard: tuple[Request, ...] = ()
    records: tuple[Record, ...] = ()
    inside: tuple[Record, ...] = ()
    stayed: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The last one of the gateway, or of the one behind it; "" where neither gave any."""
        given = [record["reason"] for record in (*self.inside, *self.records) if record["reason"]]
        return given[-1] if given else ""

    @property
    def entries_held_back(self) -> int:
        """Entries that the directory sent and did not come through."""
        return sum(record.get("entries_held_back", 0) for record in (*self.inside, *self.records))

    @property
    def attributes_held_back(self) -> tuple[str, ...]:
        """By the audit, which has what was asked for by name, and what `*` would have given as well."""
        asked = [name for record in self.records for name in record.get("held_back") or ()]
        return tuple(sorted({*asked, *self.stayed}, key=str.lower))

    @property
    def attributes_forwarded(self) -> tuple[str, ...]:
        return tuple(self.records[-1].get("forwarded") or ()) if self.records else ()

    @property
    def searches_heard(self) -> tuple[SearchRequest, ...]:
        return tuple(request for request in self.heard if isinstance(request, SearchRequest))

    @property
    def as_expected(self) -> bool:
        expected = self.step.expected
        reason = expected.reason.value if expected.reason is not None else ""
        return (self.code, self.reason, bool(self.heard)) == (expected.code, reason, expected.reaches)
