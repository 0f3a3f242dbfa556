import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.policy.shrink import Shape
from gateway.state.lockout_socket import ask
from gateway.state.size_database import FILE_NAME
from tests.config.certificates import write_pair
from tests.config.test_load import GOOD
from tests.state.test_sizes import NOTHING, Memory, on_disk, shape, sizes, until

OTHER = GOOD[GOOD.index("  mimecast:") :].replace("mimecast", "other").replace("198.51", "198.52").replace(".7]", ".8]")
NOON = 1_767_614_400.0


@pytest.fixture
def config(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "state").mkdir()
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD + OTHER + "state_dir: state\n")
    return path


@pytest.fixture
def running(config):
    """The memory of a gateway that runs, with two searches of mimecast and one of other."""
    state_dir = config.parent / "state"
    with closing(Memory(state_dir, clock=lambda: NOON)) as memory:
        memory.store(shape(1), sizes(5000))
        memory.store(shape(2, account=""), sizes(70))
        memory.store(shape(3, "other"), sizes(60))
        until(lambda: len(on_disk(state_dir)) == 2 and on_disk(state_dir, "other"))
        yield memory
        assert memory.said == []


def shrink(config, *arguments, input=None):
    done = CliRunner().invoke(main, ["shrink", arguments[0], "-c", str(config), *arguments[1:]], input=input)
    return done.exit_code, done.stdout, done.stderr


def on_a_terminal(config, *arguments, typed=""):
    """Runs it in a process of its own, with a terminal of 160 columns; returns exit status and what was shown."""
    shown, own = pty.openpty()
    command = [sys.executable, "-m", "gateway", "shrink", arguments[0], "-c", str(config), *arguments[1:]]
    environment = {**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=own, stdout=own, stderr=own, env=environment)
    os.close(own)
    os.write(shown, typed.encode())
    text = b""
    with os.fdopen(shown, "rb", buffering=0) as terminal:
        try:
            while read := terminal.read(65536):
                text += read
        except OSError:
            pass  # Linux: the other side of the terminal is closed.
    return process.wait(30), text.decode()


def test_the_list_is_aligned(config, running):
    code, out, err = shrink(config, "list")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "client    account  entries  when                  accepted  search",
        "mimecast  svc      5000     2026-01-05 12:00 UTC  no        OU=Staff,DC=corp,DC=example (sub) (number=1)",
        "mimecast  -        70       2026-01-05 12:00 UTC  no        OU=Staff,DC=corp,DC=example (sub) (number=2)",
        "other     svc      60       2026-01-05 12:00 UTC  no        OU=Staff,DC=corp,DC=example (sub) (number=3)",
    ]


def test_the_list_as_json(config, running):
    code, out, _err = shrink(config, "list", "--json")
    first, *others = json.loads(out)
    assert code == 0 and len(others) == 2
    assert first == {
        "client": "mimecast",
        "account": "svc",
        "search": "OU=Staff,DC=corp,DC=example (sub) (number=1)",
        "entries": 5000,
        "attributes": [
            {"name": "mail", "entries": 5000, "values": 5001},
            {"name": "member", "entries": 3, "values": 9000},
        ],
        "stored": "2026-01-05T12:00:00+00:00",
        "accepted": False,
    }


@pytest.mark.servers
def test_the_list_on_a_terminal_is_a_table(config, running):
    code, text = on_a_terminal(config, "list")
    assert code == 0
    assert "┃" in text and "(number=3)" in text and "5000 │ 2026-01-05 12:00 UTC" in text


@pytest.mark.servers
def test_what_a_client_sent_does_not_steer_the_terminal(config, running):
    running.store(Shape("mimecast", b"k" * 32, "OU=\x1b[2J[red]x\n(sub)"), sizes(60))
    until(lambda: len(on_disk(config.parent / "state")) == 3)
    assert "OU=\ufffd[2J[red]x\ufffd(sub)\n" in shrink(config, "list")[1]
    _code, text = on_a_terminal(config, "list")
    assert "OU=\ufffd[2J[red]x\ufffd(sub)" in text


def test_nothing_is_remembered_yet(config):
    assert shrink(config, "list") == (0, "nothing is remembered yet\n", "")
    assert shrink(config, "list", "--json") == (0, "[]\n", "")
    assert shrink(config, "reset") == (0, "every client: nothing was remembered\n", "")
    code, out, err = shrink(config, "accept", "mimecast")
    assert (code, out) == (1, "") and err.startswith("mimecast: nothing is remembered")
    assert list((config.parent / "state").iterdir()) == []


def test_accept_holds_for_the_next_result_of_each_search_of_the_client(config, running):
    code, out, err = shrink(config, "accept", "mimecast")
    assert (code, err) == (0, "")
    taken = "the next complete result of 2 searches is taken as the new measure, whatever its size"
    assert out == f"mimecast: {taken}; no gateway runs with this state_dir, and the next one that starts sees it\n"
    until(lambda: running.read(shape(1)).accepted and running.read(shape(2)).accepted)
    assert not running.read(shape(3, "other")).accepted
    assert [found["accepted"] for found in json.loads(shrink(config, "list", "--json")[1])] == [True, True, False]
    running.store(shape(1), sizes(8))
    until(lambda: on_disk(config.parent / "state")[1].sizes == sizes(8))
    assert [found["accepted"] for found in json.loads(shrink(config, "list", "--json")[1])] == [False, True, False]
    assert shrink(config, "accept", "mimecast")[0] == 0
    until(lambda: running.read(shape(1)).accepted)


def test_reset_forgets_one_client_or_all(config, running):
    assert shrink(config, "reset", "mimecast") == (0, "mimecast: 2 searches forgotten\n", "")
    until(lambda: running.read(shape(1)) == NOTHING)
    assert running.read(shape(3, "other")).sizes == sizes(60)
    assert shrink(config, "reset", "--yes") == (0, "every client: 1 search forgotten\n", "")
    until(lambda: running.read(shape(3, "other")) == NOTHING)


@pytest.mark.servers
def test_reset_asks_on_a_terminal(config, running):
    code, text = on_a_terminal(config, "reset", "mimecast", typed="n\n")
    assert code == 1 and "Forget all sizes of mimecast? [y/N]" in text
    assert len(on_disk(config.parent / "state")) == 2
    code, text = on_a_terminal(config, "reset", "mimecast", typed="y\n")
    assert code == 0 and "mimecast: 2 searches forgotten" in text
    code, text = on_a_terminal(config, "reset", "--yes")
    assert code == 0 and text == "every client: 1 search forgotten\r\n"


@pytest.mark.parametrize("command", ["accept", "reset"])
def test_an_unknown_client_is_answered_with_the_known_ones(config, running, command):
    assert shrink(config, command, "mimcast") == (2, "", "no client mimcast; there are: mimecast, other\n")
    assert len(json.loads(shrink(config, "list", "--json")[1])) == 3


def test_a_client_that_is_no_longer_configured_can_be_forgotten(config, running):
    config.write_text(GOOD + "state_dir: state\n")
    assert shrink(config, "reset", "gone")[2] == "no client gone; there are: mimecast, other\n"
    assert shrink(config, "reset", "other") == (0, "other: 1 search forgotten\n", "")


@pytest.mark.parametrize("arguments", [("list",), ("accept", "mimecast"), ("reset",)])
@pytest.mark.parametrize(
    "state_dir, words",
    [
        ("null", "gateway.yaml: state_dir is not set, so the sizes are in the gateway's memory only"),
        ("gone", "gone: no such directory"),
        ("5", "a text is expected"),
    ],
)
def test_a_state_dir_that_is_none(config, arguments, state_dir, words):
    config.write_text(GOOD + f"state_dir: {state_dir}\n")
    code, out, err = shrink(config, *arguments)
    assert (code, out) == (2, "") and words in err


@pytest.fixture
def gateway(config):
    """Starts `run` with its log in run.log; returns the process once it has logged `ready`, or has ended."""
    config.write_text(config.read_text() + "admin: null\n")
    log = config.parent / "run.log"
    started = []

    def start():
        with log.open("w") as stream:
            started.append(subprocess.Popen([sys.executable, "-m", "gateway", "run", "-c", str(config)], stderr=stream))
        until(lambda: "ready" in log.read_text() or started[-1].poll() is not None)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(30)


@pytest.mark.servers
def test_a_gateway_keeps_its_sizes_in_state_dir_and_says_what_is_wrong_with_it(config, gateway):
    state_dir, log = config.parent / "state", config.parent / "run.log"
    (state_dir / FILE_NAME).write_bytes(b"no database " * 1000)
    process = gateway()
    until(lambda: f"{state_dir / FILE_NAME} is damaged" in log.read_text())
    assert shrink(config, "list") == (0, "nothing is remembered yet\n", "")
    state_dir.rename(config.parent / "away")
    until(lambda: "only memory holds what is new" in log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.servers
def test_accept_returns_when_the_gateway_has_seen_it(config, gateway):
    state_dir = config.parent / "state"
    with closing(Memory(state_dir, clock=lambda: NOON)) as memory:
        memory.store(shape(1), sizes(5000))
        until(lambda: len(on_disk(state_dir)) == 1)
    process = gateway()
    code, out, err = shrink(config, "accept", "mimecast")
    assert (code, err) == (0, "")
    assert out.endswith("whatever its size; the gateway has seen it: the sync may begin\n")
    found = on_disk(state_dir)[1]
    assert ask(state_dir, {"do": "acceptance"}) == {"acceptance": found.accepted}
    assert found.accepted > 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_accept_says_so_where_the_gateway_does_not_see_it(config, running, monkeypatch):
    monkeypatch.setattr("gateway.cli.shrink._PATIENCE", 0.0)
    monkeypatch.setattr("gateway.state.lockout_socket.ask", lambda *_: {"acceptance": 5})
    code, out, err = shrink(config, "accept", "mimecast")
    assert (code, out) == (3, "") and "but the gateway has not seen it within 0 seconds: its log says" in err


@pytest.mark.servers
def test_a_gateway_without_its_state_dir_does_not_start(config, gateway):
    (config.parent / "state").rmdir()
    assert gateway().wait(30) == 2
    assert (config.parent / "run.log").read_text() == (
        f"state_dir {config.parent / 'state'}: no such directory; make it, owned by the account that the gateway "
        "runs as\n"
    )


def test_a_damaged_file_is_left_to_the_gateway(config):
    path = config.parent / "state" / FILE_NAME
    path.write_bytes(b"no database " * 1000)
    code, out, err = shrink(config, "list")
    assert (code, out) == (2, "")
    assert err.startswith(f"{path} is damaged (file is not a database); the gateway moves it aside")
    assert path.read_bytes() == b"no database " * 1000
