"""The command `demo` as people and programs run it."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.people import LEAK_MARKERS, STAFF, SYNC_ACCOUNT, a_person
from tests.demo.clients import connect

pytestmark = pytest.mark.servers

DEMO = [sys.executable, "-m", "gateway", "demo"]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
README = Path(__file__).parents[2] / "README.md"


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """The demo's files go below tmp_path, so that what it leaves behind is seen."""
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8", **more}


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """words: options of the demo, or a whole command that begins with -c."""
    command = [sys.executable, *words] if words[:1] == ("-c",) else [*DEMO, *words]
    return subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False)


def changed(change: str, *options: str) -> tuple[str, str]:
    """The demo with something broken beforehand."""
    return "-c", f"{change}\nfrom gateway.cli import main\nmain({['demo', *options]})"


def test_plain_lines_say_what_happened_and_leave_nothing_behind(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        "    asked:     sub ou=staff,dc=demo,dc=example; (&(objectCategory=person)(objectClass=user)); *; pages of 100",
        "    came back: 30 entries, 1 page; displayName, mail, proxyAddresses",
        "    held back: employeeID, pager",
        "    result:    insufficientAccessRights (50)",
        "    forwarded: nothing",
        "ok: complete: 514 of the 514 entries that may leave came with exactly the directory's values",
        "ok: by the policy: 16 of 16 answers are what the policy says",
    ):
        assert line in done.stdout.splitlines()
    assert "NOT AS EXPECTED" not in done.stdout
    assert not re.search("[\x1b\u2500-\u257f]", done.stdout), "colour or box drawing where no terminal is"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = run(tmp_path_factory.mktemp("json"), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def step(report: dict[str, Any], title: str) -> dict[str, Any]:
    (found,) = [item for item in report["steps"] if item["title"] == title]
    assert found["as_expected"]
    return dict(found)


def test_a_search_is_written_anew_and_stripped(report: dict[str, Any]) -> None:
    users = step(report, "Users")
    assert users["asked"]["attributes"] == ["*"]
    (forwarded,) = users["forwarded"]["searches"]
    assert forwarded["base"] == str(STAFF)
    assert forwarded["filter"] == "(&(mail=*)(&(objectCategory=person)(objectClass=user)))"
    assert users["came_back"]["entries"] == 460
    assert users["held_back"]["entries"] == 12
    assert {"employeeID", "pager", "description", "userPassword"} <= set(users["held_back"]["attributes"])
    assert not set(users["forwarded"]["attributes"]) & set(users["held_back"]["attributes"])
    assert step(report, "Contacts")["held_back"] == {"entries": 0, "attributes": ["employeeID", "pager"]}


def test_what_is_refused_never_reaches_the_directory(report: dict[str, Any]) -> None:
    beyond = [found for found in report["steps"] if found["part"] == "beyond"]
    assert [found["reason"] for found in beyond] == [
        "base-excluded",
        "filter-attribute-not-allowed",
        "",
        "base-not-allowed",
        "operation-not-allowed",
    ]
    refused = [found for found in beyond if found["reason"]]
    assert all(found["forwarded"]["requests"] == [] and found["came_back"]["entries"] == 0 for found in refused)


def test_a_search_of_the_whole_domain_gives_what_the_sync_gives(report: dict[str, Any]) -> None:
    domain = step(report, "The whole domain, which becomes the allowed parts of it")
    assert domain["came_back"]["entries"] == 514
    assert domain["held_back"]["entries"] == 12


def test_sign_ins_end_as_they_must(report: dict[str, Any]) -> None:
    people = [(found["operation"], found["code"]) for found in report["steps"] if found["part"] == "sign-in"]
    assert people == [("bind", 0), ("search", 50), ("bind", 49), ("bind", 49)]
    assert report["ok"]
    assert [claim["holds"] for claim in report["claims"]] == [True, True, True]


def test_passwords_are_not_printed(report: dict[str, Any]) -> None:
    said = json.dumps(report)
    assert SYNC_ACCOUNT.password.decode() not in said
    assert a_person().password.decode() not in said


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        # One attribute too many on the allowlist, which every other claim agrees with.
        ("import gateway.demo.configuration as c; c.ATTRIBUTES += ('pager',)", ["nothing leaked"]),
        # A unit too few: what comes looks whole.
        (
            "import gateway.demo.configuration as c; "
            "c.EXCLUDED_BASE_DNS += ('OU=R\\\\+D,OU=Staff,DC=demo,DC=example',)",
            ["complete"],
        ),
        # Nothing excluded: the hidden people come, and their unit can be searched.
        (
            "import gateway.demo.configuration as c; c.EXCLUDED_BASE_DNS = ()",
            ["complete", "nothing leaked", "by the policy"],
        ),
        # Answers without the marks would leave the check blind.
        ("import gateway.demo.people as p; p.LEAK_MARKERS = (b'no such mark',)", ["nothing leaked"]),
    ],
)
def test_a_broken_gateway_is_noticed(tmp_path: Path, change: str, failing: list[str]) -> None:
    done = run(tmp_path, *changed(change))
    assert done.returncode == 1
    assert done.stderr == ""
    assert re.findall(r"^FAILED: (.*?):", done.stdout, re.MULTILINE) == failing


def test_a_crash_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    change = """
import gateway.demo.sync as s
async def run(self): raise RuntimeError("broken")
s.SimulatedSync.run = run
"""
    done = run(tmp_path, *changed(change))
    assert done.returncode == 1
    assert "RuntimeError: broken" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_runs_on_the_gateways_own_loop(tmp_path: Path) -> None:
    """ldaptor wants a reactor when it is imported, and would have Twisted's."""
    change = """
import atexit, sys
atexit.register(lambda: print(type(sys.modules["twisted.internet.reactor"]).__name__))
"""
    assert run(tmp_path, *changed(change)).stdout.splitlines()[-1] == "EventLoop"


def on_a_terminal(tmp_path: Path, width: int, *options: str) -> tuple[int, str]:
    """The demo's exit status and output on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    settings = environment(tmp_path, TERM="xterm-256color")
    for name in ("COLUMNS", "NO_COLOR"):
        settings.pop(name, None)
    with subprocess.Popen([*DEMO, *options], env=settings, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = "".join(read_all(ours))
    return process.returncode, shown


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_terminal_gets_tables_that_fit(tmp_path: Path, width: int) -> None:
    status, shown = on_a_terminal(tmp_path, width)
    assert status == 0
    assert "\x1b[" in shown
    lines = ESCAPES.sub("", shown).splitlines()
    widest = max(len(line) for line in lines)
    assert widest <= min(width, 120)
    assert ("─" * widest in lines) is (width > 80)
    words = {word for line in lines for word in re.split(r"[\s,]+", line)}
    for whole in ("(mail=*)", "userPrincipalName", "svc-mimecast@demo.example", "LEAK-hidden-0@demo.example"):
        assert whole in words
    assert any(line.startswith("ok  nothing leaked") for line in lines)


def test_the_readme_shows_lines_of_the_output_as_they_are_and_in_their_order(tmp_path: Path) -> None:
    (excerpt,) = [block for block in README.read_text().split("```\n")[1::2] if "What this run proves" in block]
    status, shown = on_a_terminal(tmp_path, 100)
    assert status == 0
    left = iter([line.rstrip() for line in ESCAPES.sub("", shown).splitlines()])
    # Each is looked for behind the one before it.
    assert [line for line in excerpt.splitlines() if line not in left] == []


def read_all(terminal: int) -> Iterator[str]:
    # A read may end within a character.
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            # EIO: the other side is closed.
            break
        if not data:
            break
        yield decoder.decode(data)
    os.close(terminal)


class Serving:
    """`demo --serve --json`: the report, then where it serves, then the audit."""

    def __init__(self, tmp_path: Path, *options: str) -> None:
        command = [*DEMO, "--serve", "--json", *options]
        self.process = subprocess.Popen(
            command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.report = self.next_line()
        where = self.next_line()["serving"]
        self.port = int(where["url"].rpartition(":")[2])
        self.ca_file = Path(where["ca_file"])
        self.configuration = Path(where["configuration"])
        self.lines: list[str] = [shown["line"] for shown in where["try"]]

    def next_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read() if self.process.stderr else ""
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        try:
            _, errors = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        return self.process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_a_signal_and_clears_up(tmp_path: Path, number: int) -> None:
    serving = Serving(tmp_path)
    try:
        assert serving.report["ok"]
        connection = connect(
            serving.port, serving.ca_file, SYNC_ACCOUNT.user_principal_name, SYNC_ACCOUNT.password.decode()
        )
        assert connection.bind()
        assert connection.search(str(STAFF), "(sn=Fischer)", attributes=["*", "employeeID"])
        entries = [entry for entry in connection.response if entry["type"] == "searchResEntry"]
        assert len(entries) == 18
        assert not any(marker in str(entries).encode() for marker in LEAK_MARKERS)
        audit = [serving.next_line(), serving.next_line()]
        assert [record["operation"] for record in audit] == ["bind", "search"]
        assert audit[1]["held_back"] == ["employeeID"]
        assert audit[1]["filter"] == "(sn=?)"
        # A session that is still open does not keep it from ending.
    finally:
        ended = serving.stop(number)
    assert ended == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_lines_to_paste_work_as_printed(tmp_path: Path) -> None:
    if shutil.which("ldapsearch") is None:
        pytest.skip("needs ldapsearch: apt-get install ldap-utils")
    # A name that a shell would take apart.
    odd = tmp_path / "it's a $HOME"
    odd.mkdir()
    serving = Serving(odd)
    try:
        permitted, refused = [
            subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=False)
            for line in serving.lines
        ]
    finally:
        serving.stop(signal.SIGTERM)
    assert permitted.returncode == 0, permitted.stderr
    assert permitted.stdout.count("\ndn") + permitted.stdout.startswith("dn") == 18
    assert "employeeID" not in permitted.stdout
    assert refused.returncode == 50
    assert refused.stdout == ""
    assert "filter-attribute-not-allowed" in refused.stderr


def test_the_configuration_is_one_that_check_accepts(tmp_path: Path) -> None:
    serving = Serving(tmp_path)
    try:
        command = [sys.executable, "-m", "gateway", "check", "-c", serving.configuration]
        checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        serving.stop(signal.SIGTERM)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_signal_during_the_sync_ends_it_with_a_word(tmp_path: Path) -> None:
    change = """
import gateway.demo.sync as s
from twisted.internet.defer import Deferred
async def run(self): await Deferred()
s.SimulatedSync.run = run
"""
    process = subprocess.Popen(
        [sys.executable, *changed(change)],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("A made-up directory")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, errors) == (1, "ldap-gateway demo: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_reactor() -> None:
    script = """
import sys
from gateway.cli import main
main(["demo", "--help"], standalone_mode=False)
print(sorted(name for name in sys.modules if name.startswith(("twisted", "rich.table", "ldaptor", "pydantic"))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "--serve" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
