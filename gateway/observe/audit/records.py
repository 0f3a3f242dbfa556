"""What the audit says of an operation, of a sync run, of the lockout guard, and of records that were lost."""

from __future__ import annotations

import math
from typing import Any

from gateway.ldap.filter_text import filter_text
from gateway.ldap.results import result_name
from gateway.observe.moment import milliseconds, moment
from gateway.observe.sign_ins import sign_in_words
from gateway.observe.sync_runs import SyncRun
from gateway.policy.attempts import guarded_reason
from gateway.policy.decision import Mended
from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.state.guards import GuardChange


def audit_object(record: AuditRecord, filter_values: bool, now: float) -> dict[str, Any]:
    """An operation as JSON values; what does not apply to it is left out. A bind is a sign-in, and says what became
    of it.

    filter_values: whether the values of the filter are shown; otherwise each is `?`. now: the end of the
    operation, in seconds since the epoch.
    """
    shown: dict[str, Any] = {
        "time": moment(now - record.seconds),
        "record": "sign-in" if record.operation == "bind" else "operation",
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
    if record.operation == "bind":
        shown["sync_account"] = record.sync_bind
        shown["meaning"] = sign_in_words(record)
    if record.guarded_for is not None:
        shown["guarded_for"] = math.ceil(record.guarded_for)
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
    shown["ms"] = milliseconds(record.seconds)
    shown["server"] = record.server
    return shown


def _mended(name: Mended, filter_values: bool) -> dict[str, str]:
    """A name from the filter is one of its values."""
    hidden = name.where not in ("base", "name") and not filter_values
    received, meant = ("?", "?") if hidden else (name.received, name.meant)
    return {"where": name.where, "received": received, "meant": meant}


def sync_object(run: SyncRun) -> dict[str, Any]:
    """A sync run that is over."""
    shown: dict[str, Any] = {
        "time": moment(run.began),
        "record": "sync",
        "client": run.client,
        "ended": moment(run.ended),
        "seconds": round(run.seconds, 3),
        "complete": run.complete,
        "why_not": run.why_not,
        "operations": run.searches,
        "unfinished": run.unfinished,
        "problems": dict(run.problems),
        "entries": run.entries,
        "entries_held_back": run.entries_held_back,
        "attributes_held_back": run.attributes_held_back,
        "pages": run.pages,
        "bytes": run.octets,
    }
    if run.cut_short:
        shown["cut_short"] = True
    return shown


def guard_object(change: GuardChange, now: float) -> dict[str, Any]:
    """The lockout guard of an account has begun, or ended. now: in seconds since the epoch."""
    account = change.account
    shown: dict[str, Any] = {
        "time": moment(now),
        "record": "guard",
        "event": "begun" if change.end is None else "ended",
        "directory": account.directory,
        "kind": account.kind.value,
        "account": account.shown,
    }
    if change.end is not None:
        return {**shown, "why": change.end.value}
    return {
        **shown,
        "decision": "refuse",
        "reason": guarded_reason(account).value,
        "failures": change.failures,
        "guarded_for": math.ceil(change.left),
    }


def lost_object(count: int, first: float, last: float, why: str) -> dict[str, Any]:
    """Records that could not be written, in the place where they would stand. first, last: when the operations ended,
    in seconds since the epoch."""
    return {
        "time": moment(first),
        "record": "lost",
        "records": count,
        "last": moment(last),
        "why": why,
    }
