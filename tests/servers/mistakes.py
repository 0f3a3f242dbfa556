"""What is said of an administrator's mistake: by the log, the page, doctor, the audit and the metrics of a gateway that
runs with it; and the table of docs/troubleshooting.md that has it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.observe.admin_client import get
from tests.servers.gateway_process import ROOT, GatewayProcess

DOCUMENT: Final = ROOT / "docs" / "troubleshooting.md"
COLUMNS: Final = ("mistake", "log, or `check` and `run`", "page", "doctor", "audit", "metric")
_BEGIN, _END = "<!-- mistakes: made by tests/servers/test_mistakes.py -->", "<!-- mistakes: end -->"
NOTHING: Final = "–"

# Those that say of an operation or a server that something is wrong, and not how much there was.
_METRICS: Final = (
    "server_connection_failures_total",
    "own_account_refused",
    "sync_account_refused",
    "refusals_total",
    "failures_total",
    "operations_total",
    "server_doubtful",
    "mended_names_total",
    "attributes_held_back_total",
)
_ZERO_IS_BAD: Final = ("server_up", "ready")
_FINE: Final = re.compile(r'result="(success|noSuchObject)"|operation="(unbind|extended)"')

_VARYING: Final = (
    (re.compile(r"(/[\w.+-]+)+/(gateway\.yaml|[\w.-]+\.(pem|key|crt)|state|password)\b"), r"\2"),
    (re.compile(r"ldaps://(127\.\d+\.\d+\.\d+)(:\d+)?"), "ldaps://dc1.corp.example"),
    (re.compile(r"\b(localhost|dc1\.corp\.example):\d+"), "dc1.corp.example:636"),
    (re.compile(r"\bdc9\.corp\.example:\d+"), "dc9.corp.example:636"),
    (re.compile(r"process \d+ \([^)]*\)"), "process 812 (slapd)"),
    (re.compile(r"127\.0\.0\.1:(\d{4,5}|0)\b"), "0.0.0.0:636"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "2026-11-30 08:00 UTC"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "2026-11-30"),
    (re.compile(r"session s\d+"), "session s1"),
    (re.compile(r"\b(\d+ min \d+ s|\d+ min|\d+ s)(?=,? because)"), "30 min"),
    (re.compile(r"\b(for (?:another )?|ends in )\d+ (?:ms|s|min|h)(?: \d+ (?:s|min))?\b"), r"\g<1>30 min"),
    (re.compile(r"\d{3,5} s (ahead|behind)"), r"3600 s \1"),
    (re.compile(r"(client|directory|server|operation)=\"(mimecast|corp|[^\"]*:\d+|dc1[^\"]*|)\",?"), ""),
    (re.compile(r"clients\.mimecast"), "clients.NAME"),
    (re.compile(r"directories\.corp"), "directories.NAME"),
)


@dataclass(slots=True)
class Said:
    """What one mistake makes each of them say, in lines."""

    log: list[str] = field(default_factory=list)
    page: list[str] = field(default_factory=list)
    doctor: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    metric: list[str] = field(default_factory=list)

    def row(self, mistake: str) -> str:
        columns = (self.log, self.page, self.doctor, self.audit, self.metric)
        return f"| {' | '.join([mistake, *map(_cell, columns)])} |"


def _cell(lines: Sequence[str]) -> str:
    found = dict.fromkeys(_steady(line) for line in lines)
    return "<br>".join(line.replace("|", "\\|") for line in found) or NOTHING


def _steady(line: str) -> str:
    """The line with what differs from run to run, or from site to site, in the same words each time."""
    for pattern, word in _VARYING:
        line = pattern.sub(word, line)
    return line.replace("{}", "").replace(",}", "}").strip()


# What is listened to.


def of_the_log(text: str) -> list[str]:
    """The messages of warnings and errors that come of a mistake."""
    lines = re.findall(r"^\S+ \[\S+#(?:warn|error|critical)\] (.*)$", text, re.MULTILINE)
    return [line for line in lines if "this installation is" not in line]


def of_the_page(port: int) -> list[str]:
    """What the page marks as bad or doubtful, and the refusals."""
    _, _, html = get(port, "/")
    found = re.findall(r'class="(?:pill|note) (?:bad|warn)"[^>]*>(.*?)</(?:span|div)>', html, re.DOTALL)
    refusals = html.partition("Refused in the last day")[2].partition("</section>")[0]
    found += [f"refusals: {reason}" for reason in re.findall(r"<code>([a-z-]+)</code>", refusals)]
    # Links into the documentation are left out.
    words = [" ".join(re.sub(r"<a .*?</a>|</?code>|(<[^>]+>)", r"\1", each).split()) for each in found]
    words = [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in words]
    # How long a certificate is still valid is no mistake; those of tests are made for a day.
    return [each for each in words if not re.match(r"\d+ (days|h|min|s)\b|ready, but see below", each)]


def of_the_metrics(port: int) -> list[str]:
    _, _, text = get(port, "/metrics")
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"ldap_gateway_(\w+)(\{.*\})? ([0-9.e+-]+)", line)
        if match is None:
            continue
        name, labels, value = match[1], match[2] or "", float(match[3])
        bad = (name in _METRICS and value > 0) or (name in _ZERO_IS_BAD and value == 0)
        if bad and not _FINE.search(labels):
            found.append(f"`{name}{labels}`" + (" = 0" if name in _ZERO_IS_BAD else ""))
    return found


def of_the_audit(records: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for record in records:
        words = [str(record.get("reason") or record.get("result") or "no answer")]
        words += [str(record[key]) for key in ("server_meaning", "detail") if record.get(key)]
        if record.get("mended"):
            words.append(f"mended: {record['mended'][0]['meant']}")
        if record.get("held_back"):
            words.append(f"held_back: {', '.join(record['held_back'])}")
        if len(words) > 1 or words[0] != "success":
            found.append(": ".join(words))
    return found


def of_doctor(config: Path, password: str | None, *arguments: str, prelude: str = "") -> list[tuple[str, str]]:
    """`AREA STEP`, and what is said and advised, of each finding that is not well. prelude: Python that is run
    before."""
    command = [*_command(prelude), "doctor", "-c", str(config), "--json", *arguments]
    if password is not None:
        file = config.with_name("password")
        file.write_text(password)
        file.chmod(0o600)
        command += ["--password-file", str(file)]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return [
        (
            f"{each['area']} {each['step']}",
            f"{each['step']}: {each['said']}" + (f" → {each['advice']}" if each["advice"] else ""),
        )
        for each in json.loads(ended.stdout)["findings"]
        if each["status"] in ("failed", "warning")
    ]


def of_a_start(config: Path, prelude: str = "") -> list[str]:
    """What `run`, or with a prelude `check`, says of a configuration that cannot be served. prelude: Python that is
    run before."""
    ended = subprocess.run(
        [*_command(prelude), "check" if prelude else "run", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    return [line for line in ended.stderr.splitlines() if line]


def _command(prelude: str) -> list[str]:
    return [sys.executable, "-c", f"from gateway.cli import main; {prelude or 'pass'}; main()"]


def listen_to(running: GatewayProcess) -> Said:
    """What a gateway says after what it was made to do."""
    assert running.admin_port is not None
    records = running.audit()
    return Said(
        of_the_log(running.log()),
        of_the_page(running.admin_port),
        [],
        of_the_audit(records),
        of_the_metrics(running.admin_port),
    )


# The table.


def documented() -> dict[str, str]:
    """The rows of the document, by their first cell."""
    text = DOCUMENT.read_text()
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.startswith("| ")}


def rewrite(mistake: str, row: str, order: Sequence[str]) -> None:
    """Puts the row into the document, in its place; tests that run at the same time do so one after the other."""
    with _locked():
        rows = {name: line for name, line in documented().items() if name in order}
        rows[mistake] = row
        text = DOCUMENT.read_text()
        before, after = text.partition(_BEGIN)[0], text.partition(_END)[2]
        table = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        table += [rows[name] for name in order if name in rows]
        DOCUMENT.write_text(before + _BEGIN + "\n" + "\n".join(table) + "\n" + _END + after)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with DOCUMENT.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


REWRITES: Final = os.environ.get("LDAP_GATEWAY_REWRITE_MISTAKES") == "1"
