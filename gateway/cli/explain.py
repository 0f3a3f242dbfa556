"""`ldap-gateway explain`: what the policy makes of a request typed by hand, with nothing sent anywhere."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click
from click.core import ParameterSource

from gateway.cli.options import config_option

if TYPE_CHECKING:
    from gateway.config.settings import GatewaySettings
    from gateway.ldap.messages import Request
    from gateway.net.sessions.settings import ClientSettings
    from gateway.policy.decision import AccountKind
    from gateway.policy.policy import Policy
    from gateway.policy.reasons import Reason
    from gateway.tools.explain.records_again import RecordJudge

# RFC 4511 has the first three. Some clients ask for the fourth.
_SCOPES: Final = ("base", "one", "sub", "children")
_SERVED: Final = ("search", "bind", "starttls", "extended")
_UNSERVED: Final = ("add", "delete", "modify", "modifyDN", "compare")
# What tells of a record which one it is.
_NAMED: Final = ("time", "client", "session", "message_id", "operation", "account", "base")
_WITH_RECORD: Final = frozenset({"config", "client", "record", "as_json"})


@click.command(
    epilog="Example: ldap-gateway explain --client mimecast --base 'OU=Staff,DC=corp,DC=example' -a mail -a pager",
    short_help="Say what the policy makes of a request, and why.",
)
@config_option
@click.option("--client", help="The client's block in the configuration.")
@click.option("--source", help="The address that the request comes from: whose client it is.")
@click.option("--operation", type=click.Choice([*_SERVED, *_UNSERVED]), help="search, or bind with --bind, otherwise.")
@click.option(
    "--as", "account", metavar="WHO", help="nobody, anonymous, login or an account; a sync account otherwise."
)
@click.option("--bind", "bind_name", metavar="NAME", help="A bind name to judge instead of a search; '' is anonymous.")
@click.option("--no-password", is_flag=True, help="With --bind: the password is empty.")
@click.option("--ldap-version", type=click.IntRange(1, 127), default=3, show_default=True, help="With --bind.")
@click.option("--sasl", metavar="MECHANISM", help="With --bind: a SASL bind.")
@click.option("--base", default="", help="Base DN of the search.")
@click.option("--scope", type=click.Choice(_SCOPES), default="sub", show_default=True)
@click.option("--filter", "filter_", default="(objectClass=*)", show_default=True, help="Filter (RFC 4515).")
@click.option("-a", "--attribute", "attributes", multiple=True, help="An attribute asked for; may be repeated.")
@click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="OID[=critical][:VALUE]",
    help="A control of the request; may be repeated. VALUE: SIZE[,COOKIE] for paged results, NAME[,-NAME] for sort.",
)
@click.option("--server", type=click.Choice(["active-directory", "other"]), help="What the server is, if that matters.")
@click.option("--supports", multiple=True, metavar="OID", help="With --server: a control that it supports besides.")
@click.option("--before-tls", is_flag=True, help="Before StartTLS, on a listener that demands it.")
@click.option("--while", "state", metavar="REASON", help="What the running gateway has against it, like stopping.")
@click.option(
    "--record", metavar="LINE", help="A line of the audit, judged again; - reads many, and says what changes."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(context: click.Context, /, config: Path, record: str | None, as_json: bool, **asked: Any) -> None:
    """Judges one request as the gateway would, limits included.

    A line of the audit holds no controls, and `?` where it hides the values of the filter; its source says which client
    it belongs to, unless --client does.

    Exit status 0: permitted, 1: refused, 2: the question is wrong. With --record - it is 0: all would be judged the
    same, 1: some would not, 2: the question is wrong, or a line is no record.
    """
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError

    if record is not None:
        typed = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
        if typed - _WITH_RECORD:
            _fail("--record: the line says what is asked; only --client and --json go with it")
    try:
        settings = load_configuration(config).settings
    except ConfigurationError as error:
        _fail(str(error))
    if record == "-":
        _judge_records(settings, asked["client"], as_json)
    elif record is not None:
        _judge_record(settings, asked["client"], record, as_json)
    else:
        _judge_request(settings, asked, as_json)


def _judge_request(settings: GatewaySettings, asked: dict[str, Any], as_json: bool) -> None:
    from gateway.policy.decision import Refuse
    from gateway.policy.policy import Policy
    from gateway.tools.explain.decision_words import decision_object
    from gateway.tools.explain.question import NotWellFormed, Question, decide, features, read_control

    client = _client(settings, asked["client"], asked["source"], as_json)
    if asked["before_tls"] and not _has_starttls(settings, client):
        _fail(f"--before-tls: no listener of client {client.policy.name} has starttls: required")
    if asked["supports"] and asked["server"] is None:
        _fail("--supports: --server says what the server is")
    policy = Policy(client.policy)
    try:
        question = Question(
            _request(asked),
            tuple(read_control(text, client.policy.page_size) for text in asked["controls"]),
            _bound_as(policy, asked["account"]),
            not asked["before_tls"],
            _state(asked["state"]),
            None if asked["server"] is None else features(asked["server"], asked["supports"]),
        )
        decision = decide(policy, settings.limits, question)
    except NotWellFormed as error:
        _fail(str(error))
    _show(decision_object(decision, client.policy, question.server is not None), as_json)
    sys.exit(1 if isinstance(decision, Refuse) else 0)


def _request(asked: dict[str, Any]) -> Request:
    from gateway.ldap.filter_text import FilterTextError, parse_filter
    from gateway.ldap.messages import (
        START_TLS,
        UNSERVED_TAGS,
        WHO_AM_I,
        BindRequest,
        ExtendedRequest,
        SaslAuthentication,
        SearchRequest,
        SimpleAuthentication,
        UnservedRequest,
    )
    from gateway.tools.explain.question import sign_in
    from gateway.tools.explain.record_question import DEEPEST

    name = asked["bind_name"]
    operation = asked["operation"] or ("search" if name is None else "bind")
    if name is not None and operation != "bind":
        _fail(f"--bind: --operation is {operation}")
    if operation == "bind":
        if asked["sasl"] is not None:
            return BindRequest(asked["ldap_version"], name or "", SaslAuthentication(asked["sasl"]))
        if asked["no_password"]:
            return BindRequest(asked["ldap_version"], name or "", SimpleAuthentication(b""))
        return sign_in(name or "", asked["ldap_version"])
    if asked["sasl"] is not None or asked["no_password"] or asked["ldap_version"] != 3:
        _fail("--sasl, --no-password and --ldap-version are of a bind: --bind says of whom")
    if operation in UNSERVED_TAGS:
        return UnservedRequest(UNSERVED_TAGS[operation])
    if operation != "search":
        return ExtendedRequest(START_TLS if operation == "starttls" else WHO_AM_I)
    try:
        parsed = parse_filter(asked["filter_"], DEEPEST)
    except FilterTextError as error:
        _fail(f"--filter: {error}")
    return SearchRequest(asked["base"], _SCOPES.index(asked["scope"]), parsed, asked["attributes"])


def _bound_as(policy: Policy, who: str | None) -> AccountKind | None:
    from gateway.policy.decision import AccountKind, Refuse
    from gateway.tools.explain.question import account_kind, usual_kind

    if who is None:
        return usual_kind(policy.settings)
    if who == "nobody":
        return None
    if who in (AccountKind.login, AccountKind.anonymous):
        return AccountKind(who)
    kind = account_kind(policy, who)
    if isinstance(kind, Refuse):
        _fail(f"--as {who}: nobody can sign in by this name ({kind.reason}); --bind with this name says why")
    return kind


def _state(text: str | None) -> Reason | None:
    from gateway.tools.explain.question import STATES

    if text is not None and text not in STATES:
        _fail(f"--while {text}: no state of the running gateway; there are: {', '.join(STATES)}")
    return next((state for state in STATES if state == text), None)


def _client(settings: GatewaySettings, name: str | None, source: str | None, as_json: bool) -> ClientSettings:
    """Ends the program where the source is not the client's, as the gateway closes the connection then."""
    from gateway.tools.explain.decision_words import decision_object
    from gateway.tools.explain.source_client import clients_of_source, refuse_source

    clients = {client.policy.name: client for client in settings.clients}
    if name is None and source is None:
        raise click.UsageError("Missing option '--client' or '--source'.")
    if name is not None and name not in clients:
        _fail(f"no client {name}; there are: {', '.join(clients)}")
    if source is None:
        return clients[name or ""]
    try:
        found = clients_of_source(settings, source)
    except ValueError:
        _fail(f"--source {source}: an IP address is expected")
    names = [client.policy.name for client in found]
    if name is None and len(found) > 1:
        _fail(f"--source {source}: the listeners differ in whose client it is: {', '.join(names)}; add --client")
    if found and name in (None, *names):
        return found[0] if name is None else clients[name]
    _show(decision_object(refuse_source(found), None if name is None else clients[name].policy), as_json)
    sys.exit(1)


def _has_starttls(settings: GatewaySettings, client: ClientSettings) -> bool:
    from gateway.net.sessions.settings import StartTls

    return any(
        listener.starttls is StartTls.required
        for index, listener in enumerate(settings.listeners)
        if client.listens_at(index)
    )


def _judge_record(settings: GatewaySettings, client: str | None, line: str, as_json: bool) -> None:
    from gateway.observe.audit.reading import record as read_record
    from gateway.policy.decision import Refuse
    from gateway.tools.explain.decision_words import decision_object
    from gateway.tools.explain.record_question import NotJudged

    record = read_record(line.encode("utf-8", "surrogateescape") + b"\n")
    if isinstance(record, str):
        _fail(
            f"--record: {record}; a line of the audit is expected, or - for lines from standard input, as in `< FILE`"
        )
    try:
        judged = _record_judge(settings, client).judge(record)
    except NotJudged as error:
        _fail(f"--record: it cannot be judged again: {error}")
    said = decision_object(judged.decision, judged.client, server_known=True)
    _show({**said, "changes": list(judged.changes)}, as_json)
    sys.exit(1 if isinstance(judged.decision, Refuse) else 0)


def _record_judge(settings: GatewaySettings, client: str | None) -> RecordJudge:
    from gateway.tools.explain.records_again import RecordJudge

    names = [each.policy.name for each in settings.clients]
    if client is not None and client not in names:
        _fail(f"no client {client}; there are: {', '.join(names)}")
    return RecordJudge(settings, client)


def _judge_records(settings: GatewaySettings, client: str | None, as_json: bool) -> None:
    from gateway.observe.audit.reading import STANDARD_INPUT, records
    from gateway.tools.explain.record_question import NotJudged

    judge = _record_judge(settings, client)
    same = changed = damaged = 0
    not_judged: Counter[str] = Counter()
    for record in records(STANDARD_INPUT):
        if not isinstance(record, dict):
            click.echo(str(record), err=True)
            damaged += 1
            continue
        try:
            judged = judge.judge(record)
        except NotJudged as error:
            not_judged[str(error)] += 1
            continue
        if not judged.changes:
            same += 1
            continue
        changed += 1
        _echo_change(record, judged.changes, as_json)
    summary = f"{changed:,} would be judged otherwise, {same:,} the same"
    if not_judged:
        counts = ", ".join(f"{why}: {count:,}" for why, count in not_judged.most_common())
        summary += f"; {not_judged.total():,} cannot be judged again ({counts})"
    click.echo(summary, err=as_json)
    sys.exit(2 if damaged else 1 if changed else 0)


def _echo_change(record: dict[str, Any], changes: Sequence[str], as_json: bool) -> None:
    from gateway.ask.printable import printable

    about = {key: record.get(key) for key in _NAMED if record.get(key) not in (None, "")}
    if as_json:
        click.echo(json.dumps({**about, "changes": list(changes)}))
    else:
        words = " ".join(str(value) for key, value in about.items() if key not in ("message_id", "base"))
        base = f' "{about["base"]}"' if "base" in about else ""
        click.echo(printable(f"{words}{base}: {'; '.join(changes)}"))


def _show(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(said))
        return
    mended = said.pop("mended", [])
    for key, value in said.items():
        shown = value
        if isinstance(value, list):
            # DNs have commas of their own.
            shown = ", ".join(f'"{item}"' if key == "base" else item for item in value) or "-"
        click.echo(f"{key + ':':<12} {shown}")
    for name in mended:
        click.echo(f"{'received:':<12} {name['where']} {name['received']}")
        click.echo(f"{'meant:':<12} {name['where']} {name['meant']}")


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(2)
