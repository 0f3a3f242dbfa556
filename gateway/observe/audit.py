"""Audit records as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from time import time
from typing import IO, Any

from gateway.ldap.filter_text import filter_text
from gateway.ldap.results import result_name
from gateway.policy.decision import Mended
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord


def audit_object(record: AuditRecord, filter_values: bool, now: float) -> dict[str, Any]:
    """The record as JSON values; what does not apply to the operation is left out.

    filter_values: whether the values of the filter are shown; otherwise each is `?`. now: the end of the
    operation, in seconds since the epoch.
    """
    shown: dict[str, Any] = {
        "time": datetime.fromtimestamp(now - record.seconds, UTC).isoformat(timespec="milliseconds"),
        "session": record.session,
        "client": record.client,
        "source": record.source,
        "account": record.account,
        "operation": record.operation,
        "message_id": record.message_id,
    }
    if record.mapped_to:
        shown["mapped_to"] = record.mapped_to
    if record.operation == "search":
        shown["base"] = record.base
        shown["scope"] = record.scope
        shown["filter"] = "" if record.filter is None else filter_text(record.filter, values=filter_values)
        shown["asked"] = list(record.asked or ())
        shown["forwarded"] = None if record.forwarded is None else list(record.forwarded)
        if record.suspicious:
            shown["suspicious"] = [f"{Reason.suspicious_escape}: {attribute}" for attribute in record.suspicious]
        if record.narrowed_to:
            shown["narrowed_to"] = list(record.narrowed_to)
        shown["held_back"] = list(record.held_back)
        shown["pages"] = record.pages
        shown["entries"] = record.sent
        shown["entries_held_back"] = record.entries_held_back
        shown["references_dropped"] = record.references_dropped
    if record.mended:
        shown["mended"] = [_mended(name, filter_values) for name in record.mended]
    shown["decision"] = record.decision
    shown["reason"] = record.reason
    if record.reported:
        shown["reported"] = list(record.reported)
    if record.detail:
        shown["detail"] = record.detail
    shown["result"] = None if record.code is None else result_name(record.code)
    shown["code"] = record.code
    if record.server_code is not None:
        shown["server_code"] = record.server_code
    if record.server_meaning:
        shown["server_meaning"] = record.server_meaning
    shown["bytes"] = record.octets
    shown["ms"] = round(record.seconds * 1000, 3)
    shown["server"] = record.server
    return shown


def _mended(name: Mended, filter_values: bool) -> dict[str, str]:
    """A name from the filter is one of its values."""
    hidden = name.where not in ("base", "name") and not filter_values
    received, meant = ("?", "?") if hidden else (name.received, name.meant)
    return {"where": name.where, "received": received, "meant": meant}


class AuditLog:
    """Writes one line per record. stream: line by line, flushed; clock: seconds since the epoch."""

    def __init__(self, stream: IO[str], filter_values: bool, clock: Callable[[], float] = time) -> None:
        self.filter_values = filter_values
        self._stream = stream
        self._clock = clock

    def write(self, record: AuditRecord) -> None:
        line = json.dumps(audit_object(record, self.filter_values, self._clock()), ensure_ascii=False)
        self._stream.write(line + "\n")
        self._stream.flush()
