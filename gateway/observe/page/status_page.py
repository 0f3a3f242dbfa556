"""The status page: what a person wants to know of a running gateway, at one look.

It shows figures and closed sets of words beside names from the configuration: no entry, no value, no account and no
address of a client. Everybody on the host may read it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from twisted.web.template import Tag, tags

from gateway.compilation import compilation
from gateway.observe import remedies
from gateway.observe.durations import duration
from gateway.observe.ledger import DAY, DiscoveryStatus, Ledger, ServerStatus
from gateway.observe.page.status_client import client_card
from gateway.observe.page.status_links import link_card
from gateway.observe.page.status_parts import (
    Node,
    Row,
    ago,
    clock,
    faint,
    more,
    note,
    pill,
    remedy,
    sentence,
    table,
    time_of,
    whole_page,
)
from gateway.observe.readiness import Trouble, not_ready, other_notes, refused_accounts
from gateway.observe.refused_today import Refused
from gateway.policy.lockout import CountedKind
from gateway.policy.reasons import REASONS, Reason

# Days before a certificate's end at which it is called soon, and urgent: as the alert rules have it.
SOON: Final = 21
URGENT: Final = 7

# Seconds between two loads of a page that somebody leaves open.
REFRESH: Final = 30

_GUARDED: Final = {
    CountedKind.person: ("person", "people"),
    CountedKind.sync: ("sync account", "sync accounts"),
    CountedKind.mapped: ("mapped account", "mapped accounts"),
    CountedKind.own: ("account of the gateway itself", "accounts of the gateway itself"),
    CountedKind.address: ("address", "addresses"),
}
_DOCUMENTS: Final = ("operations", "troubleshooting", "reasons", "completeness")


def status_page(ledger: Ledger) -> bytes:
    """The page as HTML in UTF-8."""
    now = ledger.clock()
    reasons, links = not_ready(ledger), ledger.links.now()
    warnings = list(_warnings(ledger, now))
    host = socket.gethostname()
    title = f"{host}: LDAP gateway"
    body = [
        tags.header(
            tags.h1("LDAP gateway"),
            tags.span(host, class_="host"),
            _readiness(bool(reasons), bool(warnings or refused_accounts(ledger))),
            faint(f"up for {duration(now - ledger.started)}; {clock(now)}"),
        ),
        [_trouble("bad", each) for each in reasons],
        [_trouble("warn", each) for each in warnings],
        [client_card(ledger, links, name, client, now) for name, client in ledger.clients.items()],
        [link_card(link, now) for link in links.all],
        tags.div(
            _servers(ledger, now),
            _certificates(ledger, now),
            _refusals(ledger, now),
            _guards(ledger),
            _shrink_alerts(ledger, now),
            class_="columns",
        ),
        _footer(ledger),
    ]
    return whole_page(f"{title}: not ready" if reasons else title, body, REFRESH)


def _readiness(not_ready: bool, warned: bool) -> Tag:
    if not_ready:
        return pill("not ready", "bad")
    return pill("ready, but see below", "warn") if warned else pill("ready", "good")


def _trouble(kind: str, trouble: Trouble) -> Tag:
    return note(kind, f"{trouble.text[:1].upper()}{trouble.text[1:]}.", trouble.remedy, trouble.link)


def _warnings(ledger: Ledger, now: float) -> Iterator[Trouble]:
    yield from other_notes(ledger)
    if not ledger.reloaded:
        yield Trouble(
            "the last reload was refused: the configuration has a mistake, and the one that was loaded "
            f"{ago(ledger.reload_time, now)} stays in force",
            "`ldap-gateway check` names each mistake with its line, and so does the log.",
            remedies.RELOAD,
        )
    changed = ledger.files_changed()
    if changed:
        yield Trouble(
            f"on disk the configuration differs from what is in force: {', '.join(changed)}",
            "`ldap-gateway check --diff` says in what, and SIGHUP loads it. A restart would load it as well.",
            remedies.CHANGE,
        )
    for name, discovery in ledger.discoveries.items():
        if discovery.failure:
            yield _failed_discovery(name, discovery, now)
    for name, why in ledger.files_waiting.items():
        yield Trouble(
            f"{name}: changed files are not used: {why}; those from before stay in force",
            "Put the files right, and they are used within seconds.",
            remedies.TLS_FILES,
        )
    store = ledger.lockout_store
    if store is not None and store.trouble is not None:
        yield Trouble(
            f"the lockout_store {store.name}: {store.trouble} ({ago(store.since, now)}). Until it is back this gateway "
            "counts wrong passwords by itself",
            "Look at Redis, at the way to it, and at user, password and `ca_file`.",
            remedies.LOCKOUT_STORE,
        )


def _failed_discovery(directory: str, discovery: DiscoveryStatus, now: float) -> Trouble:
    before = "never" if discovery.succeeded is None else ago(discovery.succeeded, now)
    return Trouble(
        f"directory {directory}: {discovery.failure}. Servers were last found {before}; sessions go to those that "
        "were known",
        remedies.UNKNOWN,
        remedies.DISCOVERY,
    )


def _servers(ledger: Ledger, now: float) -> Tag:
    rows = [
        Row(
            [[tags.code(server.label), faint(f"directory {server.directory}")], _server_state(server, now)],
            _server_remedy(server),
        )
        for server in ledger.servers.values()
    ]
    behind = sorted(ledger.links.by_directory)
    empty = "No directory is configured, or DNS names no server."
    if behind and len(behind) == len({client.directory for client in ledger.clients.values()}):
        empty = f"Gateways inside reach the servers of {', '.join(behind)}; this one knows none of them."
    return table("Servers", ("server", "state"), rows, empty)


def _server_state(server: ServerStatus, now: float) -> list[Node]:
    if server.up is False:
        since = faint("" if server.since is None else f"for {duration(now - server.since)}")
        return [pill(f"down: {server.cause}", "bad"), since, _last_connection(server, now)]
    if server.failing is not None:
        # One attempt, or a check or two, is not enough for a server to be called down.
        return [pill(f"failing: {server.failing}", "warn"), _last_connection(server, now)]
    if server.up is None:
        return [pill("not tried yet", "")]
    if server.check_failed:
        return [pill("its last check failed", "warn"), _last_connection(server, now)]
    if server.doubted is not None:
        return [pill(f"doubtful: {server.doubted}", "warn"), _last_connection(server, now)]
    return [pill("up", "good"), _last_connection(server, now)]


def _server_remedy(server: ServerStatus) -> Node:
    cause = server.cause if server.up is False else server.failing
    if cause is not None:
        return remedy(remedies.OF_CAUSES[cause], remedies.UNREACHABLE)
    if server.check_failed:
        return remedy("The log says why as soon as it counts as down.", remedies.SERVER_DOWN)
    return "" if server.doubted is None else remedy(remedies.OF_TROUBLES[server.doubted], remedies.DOUBTFUL)


def _last_connection(server: ServerStatus, now: float) -> Tag:
    return faint("" if server.connected is None else f"last connection {ago(server.connected, now)}")


def _certificates(ledger: Ledger, now: float) -> Tag:
    rows = [
        Row(
            [[tags.code(listener.address), faint("listener")], _days_left(listener.certificate_expires, now)],
            _renewal(listener.certificate_expires, now, own=True),
        )
        for listener in ledger.listeners
    ]
    rows += [
        Row(
            [[tags.code(server.label), faint("server, as its last handshake showed")], _days_left(expires, now)],
            _renewal(expires, now, own=False),
        )
        for server in ledger.servers.values()
        if (expires := server.certificate_expires) is not None
    ]
    return table("Certificates", ("of", "left"), rows, "No listener is open.")


def _days_left(expires: float, now: float) -> list[Node]:
    days = (expires - now) / DAY
    kind = "bad" if days < URGENT else "warn" if days < SOON else "good"
    if days < 0:
        return [pill("expired", "bad")]
    left = duration(expires - now) if days < 2 else f"{int(days)} days"
    return [pill(left, kind), faint(f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%d}")]


def _renewal(expires: float, now: float, own: bool) -> Node:
    if expires - now >= SOON * DAY:
        return ""
    words = "Renew its files: they are used within seconds." if own else "Its administrators renew it."
    return remedy(words, remedies.CERTIFICATES)


def _refusals(ledger: Ledger, now: float) -> Tag:
    rows = [
        Row(
            [
                [tags.strong(each.client or "an address of no client"), tags.div(tags.code(each.reason))],
                [f"{each.count:,}", faint(time_of(each.last, ago(each.last, now)))],
            ],
            _advice(ledger, each),
        )
        for each in ledger.refused_today()
    ]
    below = remedy("`ldap-gateway audit --denied` and the log have names and addresses.", remedies.REFUSALS)
    return table("Refused in the last day", ("who and why", "how often"), rows, "Nothing was refused.", below)


def _advice(ledger: Ledger, refused: Refused) -> Node:
    """What a reason means, and the setting by the client's own name; nothing of a word that is no reason."""
    try:
        doc = REASONS[Reason(refused.reason)]
    except ValueError:
        return ""
    status = ledger.clients.get(refused.client)
    if status is None:
        setting, meaning = doc.setting.replace("clients.X.", "a client's "), doc.meaning
    else:
        setting = doc.setting_of(refused.client, status.directory)
        meaning = doc.meaning_of(refused.client, status.directory)
    return faint(sentence(f"{meaning}; see {setting}" if setting else meaning))


def _guards(ledger: Ledger) -> Tag:
    numbers = {kind: count for kind, count in ledger.guards.guarded().items() if count > 0}
    rows = [Row([_GUARDED[kind][count != 1], f"{count:,}"]) for kind, count in numbers.items()]
    left = duration(ledger.guards.longest_guard())
    below = remedy(
        f"The last of these guards ends in {left}. `ldap-gateway lockout list` has the names, `lockout release` ends a "
        "guard.",
        remedies.LOCKOUT,
    )
    return table("Lockout guard", ("guarded", "now"), rows, "Nobody is guarded.", below)


def _shrink_alerts(ledger: Ledger, now: float) -> Tag:
    rows = [
        Row(
            [
                [tags.strong(alert.client), faint(alert.loss), faint("passed: only reported") if alert.passed else ""],
                time_of(alert.time, ago(alert.time, now)),
            ]
        )
        for alert in reversed(ledger.shrink_alerts)
    ]
    below = remedy(
        "If people left or moved: `ldap-gateway shrink accept CLIENT`. If not, look for rights that the sync account "
        "has lost.",
        remedies.SHRANK,
    )
    return table("Shrink alerts", ("lost", "when"), rows, "No search gave much less than the last time.", below)


def _footer(ledger: Ledger) -> Tag:
    words = (
        f"version {version('ldap-gateway')}; {compilation().said}; configuration loaded {clock(ledger.reload_time)}; "
        f"figures since {clock(ledger.started)}"
    )
    pages: list[Node] = [tags.a(name, href=name) for name in ("/metrics", "/healthz", "/readyz")]
    pages += [more(name, name) for name in _DOCUMENTS]
    return tags.footer(faint(words), [tags.span(page, class_="faint") for page in pages])
