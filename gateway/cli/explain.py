"""`ldap-gateway explain`: what the policy makes of a request typed by hand, with nothing sent anywhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option

if TYPE_CHECKING:
    from gateway.policy.settings import ClientPolicy


@click.command(
    epilog="Example: ldap-gateway explain --client mimecast --base 'OU=Staff,DC=corp,DC=example' -a mail -a pager",
    short_help="Say what the policy makes of a request, and why.",
)
@config_option
@click.option("--client", required=True, help="The client's block in the configuration.")
@click.option("--bind", "bind_name", help="A bind name to judge instead of a search.")
@click.option("--base", default="", help="Base DN of the search.")
@click.option("--scope", type=click.Choice(["base", "one", "sub"]), default="sub", show_default=True)
@click.option("--filter", "filter_", default="(objectClass=*)", show_default=True, help="Filter (RFC 4515).")
@click.option("-a", "--attribute", "attributes", multiple=True, help="An attribute asked for; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    config: Path,
    client: str,
    bind_name: str | None,
    base: str,
    scope: str,
    filter_: str,
    attributes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Judges one request as the gateway would. Exit status 0: permitted, 1: refused, 2: the question is wrong."""
    from gateway.config.load import load_configuration
    from gateway.config.problems import ConfigurationError
    from gateway.ldap.filter_text import FilterTextError, parse_filter
    from gateway.ldap.messages import SCOPE_NAMES, BindRequest, SearchRequest, SimpleAuthentication
    from gateway.policy.asked import Asked
    from gateway.policy.decision import AccountKind, Refuse
    from gateway.policy.policy import Policy

    try:
        configuration = load_configuration(config)
        parsed = parse_filter(filter_)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except FilterTextError as error:
        click.echo(f"--filter: {error}", err=True)
        sys.exit(2)
    policies = {found.policy.name: found.policy for found in configuration.settings.clients}
    if client not in policies:
        click.echo(f"no client {client}; there are: {', '.join(policies)}", err=True)
        sys.exit(2)
    policy = Policy(policies[client])
    if bind_name is not None:
        # Any password does: what is judged is the name.
        request = BindRequest(3, bind_name, SimpleAuthentication(b"x"))
        decision: Any = policy.decide(Asked(request))
    else:
        search = SearchRequest(base, SCOPE_NAMES.index(scope), parsed, attributes)
        decision = policy.decide(Asked(search, bound_as=AccountKind.sync))
    said = _refusal(decision, policies[client]) if isinstance(decision, Refuse) else _plan(decision)
    if as_json:
        click.echo(json.dumps(said))
    else:
        mended = said.pop("mended", [])
        for key, value in said.items():
            shown = value
            if isinstance(value, list):
                # DNs have commas of their own.
                shown = ", ".join(f'"{item}"' if key == "base" else item for item in value)
            click.echo(f"{key + ':':<12} {shown}")
        for name in mended:
            click.echo(f"{'received:':<12} {name['where']} {name['received']}")
            click.echo(f"{'meant:':<12} {name['where']} {name['meant']}")
    sys.exit(1 if isinstance(decision, Refuse) else 0)


def _refusal(decision: Any, client: ClientPolicy) -> dict[str, Any]:
    from gateway.ldap.results import result_name
    from gateway.policy.reasons import REASONS

    doc = REASONS[decision.reason]
    return {
        "decision": "refuse",
        "reason": decision.reason.value,
        "meaning": doc.meaning,
        "detail": decision.detail or "-",
        "result": f"{result_name(decision.code)} ({int(decision.code)})",
        "setting": decision.setting_of(client.name, client.directory) or "none would allow it",
    }


def _plan(decision: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from gateway.policy.decision import RootDsePlan

    if isinstance(decision, RootDsePlan):
        said: dict[str, Any] = {"decision": "permit", "sent": "nothing: the gateway answers the root DSE by itself"}
        if decision.entry is not None and decision.more is not None:
            said["sent"] = "a read of the server's root DSE, for whoever may search; the rest is the gateway's own"
            said["forwarded"] = list(decision.more.attributes)
        return said | {"held back": list(decision.held_back)}
    said = {"decision": "permit", **_sent(decision)}
    if decision.mended:
        said["mended"] = [asdict(name) for name in decision.mended]
    return said


def _sent(decision: Any) -> dict[str, Any]:
    from gateway.ldap.filter_text import filter_text
    from gateway.ldap.messages import SCOPE_NAMES
    from gateway.policy.decision import AncestorPlan, BindPlan, SubschemaPlan
    from gateway.policy.reasons import Reason

    if isinstance(decision, BindPlan):
        if decision.mapped is not None:
            then = "the gateway verifies the secret, and then signs in with this account of its own"
            return {"as": decision.kind.value, "account": decision.account, "sent": decision.request.name, "then": then}
        proof = "the person must be found inside login_base_dns" if decision.look_up else "the server's answer"
        return {"as": decision.kind.value, "sent": decision.request.name, "then": proof}
    if isinstance(decision, AncestorPlan):
        sent = f"the entry {decision.request.base} by itself; the client gets its DN and objectClass"
        return {"sent": sent, "held back": list(decision.held_back)}
    if isinstance(decision, SubschemaPlan):
        sent = f"the entry {decision.request.base} by itself, which has the directory's schema"
        return {"sent": sent, "forwarded": list(decision.request.attributes), "held back": list(decision.held_back)}
    request = decision.parts[0]
    said = {
        "base": [part.base for part in decision.parts] if decision.narrowed else request.base,
        "scope": SCOPE_NAMES[request.scope],
        "filter": filter_text(request.filter),
        "forwarded": list(request.attributes),
        "held back": list(decision.held_back),
        "reported": [reason.value for reason in decision.reported],
    }
    if decision.suspicious:
        said["suspicious"] = [f"{Reason.suspicious_escape}: {where}" for where in decision.suspicious]
    return said
