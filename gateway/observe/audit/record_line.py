"""The line of one operation. The reactor makes it, so that it is part of what each operation costs: the usual search is
put together from parts, at half the cost of its `audit_object` and of what JSON makes of that.

So the fields of a search stand twice: here, and in the table in fields.py that everything else is made from.
`test_the_line_is_what_the_records_object_says` in tests/observe/test_record_line.py holds the two equal.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.ldap.filter_text import filter_text
from gateway.ldap.results import result_name
from gateway.observe.audit.line import (
    MOST_OCTETS,
    AuditLine,
    encode,
    escaped,
    line_octets,
    octets_of,
    operation_severity,
)
from gateway.observe.audit.records import audit_object
from gateway.observe.audit.settings import AuditFormat
from gateway.observe.moment import milliseconds, moment
from gateway.relay.audit import AuditRecord, CameBy

# What is remembered are the session's fields of as many sessions, as many lists of at most so many names, and as many
# of what else recurs: some megabytes where each is as long as the limits of messages allow, some kilobytes otherwise.
_SESSIONS: Final = 256
_LISTS: Final = 32
_NAMES: Final = 64
_OTHERS: Final = 64


def record_line(
    record: AuditRecord, filter_values: bool, form: AuditFormat, now: float, most: int = MOST_OCTETS
) -> AuditLine:
    """`audit_line` of the record's `audit_object`."""
    if record.operation == "search" and form is AuditFormat.json:
        text = search_text(record, filter_values, now)
        if text is not None:
            octets = octets_of(escaped(text))
            if len(octets) <= most:
                return AuditLine(octets, "search", operation_severity(record.decision, record.reason, record.code), now)
    octets = line_octets(audit_object(record, filter_values, now), form, most)
    return AuditLine(octets, record.operation, operation_severity(record.decision, record.reason, record.code), now)


def search_text(record: AuditRecord, filter_values: bool, now: float) -> str | None:
    """The `json_text` of a search's `audit_object`, not escaped yet; None where it has one of the fields that most
    searches have not."""
    if (
        record.mapped_to
        or record.suspicious
        or record.narrowed_to
        or record.mended
        or record.reported
        or record.detail
        or record.server_meaning
        or record.filter is None
    ):
        return None
    asked, forwarded, held_back = record.asked or (), record.forwarded, record.held_back
    few = len(asked) <= _NAMES and len(held_back) <= _NAMES and (forwarded is None or len(forwarded) <= _NAMES)
    return (
        f'{{"time": "{moment(now - record.seconds)}", "record": "operation", '
        f"{_session(record.session, record.client, record.source, record.came_by, record.account)}"
        f'"operation": "search", "message_id": {record.message_id}, {_place(record.base, record.scope)}'
        f'"filter": {encode(filter_text(record.filter, values=filter_values))}, '
        f"{(_few_lists if few else _lists)(asked, forwarded, held_back)}"
        f'"pages": {record.pages}, "entries": {record.sent}, '
        f'"entries_held_back": {record.entries_held_back}, "references_dropped": {record.references_dropped}, '
        f"{_outcome(record.decision, record.reason, record.code, record.server_code)}"
        f'"bytes": {record.octets}, "ms": {milliseconds(record.seconds)}, {_server(record.server)}'
        f"{_server_session(record.server_session) if record.server_session else ''}}}"
    )


@lru_cache(_SESSIONS)
def _session(session: str, client: str, source: str, came_by: CameBy | None, account: str) -> str:
    return (
        f'"session": {encode(session)}, "client": {encode(client)}, "source": {encode(source)}, '
        f'{"" if came_by is None else _came_by(came_by)}"account": {encode(account)}, '
    )


def _came_by(came_by: CameBy) -> str:
    return (
        f'"link": {encode(came_by.link)}, "outside_session": {encode(came_by.session)}, '
        f'"said_source": {encode(came_by.source)}, '
    )


@lru_cache(_OTHERS)
def _place(base: str, scope: str) -> str:
    return f'"base": {encode(base)}, "scope": {encode(scope)}, '


def _lists(asked: tuple[str, ...], forwarded: tuple[str, ...] | None, held_back: tuple[str, ...]) -> str:
    return f'"asked": {encode(asked)}, "forwarded": {encode(forwarded)}, "held_back": {encode(held_back)}, '


_few_lists = lru_cache(_LISTS)(_lists)


@lru_cache(_OTHERS)
def _outcome(decision: str, reason: str, code: int | None, server_code: int | None) -> str:
    result = None if code is None else result_name(code)
    said = "" if server_code is None else f'"server_code": {server_code}, '
    return (
        f'"decision": {encode(decision)}, "reason": {encode(reason)}, '
        f'"result": {encode(result)}, "code": {encode(code)}, {said}'
    )


@lru_cache(_OTHERS)
def _server(server: str) -> str:
    return f'"server": {encode(server)}'


def _server_session(session: str) -> str:
    return f', "server_session": {encode(session)}'
