"""The card of one client on the status page: whether it syncs and signs in, and if not, why and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from twisted.web.template import Tag, tags

from gateway.ldap.kinds import Kind
from gateway.observe import remedies
from gateway.observe.durations import duration
from gateway.observe.ledger import DAY, ClientStatus, Ledger
from gateway.observe.links import LinksNow
from gateway.observe.page.status_parts import (
    Node,
    ago,
    element,
    facts,
    faint,
    many,
    more,
    note,
    pill,
    sentence,
    time_of,
)
from gateway.observe.readiness import Trouble, unreachable, unserved
from gateway.observe.sign_ins import RefusedAccount, SignIn
from gateway.observe.sync_runs import SyncRun
from gateway.policy.reasons import REASONS, Reason

# Seconds behind a search in which a sync is said to be going on although none of its sessions is open.
_STILL_SYNCING: Final = 60.0

# In units of the drawing.
_BAR_WIDTH, _BAR_STEP, _BARS_HEIGHT, _LEAST_BAR = 10, 14, 48, 4

_KINDS: Final = ((Kind.user, "People"), (Kind.group, "Groups"), (Kind.contact, "Contacts"))


def client_card(ledger: Ledger, links: LinksNow, name: str, client: ClientStatus, now: float) -> Tag:
    running = ledger.running(name)
    last = client.runs[-1] if client.runs else None
    refused = ledger.refused_accounts(name)
    trouble = unserved(ledger, links, name) or unreachable(
        ledger, links, client.directory, lately=client.directory in ledger.unreachable
    )
    said = f"directory {client.directory}; {many(client.counts.open_sessions, 'open session')}"
    return tags.section(
        tags.div(
            tags.div(tags.h3(name), faint(said)),
            _state(client, running, refused, trouble, now),
            class_="client",
        ),
        [_refused_account(each, now) for each in refused],
        "" if trouble is None else note("bad", _no_server(trouble), trouble.remedy, trouble.link),
        _missing_sync(ledger, client, running, now) if trouble is None and not refused else "",
        _run(client, name, running, "Last search", "So far", now) if running is not None else "",
        _run(client, name, last, "Last sync", "Took", now) if last is not None and running is None else "",
        _history(client, now) if client.runs else "",
        _sign_ins(client, now),
    )


def _state(
    client: ClientStatus, running: SyncRun | None, refused: list[RefusedAccount], trouble: Trouble | None, now: float
) -> Tag:
    if refused:
        return pill("cannot sign in", "bad")
    if trouble is not None:
        return pill("no server can be reached", "bad")
    if running is not None and (client.counts.open_sessions or now - running.ended < _STILL_SYNCING):
        return pill("syncing now", "good" if running.complete or not running.problems else "warn")
    if running is not None:
        # It may go on: nobody says when a sync ends.
        return pill(f"last search {ago(running.ended, now)}", "" if running.complete else "warn")
    if not client.runs:
        return pill("no sync seen yet" if client.syncs else "sign-ins only", "")
    last = client.runs[-1]
    if not last.complete:
        return pill("last sync not complete", "bad")
    if now - last.ended > DAY:
        return pill(f"complete, but {duration(now - last.ended)} ago", "warn")
    return pill("last sync complete", "good")


def _no_server(trouble: Trouble) -> str:
    return f"No sync and no sign-in is possible now: {trouble.text}."


def _refused_account(account: RefusedAccount, now: float) -> Tag:
    trouble = (
        "cannot sign in"
        if account.since is None
        else f"has not been able to sign in for {duration(now - account.since)}"
    )
    left = f" (the guard ends in {duration(account.guarded_for)})" if account.guarded_for else ""
    link = remedies.OWN_ACCOUNT if account.own else remedies.SIGN_IN
    return note("bad", f"A sync account {trouble}: {account.why}{left}.", account.remedy, link)


def _missing_sync(ledger: Ledger, client: ClientStatus, running: SyncRun | None, now: float) -> Node:
    """What to do where no sync comes, or the last one got less than it asked for."""
    if not client.syncs or running is not None:
        return ""
    if not client.runs:
        link = more(remedies.NO_SYNC) if now - ledger.started > DAY else ""
        return faint(["No sync run since the gateway was started. ", link])
    last = client.runs[-1]
    if not last.complete:
        return note(
            "bad",
            "The last sync did not get everything that it asked for.",
            "The service was told so with an error, and may try again by itself. What failed stands below.",
            remedies.NOT_COMPLETE,
        )
    if now - last.ended > DAY:
        return note(
            "warn",
            "There was no sync for more than a day.",
            "Look whether the service still runs its sync, and whether it reaches the gateway.",
            remedies.OVERDUE,
        )
    return ""


def _run(client: ClientStatus, name: str, run: SyncRun, ended: str, took: str, now: float) -> Tag:
    rows: list[tuple[str, Any]] = [(ended, time_of(run.ended, ago(run.ended, now))), (took, duration(run.seconds))]
    rows += _entries(run)
    rows += [
        ("Entries held back", f"{run.entries_held_back:,}"),
        ("Attributes held back", f"{run.attributes_held_back:,}"),
        ("Searches", f"{run.searches:,}"),
    ]
    if not run.problems:
        return facts(rows)
    items = [
        tags.li(f"{count:,} × ", tags.code(word), _meaning(word, name, client.directory))
        for word, count in run.problems.items()
    ]
    return tags.div(facts(rows), tags.ul(items, class_=f"problems {'warn' if run.complete else 'bad'}"))


def _entries(run: SyncRun) -> list[tuple[str, str]]:
    """People, groups and contacts, as far as the run's searches asked for each by itself."""
    told = sum(run.kinds.values())
    if not told:
        return [("Entries", f"{run.entries:,}")]
    rows = [(words, f"{run.kinds.get(kind, 0):,}") for kind, words in _KINDS]
    return [*rows, ("Not told apart", f"{run.entries - told:,}")] if run.entries > told else rows


def _meaning(word: str, client: str, directory: str) -> list[Node]:
    """What a reason means, and the setting by the client's own name. Names of results, which stand in its place where
    there is none, are not explained."""
    try:
        doc = REASONS[Reason(word)]
    except ValueError:
        return []
    setting = doc.setting_of(client, directory)
    return sentence(f": {doc.meaning_of(client, directory)}" + (f"; see {setting}" if setting else ""))


def _history(client: ClientStatus, now: float) -> Tag:
    runs = list(client.runs)
    most = max(max(run.entries for run in runs), 1)
    complete = sum(run.complete for run in runs)
    said = f"{complete} of {many(len(runs), 'sync run')} complete"
    bars = [_bar(i, run, most, now) for i, run in enumerate(runs)]
    width = len(runs) * _BAR_STEP
    last = client.last_complete
    since = "" if last is None or last is runs[-1] else f"; the last complete one ended {ago(last.ended, now)}"
    if last is None:
        since = "; none has been complete since the start"
    drawing = element(
        "svg",
        {
            "viewBox": f"0 0 {width} {_BARS_HEIGHT}",
            "width": str(width),
            "height": str(_BARS_HEIGHT),
            "role": "img",
            "aria-label": said,
        },
    )(bars)
    first, end = runs[0].ended, runs[-1].ended
    times = [tags.span(time_of(first, _day_and_time(first, now)))]
    if len(runs) > 1:
        times.append(tags.span(time_of(end, _day_and_time(end, now))))
    return tags.div(
        tags.div(
            tags.div(tags.span(f"{most:,}"), tags.span("0"), class_="scale"),
            tags.div(drawing, tags.div(times, class_="times"), class_="bars"),
            class_="chart",
        ),
        faint(f"Entries of each sync run: {said}{since}"),
        class_="history",
    )


def _day_and_time(when: float, now: float) -> str:
    """The time, with the day where that is another one. Times are of UTC."""
    stamp, today = datetime.fromtimestamp(when, UTC), datetime.fromtimestamp(now, UTC)
    return f"{stamp:%H:%M}" if stamp.date() == today.date() else f"{stamp:%d %b %H:%M}"


def _bar(place: int, run: SyncRun, most: int, now: float) -> Tag:
    height = max(_LEAST_BAR, round(_BARS_HEIGHT * run.entries / most))
    words = f"{ago(run.ended, now)}: {run.entries:,} entries, {'complete' if run.complete else 'not complete'}"
    attributes = {
        "x": str(place * _BAR_STEP),
        "y": str(_BARS_HEIGHT - height),
        "width": str(_BAR_WIDTH),
        "height": str(height),
        "rx": "2",
        "class": "yes" if run.complete else "no",
    }
    return element("rect", attributes)(element("title")(words))


def _sign_ins(client: ClientStatus, now: float) -> Node:
    """The last sign-in of a sync account, and of a person, where these may sign in."""
    said = [
        faint(_sign_in(words, last, now))
        for wanted, words, last in (
            (client.syncs, "Last sign-in of a sync account", client.sign_ins.last),
            (client.logins, "Last sign-in of a person", client.last_login),
        )
        if wanted
    ]
    return tags.div(said, class_="sign-ins") if said else ""


def _sign_in(words: str, last: SignIn | None, now: float) -> list[Node]:
    if last is None:
        return [f"{words}: none since the start"]
    end = "signed in" if last.well else f"failed: {last.words}"
    return [f"{words}: ", time_of(last.time, ago(last.time, now)), f", {end}"]
