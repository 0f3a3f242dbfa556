"""The command `demo --link` as people and programs run it: two gateways, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from gateway.demo.linked import HOST, NAME, SECRET
from gateway.demo.people import LEAK_MARKERS, STAFF, SYNC_ACCOUNT
from tests.demo.clients import connect
from tests.demo.test_demo import ESCAPES, README, Serving, changed, on_a_terminal, run

pytestmark = pytest.mark.servers


def processes(tmp_path: Path) -> dict[int, str]:
    """The command lines of the running processes that have a file of this test's demo in it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(tmp_path) in words:
                found[int(entry.name)] = words
    return found


def test_it_proves_what_it_claims_serves_and_ends_with_its_gateways(tmp_path: Path) -> None:
    serving = Serving(tmp_path, "--link")
    try:
        report = serving.report
        assert report["ok"]
        assert [(claim["name"], claim["holds"]) for claim in report["claims"]] == [
            ("complete", True),
            ("nothing leaked", True),
            ("by the policy", True),
            ("unknown outside", True),
        ]
        steps = {step["title"]: step for step in report["steps"]}
        assert steps["Bind"]["forwarded"]["requests"] == ["bind"]
        assert (steps["Users"]["came_back"]["entries"], steps["Users"]["held_back"]["entries"]) == (460, 12)
        assert "employeeID" in steps["Users"]["held_back"]["attributes"]
        hidden = steps["A hidden person, also right"]
        assert (hidden["code"], hidden["reason"]) == (49, "login-outside-base")
        assert len(processes(tmp_path)) == 2
        outside = serving.configuration.read_text()
        assert HOST not in outside and NAME not in outside and SYNC_ACCOUNT.password.decode() not in outside
        connection = connect(serving.port, serving.ca_file, "mimecast-sync", SECRET.decode())
        assert connection.bind()
        assert connection.search(str(STAFF), "(sn=Fischer)", attributes=["*", "employeeID"])
        entries = [entry for entry in connection.response if entry["type"] == "searchResEntry"]
        assert len(entries) == 18
        assert not any(marker in str(entries).encode() for marker in LEAK_MARKERS)
        audit = [serving.next_line(), serving.next_line()]
        assert [record["operation"] for record in audit] == ["bind", "search"]
        assert audit[1]["held_back"] == ["employeeID"]
        assert all("mimecast-sync" in line for line in serving.lines)
    finally:
        ended = serving.stop(signal.SIGTERM)
    assert ended == (0, "")
    assert list(tmp_path.iterdir()) == []
    assert processes(tmp_path) == {}


def test_the_death_of_a_gateway_ends_the_demo_with_a_word(tmp_path: Path) -> None:
    serving = Serving(tmp_path, "--link")
    (inside,) = [pid for pid, words in processes(tmp_path).items() if "/inside/" in words]
    try:
        os.kill(inside, signal.SIGKILL)
        serving.process.wait(30)
    finally:
        status, errors = serving.stop(0)
    assert status == 1
    assert errors.startswith("ldap-gateway demo: the gateway inside has ended; the end of its log: ")
    assert list(tmp_path.iterdir()) == []
    assert processes(tmp_path) == {}


def test_what_is_known_outside_is_noticed_and_so_is_a_blind_search(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        *changed(
            """
import gateway.demo.linked as linked
real = linked.write_outside
def careless(path, *rest):
    real(path, *rest)
    with path.open("a") as file:
        file.write("# asks 127.83.69.67")
linked.write_outside = careless
marks_of = linked.marks_of
linked.marks_of = lambda place, account, password: marks_of(place, account, b"a password that is nowhere")
""",
            "--link",
        ),
    )
    assert (done.returncode, done.stderr) == (1, "")
    (failed,) = re.findall(r"^FAILED: (.*)", done.stdout, re.MULTILINE)
    assert re.search(
        r"^unknown outside: .*: address \d+; .*blind for these, which are inside for sure: password$", failed
    )


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(
            tmp_path, *changed(f"import gateway.demo.linked as linked\nlinked.free_port = lambda: {port}", "--link")
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        rf"ldap-gateway demo: the gateway outside has ended; .* log: .*127\.0\.0\.1:{port}: another program .*\n",
        done.stderr,
    )
    assert list(tmp_path.iterdir()) == []
    assert processes(tmp_path) == {}


def test_the_readme_shows_the_line_that_is_the_links_own(tmp_path: Path) -> None:
    (excerpt,) = [block for block in README.read_text().split("```\n")[1::2] if "unknown outside" in block]
    status, shown = on_a_terminal(tmp_path, 100, "--link")
    assert status == 0
    assert _words(excerpt) in _words(ESCAPES.sub("", shown))


def _words(text: str) -> str:
    """Without its numbers, which differ from run to run, and the line ends that they make."""
    return " ".join(re.sub(r"[0-9,]+", "N", text).split())
