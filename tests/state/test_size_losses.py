"""What becomes of the sizes where their file is locked, damaged, lacks what was written last, or is older."""

import os
import random
import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.shrink import Sizes
from gateway.state.size_database import FILE_NAME, SizeDatabase
from gateway.state.size_witness import FILE_NAME as WITNESS
from gateway.state.size_witness import Witness, last_written, note_written
from gateway.state.sizes import Remembered, StateError
from gateway.state.sqlite_file import UnusableDatabase, set_aside
from tests.state.test_sizes import NOTHING, PATIENCE, Memory, database, on_disk, shape, sizes, until

JOURNAL = FILE_NAME + "-wal"


@pytest.fixture
def soon(monkeypatch):
    """A lock is not waited for."""
    monkeypatch.setattr("gateway.state.sqlite_file.BUSY_TIMEOUT", 0.05)


def lock(path, mode):
    """Held until the connection is closed."""
    other = sqlite3.connect(path, isolation_level=None)
    if mode == "everything":
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE" if mode == "writing" else "BEGIN EXCLUSIVE")
    if mode == "everything":
        other.execute("UPDATE shapes SET used = used")
    return closing(other)


@pytest.mark.parametrize("mode", ["writing", "everything"])
def test_a_lock_at_the_start_is_said_and_got_over(tmp_path, soon, mode):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(300))
    with lock(tmp_path / FILE_NAME, mode), closing(Memory(tmp_path)) as memory:
        assert memory.kinds == ["failed"]
        assert f"{tmp_path / FILE_NAME}: another process holds its lock; until" in memory.said[0][1]
        # Whoever only writes lets others read.
        assert ("compared with nothing that was remembered before" in memory.said[0][1]) == (mode == "everything")
        assert memory.read(shape(1)).sizes == (None if mode == "everything" else sizes(300))
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as held:
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        held.execute("BEGIN EXCLUSIVE")
        held.execute("UPDATE shapes SET used = used")
        with closing(Memory(tmp_path)) as memory:
            memory.store(shape(2), sizes(80))
            held.execute("ROLLBACK")
            held.close()
            until(lambda: "recovered" in memory.kinds)
            assert memory.kinds == ["failed", "recovered"]
            assert [memory.read(shape(number)).sizes for number in (1, 2)] == [sizes(300), sizes(80)]
    assert {number: found.sizes for number, found in on_disk(tmp_path).items()} == {1: sizes(300), 2: sizes(80)}


@pytest.mark.parametrize("account", ["svc", "another"])
def test_what_was_compared_with_nothing_is_no_measure_where_there_is_one(tmp_path, soon, account):
    """Else a sync that lost people while the file was locked would be the measure from then on."""
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(300))
    held = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    held.execute("PRAGMA locking_mode = EXCLUSIVE")
    held.execute("BEGIN EXCLUSIVE")
    held.execute("UPDATE shapes SET used = used")
    with closing(Memory(tmp_path)) as memory:
        assert memory.read(shape(1, account=account)) == NOTHING
        memory.store(shape(1, account=account), sizes(20))
        held.execute("ROLLBACK")
        held.close()
        until(lambda: "recovered" in memory.kinds)
        assert memory.read(shape(1, account=account)).sizes == sizes(300)
    assert [found.sizes for found in on_disk(tmp_path).values()] == [sizes(300)]


def test_a_start_without_room_for_the_file_is_said_and_got_over(tmp_path, monkeypatch):
    def full(self, path, *, create):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(SizeDatabase, "__init__", full)
        memory = Memory(tmp_path, pause=PATIENCE, retry=PATIENCE)
        assert memory.kinds == ["failed"]
        memory.store(shape(1), sizes(60))
    with closing(memory):
        memory._exchange(last=False)
        assert memory.kinds == ["failed", "recovered"]
    assert on_disk(tmp_path)[1].sizes == sizes(60)


def test_a_file_of_somebody_else_ends_the_start(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match=r"sizes\.sqlite3: its symbolic links lead in a circle"):
        Memory(tmp_path)


def killed(state_dir, target, writes):
    """Fills state_dir with what a gateway leaves that is killed behind so many writes of a shape each. Returns what
    it had stored."""
    memory = Memory(state_dir, pause=PATIENCE)
    with closing(memory):
        for number in range(writes):
            memory.store(shape(number), sizes(100 + number))
            memory._exchange(last=False)
        shutil.copytree(state_dir, target)
    return {number: sizes(100 + number) for number in range(writes)}


def delete_journal(state_dir, chance):
    (state_dir / JOURNAL).unlink()


def cut_journal(state_dir, chance):
    path = state_dir / JOURNAL
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * chance.random()))


def spoil_journal(state_dir, chance):
    path = state_dir / JOURNAL
    octets = bytearray(path.read_bytes())
    at = int(len(octets) * chance.random())
    octets[at : at + 1000] = chance.randbytes(min(1000, len(octets) - at))
    path.write_bytes(octets)


def delete_file(state_dir, chance):
    (state_dir / FILE_NAME).unlink()


def delete_both(state_dir, chance):
    delete_file(state_dir, chance)
    delete_journal(state_dir, chance)


HARM = [delete_journal, cut_journal, spoil_journal, delete_file, delete_both]


@given(st.sampled_from(HARM), st.integers(1, 12), st.booleans(), st.integers(0, 2**32))
def test_what_a_kill_left_is_whole_or_what_is_missing_is_said(tmp_path_factory, harm, writes, is_checkpointed, seed):
    directory = tmp_path_factory.mktemp("killed")
    (directory / "running").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if not is_checkpointed:
            # As if somebody had read all the time, or as with a file that an older version left.
            patch.setattr("gateway.state.size_database._CHECKPOINT", "SELECT 1")
        stored = killed(directory / "running", directory / "left", writes)
    harm(directory / "left", random.Random(seed))
    with closing(Memory(directory / "left", pause=PATIENCE)) as memory:
        found = {number: memory.read(shape(number)).sizes for number in stored}
        assert found == stored or memory.kinds == ["lost"]
        if is_checkpointed and harm in (delete_journal, cut_journal, spoil_journal):
            assert found == stored
    # Said once.
    with closing(Memory(directory / "left", pause=PATIENCE)) as memory:
        assert memory.said == []
    shutil.rmtree(directory)


def test_what_is_missing_is_said_in_numbers(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
        memory.store(shape(2), sizes(100))
    (tmp_path / FILE_NAME).unlink()
    with closing(Memory(tmp_path)) as memory:
        assert memory.said == [
            (
                "lost",
                f"{tmp_path / FILE_NAME} lacks what was written last, because it or its journal (sizes.sqlite3-wal) "
                "was deleted or damaged: it had 2 searches and now has 0; the next complete result of a search that is "
                "missing is compared with nothing",
            )
        ]


def test_a_journal_that_is_lost_while_the_gateway_runs_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.state.size_database._CHECKPOINT", "SELECT 1")
    with closing(Memory(tmp_path, pause=PATIENCE)) as memory:
        memory._exchange(last=False)
        for number in (1, 2):
            memory.store(shape(number), sizes(100))
            memory._exchange(last=False)
        with database(tmp_path) as other:
            # What is open elsewhere is not brought into the file when the gateway closes it.
            other.load()
            (tmp_path / JOURNAL).unlink()
            memory.store(shape(3), sizes(90))
            memory._exchange(last=False)
        memory.store(shape(4), sizes(80))
        memory._exchange(last=False)
        assert sorted(on_disk(tmp_path)) == [1, 2, 3, 4]
        assert "lost" not in memory.kinds


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"writes": 1}', '{"writes": "many", "shapes": 1}', "\0" * 20])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path, text):
    note_written(tmp_path, Witness(5, 4))
    assert last_written(tmp_path) == Witness(5, 4)
    (tmp_path / WITNESS).write_text(text)
    assert last_written(tmp_path) is None
    note_written(tmp_path / "missing", Witness(5, 4))
    assert last_written(tmp_path / "missing") is None


def spoil_header(path):
    path.write_bytes(b"no database at all, " * 500)


def spoil_page(path):
    octets = bytearray(path.read_bytes())
    octets[4096:] = os.urandom(len(octets) - 4096)
    path.write_bytes(octets)


def spoil_by(*statements):
    def spoil(path):
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return spoil


@pytest.mark.parametrize(
    "spoil, words",
    [
        (spoil_header, "is damaged"),
        (spoil_page, "is damaged"),
        (lambda path: os.truncate(path, 5000), "is damaged"),
        (spoil_by("PRAGMA user_version = 3"), "newer version of the gateway (schema 3)"),
        (spoil_by("PRAGMA user_version = 0"), "is not a database of the gateway"),
        (spoil_by("ALTER TABLE shapes DROP COLUMN stored"), "is damaged"),
        (spoil_by("UPDATE shapes SET attributes = '[[1]]'"), "is damaged"),
        (spoil_by("UPDATE shapes SET entries = -1"), "is damaged"),
        (spoil_by("UPDATE shapes SET entries = 'many'"), "is damaged"),
        (spoil_by("UPDATE shapes SET stored = 1e300"), "is damaged"),
        (spoil_by("UPDATE shapes SET description = CAST(x'ff' AS TEXT)"), "is damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_moved_aside(tmp_path, spoil, words):
    with closing(Memory(tmp_path)) as memory:
        for number in range(40):
            memory.store(shape(number), sizes(100))
    spoil(tmp_path / FILE_NAME)
    spoilt = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(UnusableDatabase), database(tmp_path) as opened:
        opened.load()
    with closing(Memory(tmp_path, clock=lambda: 1_767_600_000.25)) as memory:
        ((kind, text),) = memory.said
        assert kind == "lost" and words in text and str(tmp_path / FILE_NAME) in text
        assert "sizes.sqlite3.20260105T080000.250000Z" in text
        assert memory.read(shape(1)) == NOTHING
        memory.store(shape(2), sizes(60))
    assert sorted(on_disk(tmp_path)) == [2]
    assert (tmp_path / "sizes.sqlite3.20260105T080000.250000Z").read_bytes() == spoilt


def test_a_journal_is_moved_with_its_database(tmp_path):
    path = tmp_path / FILE_NAME
    for suffix in ("", "-wal", "-shm"):
        path.with_name(FILE_NAME + suffix).write_text("of " + suffix)
    moved = set_aside(path, 0)
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == {
        moved.name + suffix: "of " + suffix for suffix in ("", "-wal", "-shm")
    }


@pytest.mark.parametrize("harm", ["deleted", "spoilt"])
def test_a_file_lost_while_it_runs_is_written_again_from_memory(tmp_path, harm):
    with closing(Memory(tmp_path)) as memory:
        for number in range(5):
            memory.store(shape(number), sizes(100 + number))
        until(lambda: len(on_disk(tmp_path)) == 5)
        with database(tmp_path) as opened:
            opened.accept("mimecast", 5)
        until(lambda: memory.read(shape(4)).accepted)
        spoilt = tmp_path / "spoilt"
        spoilt.write_bytes(b"no database " * 1000)
        for path in tmp_path.glob(FILE_NAME + "-*"):
            path.unlink()
        if harm == "deleted":
            (tmp_path / FILE_NAME).unlink()
        else:
            spoilt.replace(tmp_path / FILE_NAME)
        until(lambda: (tmp_path / FILE_NAME).exists() and (harm == "deleted" or "lost" in memory.kinds))
        memory.store(shape(1), sizes(99))
        memory.read(shape(0))
    found = on_disk(tmp_path)
    assert {number: kept.sizes.entries for number, kept in found.items()} == {0: 100, 1: 99, 2: 102, 3: 103, 4: 104}
    assert {number: kept.accepted for number, kept in found.items()} == {0: 5, 1: 0, 2: 5, 3: 5, 4: 5}


FIRST_SCHEMA = """
CREATE TABLE shapes (
    client TEXT NOT NULL,
    key BLOB NOT NULL,
    description TEXT NOT NULL,
    entries INTEGER NOT NULL,
    attributes TEXT NOT NULL, -- JSON: [[name, entries, values], ...]
    stored REAL NOT NULL, -- seconds since the epoch
    used INTEGER NOT NULL, -- rises with each use
    accepted INTEGER NOT NULL, -- 0, or which acceptance it was
    PRIMARY KEY (client, key)
) WITHOUT ROWID
"""


@pytest.fixture
def older(tmp_path):
    """A file as the first version wrote it, with searches 1 to 3."""
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(FIRST_SCHEMA)
        connection.execute("PRAGMA user_version = 1")
        for number in (1, 2, 3):
            row = ("mimecast", shape(number).key, "a search", 100 + number, '[["mail", 90, 91]]', 5.0, number, 0)
            connection.execute("INSERT INTO shapes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return tmp_path


def test_an_upgrade_keeps_what_was_remembered(older):
    with database(older) as opened:
        # `ldap-gateway shrink` beside a gateway that was not restarted yet.
        assert [found.sizes.entries for found in opened.load()] == [101, 102, 103]
        assert opened.accept("mimecast", 7) == 3
    with closing(sqlite3.connect(older / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    with closing(Memory(older, limit=3)) as memory:
        assert memory.said == []
        for account in ("svc@corp", "CORP\\svc"):
            found = memory.read(shape(1, account=account))
            assert (found.sizes.entries, found.sizes.attributes[0].values, found.accepted) == (101, 91, True)
        memory.store(shape(1, account="svc@corp"), Sizes(60))
        assert memory.read(shape(1, account="svc@corp")) == Remembered(Sizes(60), False)
        # From now on that is the client's latest.
        assert memory.read(shape(1, account="CORP\\svc")) == Remembered(Sizes(60), False)
        assert memory.said == []
        memory.store(shape(4), sizes(60))
        # The one that was used least goes first, as it would have gone before.
        assert "1 search that ran once" in memory.said[0][1]
        assert [memory.read(shape(number)).sizes is None for number in (1, 2, 3, 4)] == [False, True, False, False]
    assert {(found.run, found.account) for found in on_disk(older).values()} == {(0, ""), (1, "svc@corp"), (2, "svc")}


def test_a_lock_at_the_start_after_an_upgrade(older, soon):
    with lock(older / FILE_NAME, "writing"), closing(Memory(older)) as memory:
        assert memory.kinds == ["failed"]
        assert memory.read(shape(1)).sizes.entries == 101
