"""Whether a copy survives the end of its process at any moment, a full disk, and damage to its file."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from gateway.demo.tenant.delta import Untidiness
from gateway.entra import copy_file
from gateway.entra.status import Phase, read_status
from gateway.entra.trouble import StopRequested
from tests.entra.killed import changes, people
from tests.entra.played import Played, shown

NAMES = ("", "-wal")


@pytest.fixture
def played(tmp_path):
    found = Played(tmp_path)
    people(found)
    return found


def snapshots(played, monkeypatch, tmp_path, **others):
    """Makes a round, and returns the directories with what lay on the disk before each of its statements."""
    found = {}
    opened = copy_file.open_for_writing
    store = played.settings.store

    def keep(statement):
        octets = tuple(
            path.read_bytes() if (path := store.with_name(store.name + suffix)).exists() else b"" for suffix in NAMES
        )
        if octets not in found:
            found[octets] = directory = tmp_path / f"at-{len(found)}"
            directory.mkdir()
            for suffix, content in zip(NAMES, octets, strict=True):
                if content:
                    (directory / f"{store.name}{suffix}").write_bytes(content)

    def traced(path):
        connection = opened(path)
        connection.set_trace_callback(keep)
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(copy_file, "open_for_writing", traced)
        played.once(**others)
    return list(found.values())


@pytest.mark.parametrize("full", [False, True])
def test_whatever_lies_on_the_disk_is_the_old_copy_or_the_new_one_and_goes_on(played, monkeypatch, tmp_path, full):
    played.graph.behaviour.untidy = Untidiness(page=1, links=1)
    played.once()
    before = played.shown()
    changes(played)
    played.time.seconds += 600
    directories = snapshots(played, monkeypatch, tmp_path, full=full)
    after = played.shown()
    assert len(directories) > 10
    store = played.settings.store
    visible = []
    for directory in directories:
        again = Played(tmp_path, store=directory / store.name)
        again.tenant, again.cloud, again.time = played.tenant, played.cloud, played.time
        with closing(sqlite3.connect(again.settings.store)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = again.shown()
        assert found in (before, after)
        visible.append(found == after)
        asked = len(played.graph.asked)
        again.once()
        # What was staged is not asked for again: no collection begins anew.
        if not full:
            assert not any("$select=acc" in target for target in played.graph.asked[asked:])
        assert set(again.shown()) == set(after)
        shutil.rmtree(directory)
    # First the old one, then the new one, and never back.
    assert visible == sorted(visible)
    assert set(visible) == {False, True}


def test_whatever_lies_on_the_disk_in_a_first_round_shows_nothing_or_all(played, monkeypatch, tmp_path):
    for directory in snapshots(played, monkeypatch, tmp_path):
        store = directory / played.settings.store.name
        with closing(sqlite3.connect(store)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if "entry" in tables:
            found = shown(store)
            assert found in ({}, played.shown())
            if not found:
                # Whoever reads must not take an empty copy for one.
                with closing(sqlite3.connect(store)) as connection:
                    assert not connection.execute("SELECT 1 FROM meta WHERE key = 'published_at'").fetchall()


@pytest.mark.servers
@pytest.mark.parametrize("statement", [10, 60, 110, 160])
def test_a_process_that_is_killed_leaves_the_old_copy_or_the_new_one(tmp_path, statement):
    killed = subprocess.run(
        [sys.executable, "-m", "tests.entra.killed", str(tmp_path), str(statement)], capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    played = Played(tmp_path)
    people(played)
    first = set(played.shown())
    changes(played)
    played.time.seconds += 600
    played.once()
    last = set(played.shown())
    assert len(first ^ last) in (0, 3)
    assert sum(dn.startswith("CN=") for dn in last) == 9


def test_a_full_disk_changes_nothing_and_the_copy_goes_on_when_there_is_room(played):
    played.once()
    before = played.shown()
    for number in range(100, 300):
        played.person(number, mail=f"p{number}@x.example", jobTitle="x" * 200)
    keeper = played.keeper()
    sleeps = []

    def sleep(seconds):
        sleeps.append(seconds)
        played.time.seconds += seconds
        if len(sleeps) == 1:
            assert played.shown() == before
            assert "copy.sqlite3: the disk is full; the copy stays as it is" in played.said[0]
        else:
            raise StopRequested

    played.time.sleep = sleep
    keeper = played.keeper()
    connection = keeper._opened()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    keeper.run()
    assert len(played.shown()) == len(before) + 200
    assert len(sleeps) == 2


def overwrite(path, begin, octets=b"\xa5" * 4096):
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(octets)


@pytest.mark.parametrize("begin", [0, 4096, 3 * 4096])
def test_a_damaged_file_is_put_aside_and_everything_is_read_anew(played, begin):
    played.once()
    before = played.shown()
    overwrite(played.settings.store, begin)
    seen = []

    def fault(asked):
        seen.append(read_status(played.settings.store).published_at)

    played.graph.behaviour.fault = fault
    played.once()
    assert played.replaced == 1
    assert "is damaged" in played.said[0] or "is not a database" in played.said[0]
    assert "everything is read anew" in played.said[0]
    assert len(list(played.settings.store.parent.glob("copy.sqlite3.2023*Z"))) == 1
    # Until it is whole nothing is visible, which answers with an error.
    assert seen[0] is None
    assert set(played.shown()) == set(before)


def test_a_row_that_cannot_be_read_is_damage_too(played):
    played.once()
    with closing(sqlite3.connect(played.settings.store)) as connection, connection:
        connection.execute("UPDATE object SET document = 'odd'")
    changes(played)
    sleeps = []

    def sleep(seconds):
        sleeps.append(seconds)
        if len(sleeps) == 2:
            raise StopRequested

    played.time.sleep = sleep
    played.keeper().run()
    assert sleeps[0] == 0.0
    assert "not as the gateway writes it; it is now copy.sqlite3." in played.said[0]
    assert played.replaced == 1
    assert read_status(played.settings.store).told.phase is Phase.ready


def test_the_file_is_for_its_owner_alone(played):
    played.once()
    for path in played.settings.store.parent.glob("copy.sqlite3*"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_what_another_version_laid_out_is_shown_again_without_a_question(played):
    played.once()
    before, at = played.shown(), read_status(played.settings.store).published_at
    with closing(sqlite3.connect(played.settings.store)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'other' WHERE key = 'published_layout'")
    asked = len(played.graph.asked)
    with closing(played.keeper()) as keeper:
        keeper._opened()
    assert played.shown() == before
    assert read_status(played.settings.store).published_at == at
    assert len(played.graph.asked) == asked
