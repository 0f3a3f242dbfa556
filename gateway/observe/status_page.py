"""The status page: what a person wants to know of a running gateway, at one look.

It is built from twisted.web.template's tags, which escape every text and attribute. It shows figures and closed sets
of words beside names from the configuration: no entry, no value, no account and no address of a client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from twisted.web.template import Tag, flattenString, tags

from gateway.compilation import compilation
from gateway.observe.durations import duration
from gateway.observe.ledger import DAY, ClientStatus, DiscoveryStatus, Ledger, ServerStatus
from gateway.observe.readiness import not_ready, notes
from gateway.observe.sign_ins import RefusedAccount
from gateway.observe.status_style import STYLE
from gateway.observe.sync_runs import SyncRun
from gateway.policy.reasons import REASONS, Reason

# Days before a certificate's end at which it is called soon, and urgent: as the alert rules have it.
SOON: Final = 21
URGENT: Final = 7

# Seconds between two loads of a page that somebody leaves open.
REFRESH: Final = 30

# In units of the drawing.
_BAR_WIDTH, _BAR_STEP, _BARS_HEIGHT, _LEAST_BAR = 10, 14, 48, 4

_Node = Tag | str


def status_page(ledger: Ledger) -> bytes:
    """The page as HTML in UTF-8."""
    pieces: list[bytes] = []
    flattenString(None, _page(ledger)).addCallback(pieces.append)
    return b"<!DOCTYPE html>\n" + pieces[0]


def _page(ledger: Ledger) -> Tag:
    now = ledger.clock()
    reasons = not_ready(ledger)
    state = _pill("not ready", "bad") if reasons else _pill("ready", "good")
    return tags.html(
        tags.head(
            tags.meta(charset="utf-8"),
            tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
            tags.meta(**{"http-equiv": "refresh", "content": str(REFRESH)}),
            tags.title("LDAP gateway: not ready" if reasons else "LDAP gateway"),
            tags.style(STYLE),
        ),
        tags.body(
            _element("main")(
                tags.header(
                    tags.h1("LDAP gateway"), state, _faint(f"up for {duration(now - ledger.started)}; {_clock(now)}")
                ),
                _note("bad", reasons) if reasons else "",
                _note("warn", said) if (said := notes(ledger)) else "",
                "" if ledger.reloaded else _failed_reload(ledger, now),
                [_failed_discovery(name, each, now) for name, each in ledger.discoveries.items() if each.failure],
                _waiting_files(ledger) if ledger.files_waiting else "",
                _counting_alone(ledger, now),
                [_client(ledger, name, client, now) for name, client in ledger.clients.items()],
                tags.div(
                    _servers(ledger, now),
                    _certificates(ledger, now),
                    _refusals(ledger),
                    _shrink_alerts(ledger, now),
                    class_="columns",
                ),
                _footer(ledger),
            )
        ),
        lang="en",
    )


def _failed_reload(ledger: Ledger, now: float) -> Tag:
    return _note(
        "warn",
        [
            "The last reload was refused: the configuration has a mistake, and the one that was loaded "
            f"{_ago(ledger.reload_time, now)} stays in force. The log names each mistake with its line."
        ],
    )


def _failed_discovery(directory: str, discovery: DiscoveryStatus, now: float) -> Tag:
    before = "never" if discovery.succeeded is None else _ago(discovery.succeeded, now)
    return _note(
        "warn",
        [
            f"Directory {directory}: {discovery.failure}. Servers were last found {before}; sessions go to those that "
            "were known."
        ],
    )


def _waiting_files(ledger: Ledger) -> Tag:
    return _note(
        "warn",
        [
            f"{name}: changed files are not used: {why}; those from before stay in force."
            for name, why in ledger.files_waiting.items()
        ],
    )


def _counting_alone(ledger: Ledger, now: float) -> Tag | str:
    store = ledger.lockout_store
    if store is None or store.trouble is None:
        return ""
    said = (
        f"lockout_store {store.name}: {store.trouble} ({_ago(store.since, now)}). Until it is back this gateway counts "
        "wrong passwords by itself."
    )
    return _note("warn", [said])


def _client(ledger: Ledger, name: str, client: ClientStatus, now: float) -> Tag:
    running = ledger.running(name)
    last = client.runs[-1] if client.runs else None
    return tags.section(
        tags.div(
            tags.div(
                tags.h3(name),
                _faint(f"directory {client.directory}; {_many(client.counts.open_sessions, 'open session')}"),
            ),
            _sync_state(client, running, now),
            class_="client",
        ),
        [_refused_account(each, now) for each in ledger.refused_accounts(name)],
        _run_facts(running, "Last search", "So far", now) if running is not None else "",
        _run_facts(last, "Last sync", "Took", now) if last is not None and running is None else "",
        _faint("No sync run since the gateway was started.") if client.syncs and last is None is running else "",
        _history(client, now) if client.runs else "",
    )


def _refused_account(account: RefusedAccount, now: float) -> Tag:
    since = "" if account.since is None else f" for {duration(now - account.since)}"
    left = f" (for another {duration(account.guarded_for)})" if account.guarded_for else ""
    return _note("bad", [f"A sync account cannot sign in{since}: {account.why}{left}.", account.remedy])


def _sync_state(client: ClientStatus, running: SyncRun | None, now: float) -> Tag:
    if running is not None:
        return _pill("syncing now", "good" if running.complete or not running.problems else "warn")
    if not client.runs:
        return _pill("no sync seen yet" if client.syncs else "sign-ins only", "")
    last = client.runs[-1]
    if not last.complete:
        return _pill("last sync not complete", "bad")
    if now - last.ended > DAY:
        return _pill(f"complete, but {duration(now - last.ended)} ago", "warn")
    return _pill("last sync complete", "good")


def _run_facts(run: SyncRun, ended: str, took: str, now: float) -> Tag:
    facts: list[tuple[str, _Node]] = [
        (ended, _time(run.ended, _ago(run.ended, now))),
        (took, duration(run.seconds)),
        ("Entries", f"{run.entries:,}"),
        ("Held back", f"{run.entries_held_back:,}"),
        ("Searches", f"{run.searches:,}"),
    ]
    shown = tags.dl([tags.div(tags.dt(name), tags.dd(value)) for name, value in facts], class_="facts")
    if not run.problems:
        return shown
    items = [tags.li(f"{count:,} × ", tags.code(word), _meaning(word)) for word, count in run.problems.items()]
    return tags.div(shown, tags.ul(items, class_=f"problems {'warn' if run.complete else 'bad'}"))


def _history(client: ClientStatus, now: float) -> Tag:
    runs = list(client.runs)
    most = max(max(run.entries for run in runs), 1)
    complete = sum(run.complete for run in runs)
    said = f"{complete} of {_many(len(runs), 'sync run')} complete"
    bars = [_bar(i, run, most, now) for i, run in enumerate(runs)]
    width = len(runs) * _BAR_STEP
    last = client.last_complete
    since = "" if last is None or last is runs[-1] else f"; the last complete one ended {_ago(last.ended, now)}"
    if last is None:
        since = "; none has been complete since the start"
    drawing = _element("svg", {"viewBox": f"0 0 {width} {_BARS_HEIGHT}", "role": "img", "aria-label": said})(bars)
    return tags.div(drawing, _faint(said + since), class_="history")


def _bar(place: int, run: SyncRun, most: int, now: float) -> Tag:
    height = max(_LEAST_BAR, round(_BARS_HEIGHT * run.entries / most))
    words = f"{_ago(run.ended, now)}: {run.entries:,} entries, {'complete' if run.complete else 'not complete'}"
    attributes = {
        "x": str(place * _BAR_STEP),
        "y": str(_BARS_HEIGHT - height),
        "width": str(_BAR_WIDTH),
        "height": str(height),
        "rx": "2",
        "class": "yes" if run.complete else "no",
    }
    return _element("rect", attributes)(_element("title")(words))


def _element(name: str, attributes: Mapping[str, str] | None = None) -> Tag:
    """One that tags does not know, of SVG for the most part."""
    return Tag(name)(**(attributes or {}))


def _servers(ledger: Ledger, now: float) -> Tag:
    rows = [
        [[tags.code(server.label), _faint(f"directory {server.directory}")], _server_state(server, now)]
        for server in ledger.servers.values()
    ]
    return _table("Servers", ("server", "state"), rows, "No directory is configured.")


def _server_state(server: ServerStatus, now: float) -> list[_Node]:
    if server.up is None:
        return [_pill("not tried yet", "")]
    if server.up and server.doubted is not None:
        return [_pill(f"doubtful: {server.doubted}", "warn"), _last_connection(server, now)]
    if server.up:
        return [_pill("up", "good"), _last_connection(server, now)]
    since = _faint("" if server.since is None else f"since {duration(now - server.since)}")
    return [_pill(f"down: {server.cause}", "bad"), since, _last_connection(server, now)]


def _last_connection(server: ServerStatus, now: float) -> Tag:
    return _faint("" if server.connected is None else f"last connection {_ago(server.connected, now)}")


def _certificates(ledger: Ledger, now: float) -> Tag:
    rows: list[list[Any]] = [
        [[tags.code(listener.address), _faint("listener")], _days_left(listener.certificate_expires, now)]
        for listener in ledger.listeners
    ]
    rows += [
        [[tags.code(server.label), _faint("server, as its last handshake showed")], _days_left(expires, now)]
        for server in ledger.servers.values()
        if (expires := server.certificate_expires) is not None
    ]
    return _table("Certificates", ("of", "left"), rows, "No listener is open.")


def _days_left(expires: float, now: float) -> list[_Node]:
    days = (expires - now) / DAY
    kind = "bad" if days < URGENT else "warn" if days < SOON else "good"
    if days < 0:
        return [_pill("expired", "bad")]
    left = duration(expires - now) if days < 2 else f"{int(days)} days"
    return [_pill(left, kind), _faint(f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%d}")]


def _refusals(ledger: Ledger) -> Tag:
    rows = [[[tags.code(each.reason), _advice(each.reason)], f"{each.count:,}"] for each in ledger.refused_today()]
    return _table("Refusals of the last day", ("reason", "count"), rows, "Nothing was refused.")


def _shrink_alerts(ledger: Ledger, now: float) -> Tag:
    rows = [
        [
            [tags.strong(alert.client), _faint(alert.loss), _faint("passed: only reported") if alert.passed else ""],
            _time(alert.time, _ago(alert.time, now)),
        ]
        for alert in reversed(ledger.shrink_alerts)
    ]
    return _table("Shrink alerts", ("lost", "when"), rows, "No search gave much less than the last time.")


def _footer(ledger: Ledger) -> Tag:
    words = (
        f"version {version('ldap-gateway')}; {compilation().said}; configuration loaded {_clock(ledger.reload_time)}; "
        f"figures since {_clock(ledger.started)}"
    )
    pages = [tags.a(name, href=name) for name in ("/metrics", "/healthz", "/readyz")]
    return tags.footer(_faint(words), [tags.span(page, class_="faint") for page in pages])


def _table(title: str, heads: tuple[str, ...], rows: Iterable[Iterable[Any]], empty: str) -> Tag:
    body = [tags.tr([tags.td(cell) for cell in row]) for row in rows]
    if not body:
        return tags.section(tags.h2(title), _faint(empty))
    head = tags.thead(tags.tr([tags.th(name, scope="col") for name in heads]))
    return tags.section(tags.h2(title), tags.table(head, tags.tbody(body)))


def _note(kind: str, sentences: Iterable[str]) -> Tag:
    return tags.div([tags.p(sentence) for sentence in sentences], class_=f"note {kind}", role="status")


def _pill(words: str, kind: str) -> Tag:
    return tags.span(words, class_=f"pill {kind}".rstrip())


def _faint(words: str) -> Tag:
    return tags.p(words, class_="faint")


def _meaning(word: str) -> str:
    return _said(word, lambda reason: f": {REASONS[reason].meaning}")


def _advice(word: str) -> Tag:
    def words(reason: Reason) -> str:
        doc = REASONS[reason]
        return f"{doc.meaning}; see {doc.setting}" if doc.setting else doc.meaning

    return _faint(_said(word, words))


def _said(word: str, say: Callable[[Reason], str]) -> str:
    """What is said of a reason; nothing of the names of results, which stand in its place where there is none."""
    try:
        return say(Reason(word))
    except ValueError:
        return ""


def _ago(then: float, now: float) -> str:
    return "just now" if now - then < 1 else f"{duration(now - then)} ago"


def _clock(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"


def _time(when: float, words: str) -> Tag:
    stamp = datetime.fromtimestamp(when, UTC)
    return tags.time(words, datetime=stamp.isoformat(timespec="seconds"), title=_clock(when))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
