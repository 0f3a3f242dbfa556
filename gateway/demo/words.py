"""The demo's findings in short phrases, the same for tables and for plain lines."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from gateway.demo.configuration import CLIENT, DIRECTORY
from gateway.demo.people import STAFF
from gateway.demo.stage import Stage
from gateway.demo.steps import Happened, Part, Record, Step
from gateway.ldap.filter_text import filter_text
from gateway.ldap.messages import (
    SCOPE_NAMES,
    WHO_AM_I,
    BindRequest,
    ExtendedRequest,
    Request,
    SearchRequest,
    UnbindRequest,
)
from gateway.ldap.results import ResultCode, result_name
from gateway.policy.reasons import REASONS, Reason

PARTS: Final = {
    Part.sync: "The sync",
    Part.beyond: "Asking for more",
    Part.sign_in: "People sign in",
}

NOT_SERVING: Final = "With --serve the gateway stays up, to be tried by hand."
STOPPING: Final = "Stopping; the files of the demo are removed."


def opening(stage: Stage) -> tuple[str, str]:
    return (
        f"A made-up directory of {len(stage.entries)} entries {stage.described}.",
        "A mail service syncs through the gateway, asks for more than it may have, and lets people sign in.",
    )


def serving(stage: Stage) -> list[str]:
    inside = stage.inside_configuration
    return [
        f"The gateway stays up on {stage.gateway.url} until Ctrl-C.",
        f"Its configuration: {stage.configuration}",
        *([] if inside is None else [f"That of the gateway inside: {inside}"]),
        "To paste in another terminal (ldapsearch is in ldap-utils, or openldap-clients):",
    ]


def asked(step: Step) -> list[str]:
    """What the service asked, a phrase a line."""
    if step.search is None:
        return [step.name] if step.name else []
    lines = _search(step.search)
    lines.append(_names(step.search.attributes))
    return [*lines, f"pages of {step.page_size}"] if step.page_size else lines


def forwarded(found: Happened) -> list[str]:
    """What the directory was asked in its place, a phrase a line."""
    lines: list[str] = []
    # Pages of one search differ in nothing but their cookies.
    for request in dict.fromkeys(found.heard):
        lines.extend(_request(request))
    if found.step.search is not None and found.heard:
        lines.append(_names(found.attributes_forwarded))
    if lines:
        return lines
    return ["nothing: the gateway answers" if found.code == ResultCode.success else "nothing"]


def _request(request: Request) -> list[str]:
    if isinstance(request, SearchRequest):
        if not request.base:
            return [f"root DSE: {_names(request.attributes)}"]
        return _search(request)
    if isinstance(request, BindRequest):
        return [f"bind {request.name}"]
    if isinstance(request, UnbindRequest):
        return ["unbind"]
    if isinstance(request, ExtendedRequest):
        return ["Who Am I?" if request.oid == WHO_AM_I else f"extended {request.oid}"]
    return [request_kind(request)]


def request_kind(request: Request) -> str:
    """bind, search, ... as RFC 4511 names them."""
    return type(request).__name__.removesuffix("Request").lower()


def _search(request: SearchRequest) -> list[str]:
    return [_where(SCOPE_NAMES[request.scope], request.base), filter_text(request.filter)]


def _where(scope: str, base: str) -> str:
    return "root DSE" if scope == "base" and not base else f"{scope} {base}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)


def came_back(found: Happened, names: bool = True) -> list[str]:
    """names: whether the attributes are named, or only counted."""
    if found.step.operation == "connect":
        return ["verified LDAPS"]
    if found.step.operation != "search" or not found.entries:
        return []
    pages = f", {count(found.pages, 'page')}" if found.step.page_size else ""
    attributes = _names(found.attributes) if names else count(len(found.attributes), "attribute")
    return [count(found.entries, "entry", "entries") + pages, attributes]


def held_back(found: Happened) -> list[str]:
    lines = []
    if found.entries_held_back:
        lines.append(count(found.entries_held_back, "entry", "entries"))
    if found.attributes_held_back:
        lines.append(_names(found.attributes_held_back))
    return lines


def result(found: Happened) -> str:
    return "" if found.code is None else f"{result_name(found.code)} ({found.code})"


def why(found: Happened) -> list[str]:
    """The reason as the audit has it, what it means, and the setting that would allow it."""
    if not found.reason:
        return []
    doc = REASONS[Reason(found.reason)]
    setting = doc.setting_of(CLIENT, DIRECTORY)
    return [f"{found.reason}: {doc.meaning}", *([f"see {setting}"] if setting else [])]


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def try_lines(stage: Stage) -> list[tuple[str, str]]:
    """What a line shows, and the line to paste into a shell; passwords are those of the made-up data."""
    return [
        ("permitted; employeeID stays behind", _ldapsearch(stage, "(sn=Fischer)", "*", "employeeID")),
        ("refused; the filter would reveal a hidden value", _ldapsearch(stage, "(employeeID=LEAK-10*)", "cn")),
    ]


def _ldapsearch(stage: Stage, filter_: str, *attributes: str) -> str:
    gateway, account = stage.gateway, stage.account
    words = ["ldapsearch", "-x", "-LLL", "-H", gateway.url, "-D", account.name, "-w", account.password.decode()]
    words += ["-b", str(STAFF), filter_, *attributes]
    return f"LDAPTLS_CACERT={shlex.quote(str(gateway.ca_file))} {shlex.join(words)}"


def audit_line(record: Record) -> str:
    """One line for people while the demo serves."""
    words = [record["operation"]]
    if record.get("base") is not None:
        words += [_where(record["scope"] or "", record["base"]), record["filter"]]
    elif record["account"]:
        words.append(record["account"])
    told = [] if record["code"] is None else [f"{record['result']} ({record['code']})"]
    told += [record["reason"]] if record["reason"] else []
    if record.get("forwarded") is not None:
        held = record["entries_held_back"]
        told.append(count(record["entries"], "entry", "entries") + (f", {held} held back" if held else ""))
    if record.get("held_back"):
        told.append(f"held back: {_names(record['held_back'])}")
    return " ".join(filter(None, words)) + (": " + "; ".join(told) if told else "")
