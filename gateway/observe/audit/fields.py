"""The one table of the audit's fields: their names, which records have them, what they are made of, and what they mean.

The records as objects (records.py), and with them JSON and the text format, come from here, and so does the table in
docs/operations.md: a new field is one row. The usual search is the one exception: for speed `search_text` in
record_line.py writes its JSON by itself. tests/observe/test_record_line.py holds it equal to what is made of this
table, and tests/observe/test_audit_fields.py holds the documentation equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import Filter
from gateway.ldap.results import result_name
from gateway.link.observer import LinkEventKind
from gateway.observe.moment import milliseconds, moment
from gateway.observe.sign_ins import bind_words
from gateway.policy.attempts import guarded_reason
from gateway.policy.decision import Mended
from gateway.policy.lockout import GuardedAccount
from gateway.policy.reasons import Reason
from gateway.relay.audit import CameBy
from gateway.state.guards import GuardEnd


class Field(NamedTuple):
    """One field of the records of one kind.

    meaning: for the documentation. reads: the attributes of what the record tells of, from which the field is made.
    make: makes its JSON value from these, in their order, and with wide from its one attribute, whether values of
    filters are shown, and the end of the operation in seconds since the epoch; None where the attribute is the value.
    only: the one operation whose records have it; "" for all. filled: it is left out where its one attribute is None,
    or an empty text or list.
    few: most of its values recur, as those of the fields beside it do: the client, its lists of attributes, the result.
    told: which records have it, in words, where neither only nor their kind says it.
    """

    name: str
    meaning: str
    reads: tuple[str, ...]
    make: Callable[..., Any] | None = None
    wide: bool = False
    only: str = ""
    filled: bool = False
    few: bool = False
    told: str = ""


def _kind_of_operation(operation: str) -> str:
    return "sign-in" if operation == "bind" else "operation"


def _began(seconds: float, filter_values: bool, now: float) -> str:
    return moment(now - seconds)


def _filter(shown: Filter | None, filter_values: bool, now: float) -> str:
    return "" if shown is None else filter_text(shown, values=filter_values)


def _list(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)


def _asked(names: tuple[str, ...] | None) -> list[str]:
    return list(names or ())


def _suspicious(attributes: tuple[str, ...]) -> list[str]:
    return [f"{Reason.suspicious_escape}: {attribute}" for attribute in attributes]


def _mended(names: tuple[Mended, ...], filter_values: bool, now: float) -> list[dict[str, str]]:
    return [_mended_name(name, filter_values) for name in names]


def _mended_name(name: Mended, filter_values: bool) -> dict[str, str]:
    """A name that was put right. A name from the filter is one of its values."""
    hidden = name.where not in ("base", "name") and not filter_values
    received, meant = ("?", "?") if hidden else (name.received, name.meant)
    return {"where": name.where, "received": received, "meant": meant}


def _whole_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds)


def _result(code: int | None) -> str | None:
    return None if code is None else result_name(code)


def _link(came_by: CameBy) -> str:
    return came_by.link


def _outside_session(came_by: CameBy) -> str:
    return came_by.session


def _said_source(came_by: CameBy) -> str:
    return came_by.source


# What the record of an operation has, in the order of a line.
OPERATION: Final = (
    Field("time", "when it began, in UTC", ("seconds",), _began, wide=True),
    Field("record", "`operation`, or `sign-in` for a bind", ("operation",), _kind_of_operation, few=True),
    Field("session", "a number that counts connections", ("session",)),
    Field("client", "whose connection it was: the name of the block", ("client",), few=True),
    Field("source", "the address that the connection came from, or `link` and the link's name", ("source",)),
    Field(
        "link",
        "the link that the session came by",
        ("came_by",),
        _link,
        filled=True,
        told="sessions that came by a link",
    ),
    Field(
        "outside_session",
        "`session` of the same operation in the audit of the gateway outside, as that says",
        ("came_by",),
        _outside_session,
        filled=True,
        told="sessions that came by a link",
    ),
    Field(
        "said_source",
        "`source` there, as the gateway outside says: for people, nothing is decided by it",
        ("came_by",),
        _said_source,
        filled=True,
        told="sessions that came by a link",
    ),
    Field("account", "whom the session was bound as; of a bind, whom it wanted to be", ("account",)),
    Field(
        "operation",
        "as RFC 4511 names it, `malformed` for what is none, `session` where the whole of it was ended",
        ("operation",),
        few=True,
    ),
    Field("message_id", "the client's number of the request", ("message_id",)),
    Field(
        "mapped_to",
        "the identity that the server was shown instead (`credentials`)",
        ("mapped_to",),
        filled=True,
        few=True,
    ),
    Field("base", "of the request", ("base",), only="search"),
    Field("scope", "of the request", ("scope",), only="search", few=True),
    Field(
        "filter",
        "of the request. Its values are `?` unless `audit.filter_values` is set",
        ("filter",),
        _filter,
        wide=True,
        only="search",
    ),
    Field("asked", "attributes that the client asked for", ("asked",), _asked, few=True, only="search"),
    Field("forwarded", "attributes that the server was asked for", ("forwarded",), _list, few=True, only="search"),
    Field(
        "suspicious",
        "what looks escaped twice in the request",
        ("suspicious",),
        _suspicious,
        only="search",
        filled=True,
    ),
    Field(
        "narrowed_to",
        "bases that a wider search was answered from",
        ("narrowed_to",),
        _list,
        few=True,
        only="search",
        filled=True,
    ),
    Field("held_back", "attributes asked for and not forwarded", ("held_back",), _list, few=True, only="search"),
    Field("pages", "how often the server was asked for it", ("pages",), only="search"),
    Field("entries", "how many the client was sent", ("sent",), only="search"),
    Field(
        "entries_held_back",
        "how many entries of the server's answer the client was not sent",
        ("entries_held_back",),
        only="search",
    ),
    Field(
        "references_dropped",
        "how many references of the server's answer the client was not sent",
        ("references_dropped",),
        only="search",
    ),
    Field("mended", "names that were put right", ("mended",), _mended, wide=True, filled=True),
    Field("sync_account", "whether the name is a sync account's", ("sync_bind",), only="bind", few=True),
    Field(
        "meaning",
        "what became of it, in words",
        ("code", "account", "reason", "server_meaning"),
        bind_words,
        only="bind",
    ),
    Field(
        "guarded_for",
        "seconds until it may be tried again, if nothing happens meanwhile",
        ("guarded_for",),
        _whole_seconds,
        filled=True,
        told="sign-ins that the lockout guard refused",
    ),
    Field("decision", "`permit` or `refuse`; empty where none was needed", ("decision",), few=True),
    Field("reason", "why it was refused, or why it failed (`docs/reasons.md`)", ("reason",), few=True),
    Field("reported", "what `mode: report` let pass", ("reported",), _list, filled=True, few=True),
    Field(
        "detail",
        "more about the reason, and a base DN that the server spells otherwise",
        ("detail",),
        filled=True,
    ),
    Field("result", "what the client was told; null where it was told nothing", ("code",), _result, few=True),
    Field("code", "the number of that result", ("code",), few=True),
    Field("server_code", "what the server answered", ("server_code",), filled=True, few=True),
    Field("server_meaning", "what the server's answer means", ("server_meaning",), filled=True, few=True),
    Field("bytes", "octets sent to the client", ("octets",)),
    Field(
        "ms",
        "time from the request to its final answer. A refused bind is answered `limits.refusal_floor` after "
        "it came, or later",
        ("seconds",),
        milliseconds,
    ),
    Field("server", "who answered; `link://LINK/AGENT` where that was a gateway inside", ("server",), few=True),
    Field(
        "server_session",
        "`session` of the same operation in the audit of that gateway, as that says",
        ("server_session",),
        filled=True,
        told="what a gateway inside answered",
    ),
)


def operation_fields(operation: str) -> tuple[Field, ...]:
    """What the records of this operation have."""
    return tuple(field for field in OPERATION if field.only in ("", operation))


def _word(word: str) -> Callable[..., str]:
    """What makes the same word of everything."""
    return lambda subject: word


def _whole_milliseconds(seconds: float) -> float:
    return round(seconds, 3)


SYNC: Final = (
    Field("time", "when its first search began, in UTC", ("began",), moment),
    Field("record", "`sync`", ("began",), _word("sync")),
    Field("client", "whose run it was", ("client",), few=True),
    Field("ended", "its last search's end", ("ended",), moment),
    Field("seconds", "from its first search's begin to its last one's end", ("seconds",), _whole_milliseconds),
    Field("complete", "whether the client got everything that it asked for", ("complete",)),
    Field("why_not", "why it is not complete", ("why_not",)),
    Field("operations", "how many searches", ("searches",)),
    Field("unfinished", "how many searches never ended well", ("unfinished",)),
    Field("problems", "how often which reason or result", ("problems",), dict),
    Field("entries", "the sum of its operations", ("entries",)),
    Field("entries_held_back", "the sum of its operations", ("entries_held_back",)),
    Field(
        "attributes_held_back",
        "how many different attributes its searches asked for and did not get",
        ("attributes_held_back",),
    ),
    Field("pages", "the sum of its operations", ("pages",)),
    Field("bytes", "the sum of its operations", ("octets",)),
)
SYNC_CUT_SHORT: Final = (
    *SYNC,
    Field("cut_short", "the gateway was stopped before the run was over", ("cut_short",)),
)


def _event(end: GuardEnd | None) -> str:
    return "begun" if end is None else "ended"


def _account_kind(account: GuardedAccount) -> str:
    return account.kind.value


def _why_ended(end: GuardEnd) -> str:
    return end.value


def _guard_reason(account: GuardedAccount) -> str:
    return guarded_reason(account).value


def _at(end: GuardEnd | None, filter_values: bool, now: float) -> str:
    return moment(now)


GUARD: Final = (
    Field("time", "when it began or ended, in UTC", ("end",), _at, wide=True),
    Field("record", "`guard`: the lockout guard of an account begins or ends", ("end",), _word("guard")),
    Field("event", "`begun` or `ended`", ("end",), _event),
    Field("directory", "of the account that is counted", ("account.directory",), few=True),
    Field(
        "kind",
        "of the account: `sync account`, `mapped account`, `account of the gateway`, `person` or `address`",
        ("account",),
        _account_kind,
    ),
    Field("account", "the name that the account is counted by", ("account.shown",)),
)
_BEGINS: Final = "guards that begin"
GUARD_BEGINS: Final = (
    *GUARD,
    Field("decision", "`refuse`", ("end",), _word("refuse"), told=_BEGINS),
    Field(
        "reason", "why sign-ins are refused from now on (`docs/reasons.md`)", ("account",), _guard_reason, told=_BEGINS
    ),
    Field("failures", "wrong passwords that count", ("failures",), told=_BEGINS),
    Field(
        "guarded_for",
        "seconds until it may be tried again, if nothing happens meanwhile",
        ("left",),
        math.ceil,
        told=_BEGINS,
    ),
)
GUARD_ENDS: Final = (
    *GUARD,
    Field(
        "why",
        "`expired`: the window is over; `lifted`: its wrong passwords are forgotten, after a right one or "
        "`lockout release`; `settings`: a reload has changed `lockout`",
        ("end",),
        _why_ended,
        told="guards that end",
    ),
)


def _event_of_link(kind: LinkEventKind) -> str:
    return kind.value


def _now(kind: LinkEventKind, filter_values: bool, now: float) -> str:
    return moment(now)


LINK: Final = (
    Field("time", "when it happened, in UTC", ("kind",), _now, wide=True),
    Field("record", "`link`: something has happened on a link", ("kind",), _word("link")),
    Field(
        "event",
        "`risen`, `fallen`: a line; `refused`: one end has shown a right key, and the other one refused it a "
        "connection or a session; `stranger`: somebody has shown none that is pinned; `key-added`, `key-changed`, "
        "`key-removed`: of what is pinned, and of this end's own key",
        ("kind",),
        _event_of_link,
    ),
    Field("link", "its name", ("link",), few=True),
    Field(
        "peer", "the agent, or the address that is called; empty for strangers and for this end's own key", ("peer",)
    ),
    Field("why", "the cause or the refusal, in one word", ("why",), filled=True),
    Field("said", "more, in words; of a key its fingerprint", ("said",), filled=True),
    Field(
        "count",
        "how many there were since the last record of the same: what somebody can do as often as he likes has a few "
        "records a minute",
        ("count",),
    ),
)

LOST: Final = (
    Field("time", "when the first of the lost records came, in UTC", ("first",), moment),
    Field("record", "`lost`", ("first",), _word("lost")),
    Field("records", "how many were lost", ("count",)),
    Field("last", "when the last of them came", ("last",), moment),
    Field("why", "what the output said", ("why",), few=True),
)

SHORTENED: Final = Field(
    "shortened",
    "fields that were too long for a line of 32 KiB, or for syslog's `message_octets`, with the length that they had",
    (),
)


def documented() -> list[tuple[str, str, str]]:
    """The rows of the table in docs/operations.md: a field, which records have it, and what it means."""
    rows = []
    for kind, fields in (
        ("operations", OPERATION),
        ("syncs", SYNC_CUT_SHORT),
        ("guards", (*GUARD, *GUARD_BEGINS[len(GUARD) :], *GUARD_ENDS[len(GUARD) :])),
        ("links", LINK),
        ("losses", LOST),
        ("any", (SHORTENED,)),
    ):
        for field in fields:
            told = field.told or {"search": "searches", "bind": "sign-ins"}.get(field.only, kind)
            rows.append((field.name, told, field.meaning))
    return rows
