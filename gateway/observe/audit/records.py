"""The records of operations, sync runs, the lockout guard, links and losses as objects of JSON. fields.py has their
fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, Final, final

from gateway.link.observer import LinkEvent
from gateway.observe.audit.fields import (
    GUARD_BEGINS,
    GUARD_ENDS,
    LINK,
    LOST,
    SYNC,
    SYNC_CUT_SHORT,
    Field,
    operation_fields,
)
from gateway.observe.audit.writer import Loss
from gateway.observe.sync_runs import SyncRun
from gateway.relay.audit import AuditRecord
from gateway.state.guards import GuardChange

# Objects of as many different values of the fields that have few are kept, to begin the next ones with.
_REMEMBERED: Final = 64


@final
class _Objects:
    """What makes the objects of the records of one kind. fields: of those with few values at least one, of the others
    at least two."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields: Final = fields
        fresh = [field for field in fields if not field.few]
        made = [(field, field.make) for field in fresh if field.make is not None and not field.filled]
        few = sorted({name for field in fields if field.few for name in field.reads})
        # A tuple, or of one attribute that alone.
        self._read_few: Final[Callable[[object], Any]] = attrgetter(*few)
        self._read: Final[Callable[[object], tuple[Any, ...]]] = attrgetter(*(field.reads[0] for field in fresh))
        self._names: Final = tuple(field.name for field in fresh)
        self._filled: Final = tuple((field.name, field) for field in fresh if field.filled)
        self._wide: Final = tuple((field.name, make) for field, make in made if field.wide)
        self._of_one: Final = tuple((f.name, make) for f, make in made if not f.wide and len(f.reads) == 1)
        self._of_several: Final = tuple((f.name, attrgetter(*f.reads), make) for f, make in made if len(f.reads) > 1)
        self._known: Final[dict[Any, dict[str, Any]]] = {}

    def of(self, subject: object, filter_values: bool, now: float) -> dict[str, Any]:
        """The object of one record. subject: what it tells of. now: the end of an operation, in seconds since the
        epoch."""
        few = self._read_few(subject)
        begun = self._known.get(few)
        if begun is None:
            begun = self._begin(few, subject)
        # Each name has its place already; first each gets the attribute that the field is made of.
        shown = begun.copy()
        shown.update(zip(self._names, self._read(subject), strict=True))
        for name, field in self._filled:
            value = shown[name]
            # None, or an empty text or list; 0 is a number like others.
            if not value and value != 0:
                del shown[name]
            elif field.make is not None:
                shown[name] = field.make(value, filter_values, now) if field.wide else field.make(value)
        for name, wide in self._wide:
            shown[name] = wide(shown[name], filter_values, now)
        for name, of_one in self._of_one:
            shown[name] = of_one(shown[name])
        for name, read, of_several in self._of_several:
            shown[name] = of_several(*read(subject))
        return shown

    def _begin(self, few: Any, subject: object) -> dict[str, Any]:
        """An object with the values of the fields that have few, and with the places of the others."""
        begun: dict[str, Any] = {}
        for field in self._fields:
            if not field.few:
                begun[field.name] = None
                continue
            value = attrgetter(field.reads[0])(subject)
            if value or value == 0 or not field.filled:
                begun[field.name] = value if field.make is None else field.make(value)
        if len(self._known) >= _REMEMBERED:
            # The one that came first: what recurs is soon back.
            del self._known[next(iter(self._known))]
        self._known[few] = begun
        return begun


def audit_object(record: AuditRecord, filter_values: bool, now: float) -> dict[str, Any]:
    """An operation as JSON values; what does not apply to it is left out. A bind is a sign-in, and says what became
    of it. Of the usual search `search_text` in record_line.py makes the JSON without this object;
    tests/observe/test_record_line.py holds the two equal.

    filter_values: whether the values of the filter are shown; otherwise each is `?`. now: the end of the
    operation, in seconds since the epoch.
    """
    return _operations(record.operation).of(record, filter_values, now)


def sync_object(run: SyncRun) -> dict[str, Any]:
    """A sync run that is over."""
    return (_SYNCS_CUT_SHORT if run.cut_short else _SYNCS).of(run, False, 0.0)


def guard_object(change: GuardChange, now: float) -> dict[str, Any]:
    """The lockout guard of an account that has begun, or ended. now: in seconds since the epoch."""
    return (_GUARDS_BEGUN if change.end is None else _GUARDS_ENDED).of(change, False, now)


def link_object(event: LinkEvent, now: float) -> dict[str, Any]:
    """Something that has happened on a link. now: in seconds since the epoch."""
    return _LINKS.of(event, False, now)


def lost_object(count: int, first: float, last: float, why: str) -> dict[str, Any]:
    """Records that could not be written, in the place where they would stand. first, last: when the operations ended,
    in seconds since the epoch."""
    return _LOSSES.of(Loss(count, first, last, why), False, 0.0)


@cache
def _operations(operation: str) -> _Objects:
    return _Objects(operation_fields(operation))


_SYNCS: Final = _Objects(SYNC)
_SYNCS_CUT_SHORT: Final = _Objects(SYNC_CUT_SHORT)
_GUARDS_BEGUN: Final = _Objects(GUARD_BEGINS)
_GUARDS_ENDED: Final = _Objects(GUARD_ENDS)
_LINKS: Final = _Objects(LINK)
_LOSSES: Final = _Objects(LOST)
