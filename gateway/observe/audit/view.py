"""Audit records for people: which of them, and a line or a row of a table for each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.observe.audit.reading import Record
from gateway.observe.counts import REFUSED_LATE, refused
from gateway.observe.durations import duration

SYNC_COLUMNS: Final = ("began (UTC)", "client", "took", "searches", "entries", "held back", "pages", "complete")

# Of SYNC_COLUMNS, for output that is not a terminal's.
_SYNC_WIDTHS: Final = (19, 12, 12, 10, 10, 10, 8, 0)

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

# What stands in the line of each record that is denied.
_DENIED: Final = (b'"decision": "refuse"', *(f'"reason": "{reason}"'.encode() for reason in REFUSED_LATE))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records are to be shown.

    since: as records have their time, "" for all. clients: empty for all. denied: only what the policy does not permit.
    syncs: only sums of sync runs. open_since: with syncs, from when on records of searches are wanted as well, to tell
    which runs are open; "" for none.

    Where records were lost is among what is chosen by client or as denied: they may have been such.
    """

    since: str = ""
    clients: frozenset[str] = frozenset()
    denied: bool = False
    syncs: bool = False
    open_since: str = ""

    def skips(self, line: bytes) -> bool:
        """Whether it can be told of a line, as the gateway writes them, that its record is not taken: nearly all of the
        time that reading takes is that of JSON. What is damaged is not skipped."""
        if not line.startswith(b'{"time": "') or not line.endswith(b"}\n"):
            return False
        head = line[:80]
        if b'"record": "sync"' in head or b'"record": "lost"' in head:
            return False
        if self.syncs:
            return not self.open_since or line[10:39] < self.open_since.encode()
        if self.since and line[10:39] < self.since.encode():
            return True
        return self.denied and not any(each in line for each in _DENIED)

    def takes(self, record: Record) -> bool:
        kind = record["record"]
        if self.since and str(record.get("ended") or record.get("last") or record["time"]) < self.since:
            return False
        if self.syncs and kind != "sync":
            return False
        if kind == "lost":
            return True
        if self.clients and record.get("client") not in self.clients:
            return False
        return not self.denied or denied(record)


def denied(record: Record) -> bool:
    return refused(str(record.get("decision", "")), str(record.get("reason", "")))


def since(text: str, now: datetime) -> str:
    """`45s`, `30m`, `2h`, `7d` before now, or a date or time of ISO 8601, in UTC unless it says otherwise; as records
    have their time. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    moment = now - timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def line(record: Record) -> tuple[str, str, str]:
    """Who and when, what came of it, and the rest; to be shown in one line."""
    client, source = _word(record, "client"), _word(record, "source")
    kind = str(record["record"])
    what = _word(record, "operation") or kind
    head = f"{_clock(record['time'])}  {client:<12}  {source:<15}  {what:<8}"
    if kind == "lost":
        return (
            head,
            "LOST",
            f"{_number(record, 'records')} records, until {_clock(record.get('last'))}: {_word(record, 'why')}",
        )
    if kind == "guard":
        return head, _word(record, "event"), _guard_words(record)
    if kind == "sync":
        return head, sync_row(record)[-1], _sync_words(record)
    if kind == "link":
        return head, _word(record, "event"), _link_words(record)
    if kind not in ("operation", "sign-in"):
        return head, "", _unknown_words(record)
    reason = _word(record, "reason")
    result = _word(record, "result") or "no answer"
    return head, f"{result} ({reason})" if reason else result, _operation_words(record)


def sync_row(record: Record) -> tuple[str, ...]:
    """In the order of SYNC_COLUMNS."""
    complete = "yes" if record.get("complete") is True else f"no: {_word(record, 'why_not')}"
    seconds = record.get("seconds")
    return (
        _clock(record["time"]),
        _word(record, "client"),
        duration(seconds) if isinstance(seconds, int | float) else "",
        _number(record, "operations"),
        _number(record, "entries"),
        _number(record, "entries_held_back"),
        _number(record, "pages"),
        f"{complete}; cut short by a stop" if record.get("cut_short") is True else complete,
    )


def aligned(row: tuple[str, ...]) -> str:
    """A row of syncs, or their columns' names, in columns of fixed widths."""
    numbers = range(3, 7)
    cells = (
        cell.rjust(width) if i in numbers else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, _SYNC_WIDTHS, strict=True))
    )
    return "  ".join(cells).rstrip()


def printable(text: str) -> str:
    """Clients chose some of these characters; what would steer a terminal is shown as a sign of its own."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _sync_words(record: Record) -> str:
    took, searches, entries, held_back, pages = sync_row(record)[2:7]
    words = [_count(searches, "search", "searches"), _count(entries, "entry", "entries"), _count(pages, "page")]
    return f"took {took}; {', '.join(words)}; held back: {_count(held_back, 'entry', 'entries')}"


def _guard_words(record: Record) -> str:
    who = f"{_word(record, 'kind')} {_word(record, 'account')} ({_word(record, 'directory')})"
    if record.get("event") == "ended":
        return f"{who}: {_word(record, 'why')}"
    left = record.get("guarded_for")
    words = f"{who}: {_count(_number(record, 'failures'), 'wrong password')}"
    return f"{words}; guarded for {duration(left)}" if isinstance(left, int) else words


def _link_words(record: Record) -> str:
    peer, why = _word(record, "peer"), _word(record, "why")
    words = f"link {_word(record, 'link')}{f', {peer}' if peer else ''}{f' ({why})' if why else ''}"
    said = _word(record, "said")
    count = _number(record, "count")
    return f"{words}: {said}{'' if count == '1' else f'; {count} since this was last recorded'}"


def _unknown_words(record: Record) -> str:
    """A record of a kind that a newer gateway writes."""
    others = {key: value for key, value in record.items() if key not in ("time", "record", "client", "source")}
    return printable(" ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in others.items()))


def _operation_words(record: Record) -> str:
    if record["record"] == "sign-in":
        words = f"{_word(record, 'account') or 'anonymous'}: {_word(record, 'meaning')}"
    elif record.get("operation") != "search":
        words = _word(record, "detail")
    else:
        words = _search_words(record)
    for name in record.get("mended") or ():
        if isinstance(name, dict):
            where, received, meant = (_word(name, key) for key in ("where", "received", "meant"))
            words += f"; MENDED {where}: came as {received} and was read as {meant}"
    if record.get("outside_session"):
        there = f"session {_word(record, 'outside_session')} there, from {_word(record, 'said_source')}"
        words += f"; over link {_word(record, 'link')}: {there}"
    if record.get("server_session"):
        words += f"; {_word(record, 'server')}, session {_word(record, 'server_session')} there"
    return words


def _search_words(record: Record) -> str:
    words = f"{_word(record, 'scope')} {_word(record, 'base') or '(root)'} {_word(record, 'filter')}"
    entries, pages = _count(_number(record, "entries"), "entry", "entries"), _count(_number(record, "pages"), "page")
    words += f"  {entries}, {pages}"
    names = [printable(name) for name in record.get("held_back") or () if isinstance(name, str)]
    held_back = [f"{_count(str(len(names)), 'attribute')} ({', '.join(names)})"] if names else []
    if record.get("entries_held_back"):
        held_back.append(_count(_number(record, "entries_held_back"), "entry", "entries"))
    if held_back:
        words += f"; held back: {', '.join(held_back)}"
    return f"{words}; {_word(record, 'detail')}" if record.get("detail") else words


def _word(record: Record, key: str) -> str:
    value = record.get(key)
    return printable(value) if isinstance(value, str) else ""


def _number(record: Record, key: str) -> str:
    value = record.get(key)
    return f"{value:,}" if isinstance(value, int) else "?"


def _count(number: str, one: str, many: str = "") -> str:
    """A number with what it counts."""
    return f"{number} {one if number == '1' else many or one + 's'}"


def _clock(value: object) -> str:
    """A record's time to the second, in UTC."""
    return printable(str(value))[:19].replace("T", " ")
