"""The line of one operation. The reactor makes it, so that it is part of what each operation costs: the usual search is
put together from parts, at half the cost of its `audit_object` and of what JSON makes of that."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.ldap.filter_text import filter_text
from gateway.ldap.results import ResultCode, result_name
from gateway.net.settings import AuditFormat
from gateway.observe.audit import audit_object
from gateway.observe.audit_line import AuditLine, audit_line, encode, escaped, octets_of, operation_severity
from gateway.observe.moment import moment
from gateway.relay.audit import AuditRecord

_RESULTS: Final = {int(code): encode(code.name) for code in ResultCode}

# What is remembered are the session's fields of as many sessions, and as many lists of at most so many names: some
# megabytes where each is as long as the limits of messages allow, some kilobytes otherwise.
_SESSIONS: Final = 256
_LISTS: Final = 32
_NAMES: Final = 64


def record_line(
    record: AuditRecord, filter_values: bool, form: AuditFormat, now: float, most: int | None = None
) -> AuditLine:
    """`audit_line` of the record's `audit_object`."""
    if record.operation == "search" and form is AuditFormat.json:
        text = search_text(record, filter_values, now)
        if text is not None:
            octets = octets_of(escaped(text))
            if most is None or len(octets) <= most:
                return AuditLine(octets, "search", operation_severity(record.decision, record.reason, record.code), now)
    return audit_line(audit_object(record, filter_values, now), form, now, most)


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
    code = record.code
    result = "null" if code is None else _RESULTS.get(code) or encode(result_name(code))
    server_code = "" if record.server_code is None else f'"server_code": {record.server_code}, '
    return (
        f'{{"time": "{moment(now - record.seconds)}", "record": "operation", '
        f"{_session(record.session, record.client, record.source, record.account)}"
        f'"operation": "search", "message_id": {record.message_id}, "base": {encode(record.base)}, '
        f'"scope": {encode(record.scope)}, "filter": {encode(filter_text(record.filter, values=filter_values))}, '
        f'"asked": {_names(record.asked or ())}, '
        f'"forwarded": {"null" if record.forwarded is None else _names(record.forwarded)}, '
        f'"held_back": {_names(record.held_back)}, "pages": {record.pages}, "entries": {record.sent}, '
        f'"entries_held_back": {record.entries_held_back}, "references_dropped": {record.references_dropped}, '
        f'"decision": {encode(record.decision)}, "reason": {encode(record.reason)}, "result": {result}, '
        f'"code": {"null" if code is None else code}, {server_code}"bytes": {record.octets}, '
        f'"ms": {round(record.seconds * 1000, 3)}, "server": {encode(record.server)}}}'
    )


@lru_cache(_SESSIONS)
def _session(session: str, client: str, source: str, account: str) -> str:
    return (
        f'"session": {encode(session)}, "client": {encode(client)}, "source": {encode(source)}, '
        f'"account": {encode(account)}, '
    )


def _names(names: tuple[str, ...]) -> str:
    if not names:
        return "[]"
    return _few_names(names) if len(names) <= _NAMES else encode(names)


@lru_cache(_LISTS)
def _few_names(names: tuple[str, ...]) -> str:
    return encode(names)
