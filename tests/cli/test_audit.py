import gzip
import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.link.observer import LinkEvent, LinkEventKind
from gateway.observe.audit import reading as audit_reading
from gateway.observe.audit.line import audit_line
from gateway.observe.audit.reading import Damage, records
from gateway.observe.audit.records import audit_object, link_object, lost_object, sync_object
from gateway.observe.audit.settings import AuditFormat
from gateway.observe.audit.view import Choice, since
from gateway.observe.sync_runs import SyncRuns
from gateway.policy.decision import Mended
from gateway.relay.audit import CameBy
from tests.cli.configurations import write_configuration
from tests.observe.records import record
from tests.servers.terminal import Terminal

NOW = 1_700_000_000.0
WHY_NOT = "1 search without an end: server-lost (1)"
REFUSED = {"decision": "refuse", "code": 50, "reason": "base-not-allowed"}


def line(shown, form=AuditFormat.json):
    return audit_line(shown, form, NOW).octets


def operation(at, *arguments, **fields):
    return line(audit_object(record(*arguments, **fields), False, NOW + at))


def sync(at, client="mimecast", **fields):
    runs = SyncRuns({})
    runs.add(record(client=client, sent=460, received=463, pages=5, seconds=90.0, **fields), NOW + at)
    return line(sync_object(runs.over(NOW + at + 10_000)[0]))


LINES = [
    operation(0, "bind"),
    operation(60, sent=460, received=463, pages=5, held_back=("pager",)),
    operation(120, client="other", **REFUSED),
    operation(180, "bind", client="other", code=49, reason="account-guarded", account="jane@corp.example"),
    line(lost_object(1200, NOW + 190, NOW + 200, "disk: No space left on device")),
    sync(3600),
    sync(7200, client="other", code=52, reason="server-lost"),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


def run(*arguments, **keywords):
    return CliRunner().invoke(main, ["audit", *map(str, arguments)], **keywords)


def test_what_was_mended_is_marked(tmp_path):
    mended = Mended("base", "OU=Sales, EMEA,DC=corp,DC=example", r"OU=Sales\, EMEA,DC=corp,DC=example")
    path = tmp_path / "audit.jsonl"
    path.write_bytes(operation(0, sent=1, mended=(mended,)))
    assert run(path).stdout.endswith(
        "1 entry, 0 pages; MENDED base: came as OU=Sales, EMEA,DC=corp,DC=example and was read as "
        "OU=Sales\\, EMEA,DC=corp,DC=example\n"
    )


def test_both_halves_of_an_operation_name_each_other(tmp_path):
    path = tmp_path / "audit.jsonl"
    outside = operation(0, server="link://inside/inside-1", server_session="s93", sent=1)
    path.write_bytes(outside + operation(1, came_by=CameBy("dmz", "s4711", "198.51.100.7"), sent=1))
    there, here = run(path).stdout.splitlines()
    assert there.endswith("1 entry, 0 pages; link://inside/inside-1, session s93 there")
    assert here.endswith("1 entry, 0 pages; over link dmz: session s4711 there, from 198.51.100.7")


def test_what_happens_on_a_link_is_shown(tmp_path):
    path = tmp_path / "audit.jsonl"
    events = (
        LinkEvent("inside", LinkEventKind.risen, "inside-1", "", "version 1.2"),
        LinkEvent("inside", LinkEventKind.fallen, "inside-1", "silent", "agent inside-1 was silent for 15 s"),
        LinkEvent("inside", LinkEventKind.stranger, "", "", "it shows a certificate that is not pinned", 7),
    )
    path.write_bytes(b"".join(line(link_object(event, NOW)) for event in events))
    shown = run(path).stdout.splitlines()
    assert [text.split("  link      ")[1] for text in shown] == [
        "risen  link inside, inside-1: version 1.2",
        "fallen  link inside, inside-1 (silent): agent inside-1 was silent for 15 s",
        "stranger  link inside: it shows a certificate that is not pinned; 7 since this was last recorded",
    ]
    # They are of no client, and nothing that a policy does not permit.
    for choice in (("--denied",), ("--client", "mimecast"), ("--syncs",)):
        assert "version 1.2" not in run(path, *choice).stdout


def test_a_record_of_a_kind_that_a_newer_gateway_writes_is_shown_as_it_is(tmp_path):
    path = tmp_path / "audit.jsonl"
    newer = b'{"time": "2026-12-01T08:00:00.000+00:00", "record": "moon-phase", "client": "mimecast", "full": true}\n'
    path.write_bytes(newer + LINES[0])
    ended = run(path)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0].split() == ["2026-12-01", "08:00:00", "mimecast", "moon-phase", "full=true"]
    assert run(path, "--json").stdout.encode() == newer + LINES[0]


def test_a_run_that_is_open_is_told_with_the_syncs(tmp_path):
    """Searches of the last minutes, after the sum of the run before; another client's run is over."""
    now = time.time()
    over = SyncRuns({})
    over.add(record(client="mimecast"), now - 4000)
    lines = [line(sync_object(over.over(now)[0]))]
    ended = {"mimecast": 300, "quick": 100, "late": 1000, "slow": 1000}
    lines += [line(audit_object(record(client=name, seconds=30), False, now - age)) for name, age in ended.items()]
    lines += [line(audit_object(record("bind", client="binds"), False, now - 5))]
    lines += [line(audit_object(record(client="reads", scope="base"), False, now - 5))]
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(lines))
    config = tmp_path / "gateway.yaml"
    config.write_text("clients: {quick: {sync_gap: 60}, slow: {sync_gap: 7200}}")
    said = run(path, "--syncs", "-c", config).stdout.splitlines()
    until = {name: f"{datetime.fromtimestamp(now - ended[name] + gap, UTC):%H:%M}" for name, gap in GAPS.items()}
    rest = "UTC, unless more searches come before; its line follows then"
    assert said[2:] == [f"{name}: a run is open until {until[name]} {rest}" for name in ("mimecast", "slow")]
    assert run(path, "--syncs", "--client", "slow", "-c", config).stdout.splitlines()[1:] == said[3:]
    path.write_bytes(b"".join([*lines, line(sync_object(the_run("mimecast", now - 300)))]))
    assert [row for row in run(path, "--syncs", "-c", config).stdout.splitlines() if "open" in row] == said[3:]


GAPS = {"mimecast": 600, "slow": 7200}


def the_run(client, ended):
    runs = SyncRuns({})
    runs.add(record(client=client), ended)
    return runs.over(ended + 10_000)[0]


def test_each_record_is_a_line(file):
    ended = run(file)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "2023-11-14 22:13:20  mimecast      198.51.100.7     bind      success  svc@corp.example: signed in",
        "2023-11-14 22:14:20  mimecast      198.51.100.7     search    success  "
        "sub OU=Staff,DC=corp,DC=example (mail=*)  460 entries, 5 pages; held back: 1 attribute (pager), 3 entries",
        "2023-11-14 22:15:20  other         198.51.100.7     search    insufficientAccessRights (base-not-allowed)  "
        "sub OU=Staff,DC=corp,DC=example (mail=*)  0 entries, 0 pages",
        "2023-11-14 22:16:20  other         198.51.100.7     bind      invalidCredentials (account-guarded)  "
        "jane@corp.example: too many wrong passwords of this account; nothing is sent to a server for a while",
        "2023-11-14 22:16:30                                 lost      LOST  "
        "1,200 records, until 2023-11-14 22:16:40: disk: No space left on device",
        "2023-11-14 23:11:50  mimecast                       sync      yes  "
        "took 1 min 30 s; 1 search, 460 entries, 5 pages; held back: 3 entries",
        "2023-11-15 00:11:50  other                          sync      no: 1 search without an end: server-lost (1)  "
        "took 1 min 30 s; 1 search, 460 entries, 5 pages; held back: 3 entries",
    ]


def test_json_is_the_records_as_they_were(file):
    assert run(file, "--json").stdout.encode() == b"".join(LINES)


def test_syncs_are_a_table(file):
    said = run(file, "--syncs").stdout.splitlines()
    assert [re.split(" {2,}", row) for row in said] == [
        ["began (UTC)", "client", "took", "searches", "entries", "held back", "pages", "complete"],
        ["2023-11-14 23:11:50", "mimecast", "1 min 30 s", "1", "460", "3", "5", "yes"],
        ["2023-11-15 00:11:50", "other", "1 min 30 s", "1", "460", "3", "5", f"no: {WHY_NOT}"],
    ]


@pytest.mark.parametrize(
    "options, chosen",
    [
        (["--denied"], [2, 3, 4]),
        (["--client", "mimecast"], [0, 1, 4, 5]),
        (["--client", "mimecast", "--client", "other"], [0, 1, 2, 3, 4, 5, 6]),
        (["--client", "mimecast", "--denied"], [4]),
        (["--since", "2023-11-14T22:16"], [3, 4, 5, 6]),
        # A sync run counts by its end.
        (["--since", "2023-11-15T01:13:00+01:00"], [6]),
        (["--since", "2023-11-14T22:16", "--denied"], [3, 4]),
        (["--syncs"], [5, 6]),
        (["--syncs", "--client", "other"], [6]),
        (["--since", "2h"], []),
    ],
)
def test_what_is_chosen(file, options, chosen):
    ended = run(file, "--json", *options)
    assert ended.stdout.encode() == b"".join(LINES[i] for i in chosen)


LATELY = Choice(since=since("1d", datetime.now(UTC)))


@pytest.mark.parametrize("choice", [Choice(denied=True), Choice(syncs=True), LATELY])
def test_nothing_is_skipped_that_would_be_taken_or_is_damaged(choice):
    for each in [*LINES, operation(0, code=49, reason="login-outside-base"), *(cut[:-1] for cut in LINES)]:
        found = audit_reading.record(each)
        if choice.skips(each):
            assert isinstance(found, dict) and not choice.takes(found)
        if not each.endswith(b"\n"):
            assert not choice.skips(each)


def test_times():
    now = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    assert since("45s", now) == "2026-11-24T09:59:15.000+00:00"
    assert since("90m", now) == "2026-11-24T08:30:00.000+00:00"
    assert since("7d", now) == "2026-11-17T10:00:00.000+00:00"
    assert since("2026-11-24", now) == "2026-11-24T00:00:00.000+00:00"
    assert since("2026-11-24T10:00:00+02:00", now) == "2026-11-24T08:00:00.000+00:00"
    ended = run("-", "--since", "yesterday")
    assert ended.exit_code == 2
    assert ended.stderr.startswith("--since yesterday: a time like 45s, 30m, 2h or 7d")


def test_damaged_lines_are_named_and_passed_over(tmp_path):
    path = tmp_path / "audit"
    text = line(audit_object(record(), False, NOW), AuditFormat.text)
    bad = [b"\x00" * 50 + b"\n", b"hello\n", LINES[0][:50] + b"\n", b'{"a": 1}\n', b"[" * 99_999 + b"\n", text]
    path.write_bytes(LINES[0] + b"".join(bad) + LINES[1] + LINES[2][:-40])
    ended = run(path, "--json")
    assert ended.exit_code == 1
    assert ended.stdout.encode() == LINES[0] + LINES[1]
    assert ended.stderr.splitlines() == [
        f"{path}:2: no record: nothing in it",
        f"{path}:3: no record: no JSON in it",
        f"{path}:4: no record: no JSON",
        f"{path}:5: JSON, but no audit record",
        f"{path}:6: no record: no JSON in it",
        f"{path}:7: written with `format: text`, which is for people: read it with less or grep",
        f"{path}:9: no record: cut off",
    ]
    path.write_bytes(b"hello\n" * 1000)
    ended = run(path)
    assert len(ended.stderr.splitlines()) == 11
    assert ended.stderr.endswith("1,000 lines are no records; the first 10 are named above\n")


def test_a_line_without_an_end_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_reading, "MOST_OCTETS", 10_000)
    path = tmp_path / "audit"
    path.write_bytes(LINES[0] + b"x" * 35_000 + b"\n" + b"y" * 20_000 + b"\n" + LINES[1])
    first, long, other, last = records(path)
    assert (first["operation"], last["operation"]) == ("bind", "search")
    assert long == Damage(str(path), 2, "no record: the line is too long")
    assert other == Damage(str(path), 3, "no record: the line is too long")


def test_what_log_collectors_write_before_records_is_passed_over(tmp_path):
    path = tmp_path / "log"
    heads = (b"<134>1 2023-11-14T22:13:20Z host ldap-gateway 1 bind - ", b"ldap-gateway  | ")
    path.write_bytes(heads[0] + LINES[0] + heads[1] + LINES[1])
    ended = run(path, "--json")
    assert (ended.exit_code, ended.stdout.encode()) == (0, LINES[0] + LINES[1])


def test_compressed_and_rotated_files_are_read_in_order(tmp_path):
    (tmp_path / "audit").write_bytes(b"".join(LINES[4:]))
    (tmp_path / "audit.1").write_bytes(b"".join(LINES[2:4]))
    (tmp_path / "audit.2.gz").write_bytes(gzip.compress(b"".join(LINES[:2])))
    ended = run("--json", *sorted(tmp_path.iterdir()))
    assert (ended.exit_code, ended.stdout.encode()) == (0, b"".join(LINES))


def test_a_compressed_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "audit.gz"
    whole = b"".join(operation(i) for i in range(2000))
    path.write_bytes(gzip.compress(whole)[:-500])
    ended = run(path, "--json")
    assert ended.exit_code == 1
    assert ended.stdout.encode() == whole[: len(ended.stdout)]
    assert len(ended.stdout) > 1000
    assert f"{path}:" in ended.stderr and "the compressed file is damaged or cut off from here on" in ended.stderr


@pytest.mark.servers
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input(pack):
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "audit", "-", "--json"],
        input=pack(b"".join(LINES)),
        capture_output=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (0, b"".join(LINES))


def test_the_configured_file_is_the_default(tmp_path, file):
    config = write_configuration(tmp_path, ("state_dir: .", "audit: {file: audit.jsonl}"))
    assert run("--json", "-c", config).stdout.encode() == b"".join(LINES)
    config = write_configuration(tmp_path)
    ended = run("-c", config)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"{config}: audit.file is not set: records go to the gateway's standard output. ")
    for command in ("journalctl -u ldap-gateway", "docker logs ldap-gateway", "kubectl logs deploy/ldap-gateway"):
        assert command in ended.stderr
    config = write_configuration(tmp_path, ("state_dir: .", "audit: {syslog: {address: 'udp://log.corp.example'}}"))
    ended = run("-c", config)
    assert (ended.exit_code, "records go to syslog at udp://log.corp.example" in ended.stderr) == (2, True)
    ended = run("-c", tmp_path / "missing.yaml")
    assert ended.exit_code == 2
    assert "missing.yaml: cannot be read: there is no such file" in ended.stderr


def test_a_file_that_is_not_there_and_a_directory(tmp_path):
    directory = "it is a directory, and a file is expected"
    for path, why in ((tmp_path / "none", "there is no such file"), (tmp_path, directory)):
        ended = run(path)
        assert (ended.exit_code, ended.stderr) == (2, f"{path}: cannot be read: {why}\n")
    assert run("-f", "-").exit_code == 2
    assert run("-f", tmp_path / "a", tmp_path / "b").exit_code == 2


def test_what_clients_wrote_does_not_steer_the_terminal(tmp_path):
    path = tmp_path / "audit"
    path.write_bytes(operation(0, base="OU=\x1b[2J\u202e\n", account="\x9b31m", held_back=("\x1b]0;x\x07",)))
    said = run(path).stdout
    assert said.count("\n") == 1
    assert said[:-1].isprintable()


@pytest.mark.servers
def test_a_table_in_colour_on_a_terminal_and_nothing_of_it_in_a_pipe(file):
    with Terminal("audit", file, "--syncs", columns=160) as terminal:
        assert terminal.end() == 0
    assert "\x1b[32myes" in terminal.raw
    assert "┃ began" in terminal.text
    with Terminal("audit", file) as terminal:
        assert terminal.end() == 0
    assert "\x1b[31minsufficientAccessRights (base-not-allowed)\x1b[0m" in terminal.raw
    for options in ([], ["--syncs"]):
        said = subprocess.run(
            [sys.executable, "-m", "gateway", "audit", file, *options], capture_output=True, timeout=60, check=True
        )
        assert b"\x1b" not in said.stdout


@pytest.mark.servers
def test_a_reader_that_goes_away_ends_it_without_a_traceback(tmp_path):
    path = tmp_path / "audit"
    path.write_bytes(b"".join(LINES) * 20_000)
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "audit", path, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert json.loads(process.stdout.readline())["record"] == "sign-in"
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


# Prints the largest size that the process had, in kB.
MEASURED = """
import resource, sys
from gateway.cli import main
try:
    main(["audit", sys.argv[1], *sys.argv[2:]], prog_name="ldap-gateway")
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.servers
def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "audit"

    def largest(repetitions):
        path.write_bytes(b"".join(LINES) * repetitions)
        ended = subprocess.run([sys.executable, "-c", MEASURED, path], capture_output=True, text=True, timeout=120)
        assert ended.stdout.count("\n") == repetitions * len(LINES)
        return int(ended.stderr)

    # 20 MB of records more, and not one of them more in memory.
    assert largest(7000) - largest(70) < 4000
