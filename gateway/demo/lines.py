"""The demo where no terminal is: plain lines for logs, or JSON for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click

from gateway.demo import words
from gateway.demo.stage import Stage
from gateway.demo.steps import Happened, Part, Record
from gateway.demo.sync import Report
from gateway.ldap.filter_text import filter_text
from gateway.ldap.messages import SCOPE_NAMES, SearchRequest
from gateway.ldap.results import result_name


class LineReporter:
    """The demo's report in lines, for narrow terminals and for files."""

    def opening(self, stage: Stage) -> None:
        for line in words.opening(stage):
            click.echo(line)

    def report(self, report: Report) -> None:
        for part in Part:
            click.echo(f"\n{words.PARTS[part]}")
            for found in report.happened:
                if found.step.part is part:
                    _print_step(found)
        click.echo()
        for claim in report.claims:
            click.echo(f"{'ok' if claim.holds else 'FAILED'}: {claim.name}: {claim.text}")

    def not_serving(self) -> None:
        click.echo(words.NOT_SERVING)

    def serving(self, stage: Stage) -> None:
        click.echo()
        for hint in words.serving(stage):
            click.echo(hint)
        for shows, line in words.try_lines(stage):
            click.echo(f"# {shows}\n{line}")

    def audited(self, record: Record) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} {words.audit_line(record)}")

    def stopping(self) -> None:
        click.echo(words.STOPPING)


def _print_step(found: Happened) -> None:
    click.echo(f"- {found.step.title}")
    said = {
        "asked": words.asked(found.step),
        "forwarded": words.forwarded(found),
        "came back": words.came_back(found),
        "held back": words.held_back(found),
        "result": [words.result(found)] if found.code is not None else [],
        "reason": words.why(found),
        "NOT AS EXPECTED": [] if found.as_expected else [f"expected: {found.step.expected}"],
    }
    for key, phrases in said.items():
        if phrases:
            click.echo(f"    {key + ':':<11}{'; '.join(phrases)}")


class JsonReporter:
    """The report as one line; where the demo serves, a line on how to reach it and a line an audit record."""

    def opening(self, stage: Stage) -> None:
        """Nothing that a program needs."""

    def report(self, report: Report) -> None:
        claims = [{"name": c.name, "holds": c.holds, "text": c.text} for c in report.claims]
        _print({"ok": report.holds, "steps": [_step(found) for found in report.happened], "claims": claims})

    def not_serving(self) -> None:
        """The end of the output says so."""

    def serving(self, stage: Stage) -> None:
        place = stage.gateway
        shown = {"url": place.url, "ca_file": str(place.ca_file), "configuration": str(stage.configuration)}
        if stage.inside_configuration is not None:
            shown["inside_configuration"] = str(stage.inside_configuration)
        _print({"serving": {**shown, "try": [{"shows": s, "line": line} for s, line in words.try_lines(stage)]}})

    def audited(self, record: Record) -> None:
        _print(record)

    def stopping(self) -> None:
        """The end of the output says so."""


def _print(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def _step(found: Happened) -> dict[str, Any]:
    step = found.step
    asked: dict[str, Any] = {"name": step.name}
    if step.search is not None:
        asked = {**_search(step.search), "attributes": list(step.search.attributes), "page_size": step.page_size}
    return {
        "part": step.part.value,
        "title": step.title,
        "operation": step.operation,
        "asked": asked,
        "forwarded": {
            "requests": [words.request_kind(request) for request in found.heard],
            "searches": [_search(request) for request in dict.fromkeys(found.searches_heard)],
            "attributes": list(found.attributes_forwarded),
        },
        "came_back": {"entries": found.entries, "pages": found.pages, "attributes": list(found.attributes)},
        "held_back": {"entries": found.entries_held_back, "attributes": list(found.attributes_held_back)},
        "result": None if found.code is None else result_name(found.code),
        "code": found.code,
        "reason": found.reason,
        "diagnostic": found.diagnostic,
        "as_expected": found.as_expected,
    }


def _search(request: SearchRequest) -> dict[str, Any]:
    return {"base": request.base, "scope": SCOPE_NAMES[request.scope], "filter": filter_text(request.filter)}
