import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from time import monotonic, sleep

import pytest

from gateway.policy.shrink import AttributeSize, Shape, Sizes
from gateway.state import state_dir as module
from gateway.state.size_database import FILE_NAME, SizeDatabase
from gateway.state.size_witness import FILE_NAME as WITNESS
from gateway.state.sizes import MAX_DESCRIPTION, Remembered, SizesInMemory, SizesOnDisk, StateError
from tests.skips import KernelFeature

NOTHING = Remembered(None, False)
PATIENCE = 30


def shape(number, client="mimecast", account="svc"):
    described = f"OU=Staff,DC=corp,DC=example (sub) (number={number})"
    return Shape(client, number.to_bytes(32, "big"), described, account)


def sizes(entries):
    return Sizes(entries, (AttributeSize("mail", entries, entries + 1), AttributeSize("member", 3, 9000)))


class Memory(SizesOnDisk):
    """With what it reported: `failed`, `recovered` and `anew`, each with its text."""

    def __init__(self, state_dir, **options):
        self.said = []
        super().__init__(
            state_dir,
            failed=lambda text: self.said.append(("failed", text)),
            recovered=lambda: self.said.append(("recovered", "")),
            lost=lambda text: self.said.append(("lost", text)),
            **{"pause": 0.01, "retry": 0.02, **options},
        )

    @property
    def kinds(self):
        return [kind for kind, _text in self.said]


def until(condition):
    end = monotonic() + PATIENCE
    while not (found := condition()):
        assert monotonic() < end, "it did not come to be"
        sleep(0.005)
    return found


@contextmanager
def database(state_dir):
    with closing(SizeDatabase(state_dir / FILE_NAME, create=False)) as opened:
        yield opened


def on_disk(state_dir, client="mimecast"):
    with database(state_dir) as opened:
        return {int.from_bytes(found.key, "big"): found for found in opened.load() if found.client == client}


@pytest.fixture(params=["memory", "disk"])
def memory(request, tmp_path):
    made = SizesInMemory(limit=3) if request.param == "memory" else Memory(tmp_path, limit=3)
    with closing(made):
        yield made


def test_what_was_stored_last_is_read(memory):
    assert memory.read(shape(1)) == NOTHING
    memory.store(shape(1), sizes(100))
    memory.store(shape(1), sizes(90))
    assert memory.read(shape(1)) == Remembered(sizes(90), False)
    assert memory.read(shape(2)) == NOTHING
    assert memory.read(shape(1, "other")) == NOTHING


def test_the_least_recently_used_shape_of_a_client_goes(memory):
    memory.store(shape(9, "other"), sizes(9))
    for number in (1, 2, 3):
        memory.store(shape(number), sizes(number))
    memory.read(shape(1))
    memory.store(shape(4), sizes(4))
    known = [number for number in (1, 2, 3, 4) if memory.read(shape(number)) != NOTHING]
    assert known == [1, 3, 4]
    assert memory.read(shape(9, "other")).sizes == sizes(9)


def test_a_search_that_came_again_stays(memory):
    for _ in range(3):
        memory.read(shape(1))
        memory.store(shape(1), sizes(100))
    for number in range(2, 9):
        memory.read(shape(number))
        memory.store(shape(number), sizes(number))
    assert memory.read(shape(1)).sizes == sizes(100)


def test_it_survives_a_restart(tmp_path):
    with closing(Memory(tmp_path, clock=lambda: 1234.5)) as memory:
        memory.store(shape(1), sizes(100))
        memory.store(shape(2, "other"), Sizes(7))
    with closing(Memory(tmp_path)) as memory:
        assert memory.read(shape(1)) == Remembered(sizes(100), False)
        assert memory.read(shape(2, "other")) == Remembered(Sizes(7), False)
        assert memory.said == []
    assert on_disk(tmp_path)[1].stored == 1234.5


def test_the_order_of_use_survives_a_restart(tmp_path):
    with closing(Memory(tmp_path, limit=3)) as memory:
        for number in (1, 2, 3):
            memory.store(shape(number), sizes(number))
    with closing(Memory(tmp_path, limit=3)) as memory:
        memory.store(shape(4), sizes(4))
    assert sorted(on_disk(tmp_path)) == [2, 3, 4]


@pytest.mark.parametrize("is_stored_again", [False, True])
def test_what_was_compared_once_stays_after_a_restart(tmp_path, is_stored_again):
    with closing(Memory(tmp_path, limit=3)) as memory:
        for number in (1, 2, 3):
            memory.store(shape(number), sizes(number))
        until(lambda: len(on_disk(tmp_path)) == 3)
        memory.read(shape(1))
        if is_stored_again:
            memory.store(shape(1), sizes(1))
    with closing(Memory(tmp_path, limit=3)) as memory:
        for number in (4, 5, 6):
            memory.store(shape(number), sizes(4))
    assert sorted(on_disk(tmp_path)) == [1, 5, 6]


def test_an_account_without_sizes_of_its_own_is_measured_by_the_clients_latest(memory):
    dn, upn, nt = (shape(1, account=account) for account in ("CN=svc,DC=corp", "svc@corp", "CORP\\svc"))
    memory.store(dn, sizes(100))
    memory.store(upn, sizes(300))
    assert [memory.read(each).sizes for each in (dn, upn, nt)] == [sizes(100), sizes(300), sizes(300)]
    memory.store(dn, sizes(101))
    assert [memory.read(each).sizes for each in (dn, upn, nt)] == [sizes(101), sizes(300), sizes(101)]
    memory.store(nt, sizes(7))
    assert [memory.read(each).sizes for each in (dn, upn, nt)] == [sizes(101), sizes(300), sizes(7)]
    assert memory.read(shape(1, "other", "svc@corp")) == NOTHING


def test_which_account_was_the_latest_survives_a_restart(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1, account="one"), sizes(100))
        memory.store(shape(1, account="other"), sizes(300))
        memory.read(shape(1, account="one"))
    with closing(Memory(tmp_path)) as memory:
        assert memory.read(shape(1, account="third")).sizes == sizes(300)
        memory.store(shape(1, account="one"), sizes(101))
    with closing(Memory(tmp_path)) as memory:
        assert memory.read(shape(1, account="third")).sizes == sizes(101)


def test_an_acceptance_that_another_account_made_use_of_is_used_up(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1, account="one"), sizes(300))
        until(lambda: on_disk(tmp_path))
        with database(tmp_path) as opened:
            assert opened.accept("mimecast", 1) == 1
        until(lambda: memory.read(shape(1, account="other")).accepted)
        memory.store(shape(1, account="other"), sizes(10))
        assert memory.read(shape(1, account="one")) == Remembered(sizes(300), False)
        assert memory.read(shape(1, account="other")) == Remembered(sizes(10), False)
    with database(tmp_path) as opened:
        assert [found.accepted for found in opened.load()] == [0, 0]


def test_the_file_keeps_no_more_than_memory_does(tmp_path):
    with closing(Memory(tmp_path, limit=5)) as memory:
        for number in range(200):
            memory.store(shape(number), sizes(number))
    assert sorted(on_disk(tmp_path)) == [195, 196, 197, 198, 199]


def test_reading_alone_writes_nothing(tmp_path):
    with closing(Memory(tmp_path, pause=PATIENCE)) as memory:
        memory.store(shape(1), sizes(1))
        memory._exchange(last=False)
        with database(tmp_path) as other:
            other.load()
            for _ in range(20):
                memory.read(shape(1))
                memory._exchange(last=False)
            assert not other.changed()


def test_the_file_is_for_its_owner_only(tmp_path):
    (tmp_path / FILE_NAME).touch(0o644)
    with closing(Memory(tmp_path, pause=PATIENCE)) as memory:
        memory.store(shape(1), sizes(1))
        memory._exchange(last=False)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys([FILE_NAME, FILE_NAME + "-wal", FILE_NAME + "-shm", WITNESS], 0o600)


def test_a_long_description_is_cut(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(Shape("mimecast", b"k" * 32, "(x=?)" * 100_000), sizes(60))
    with database(tmp_path) as opened:
        (found,) = opened.load()
    assert len(found.description) == MAX_DESCRIPTION


def test_an_acceptance_by_another_process_holds_for_one_result(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
        memory.store(shape(2, "other"), sizes(100))
        until(lambda: on_disk(tmp_path) and on_disk(tmp_path, "other"))
        with database(tmp_path) as opened:
            assert opened.accept("mimecast", 1) == 1
        until(lambda: memory.read(shape(1)).accepted)
        assert memory.read(shape(1)) == Remembered(sizes(100), True)
        assert not memory.read(shape(2, "other")).accepted
        memory.store(shape(1), sizes(10))
        assert memory.read(shape(1)) == Remembered(sizes(10), False)
        until(lambda: on_disk(tmp_path)[1].sizes == sizes(10))
        assert on_disk(tmp_path)[1].accepted == 0
        with database(tmp_path) as opened:
            opened.accept("mimecast", 2)
        until(lambda: memory.read(shape(1)).accepted)


def test_an_acceptance_survives_a_restart(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
    with database(tmp_path) as opened:
        opened.accept("mimecast", 1)
    with closing(Memory(tmp_path)) as memory:
        assert memory.read(shape(1)) == Remembered(sizes(100), True)


def test_an_acceptance_that_came_after_the_result_is_not_used_up_by_it(tmp_path):
    """The result is not written yet when the administrator accepts: the next one is meant."""
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
    with closing(Memory(tmp_path, pause=PATIENCE)) as memory:
        memory.store(shape(1), sizes(99))
        with database(tmp_path) as opened:
            opened.accept("mimecast", 7)
    found = on_disk(tmp_path)[1]
    assert (found.sizes, found.accepted) == (sizes(99), 7)


def test_an_acceptance_is_used_up_by_results_that_are_not_written_yet(tmp_path, monkeypatch):
    def full_disk(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
        memory.store(shape(2), sizes(100))
    with database(tmp_path) as opened:
        opened.accept("mimecast", 7)
    with closing(Memory(tmp_path, pause=PATIENCE)) as memory:
        memory.store(shape(1), sizes(10))
        memory.store(shape(1), sizes(11))
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other, other:
            other.execute("UPDATE shapes SET accepted = 8 WHERE key = ?", (shape(2).key,))
        with monkeypatch.context() as patch:
            patch.setattr(SizeDatabase, "write", full_disk)
            memory._exchange(last=False)
        assert memory.kinds == ["failed"]
        assert memory.read(shape(1)) == Remembered(sizes(11), False)
        assert memory.read(shape(2)) == Remembered(sizes(100), True)
    assert {number: kept.accepted for number, kept in on_disk(tmp_path).items()} == {1: 0, 2: 8}


def test_what_is_stored_during_a_write_is_written_next(tmp_path, monkeypatch):
    write = SizeDatabase.write

    def slow_write(self, changes, limit):
        write(self, changes, limit)
        if memory.read(shape(1)).sizes == sizes(100):
            memory.store(shape(1), sizes(101))

    monkeypatch.setattr(SizeDatabase, "write", slow_write)
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
        until(lambda: memory.read(shape(1)).sizes == sizes(101))
    assert on_disk(tmp_path)[1].sizes == sizes(101)


def test_a_shape_that_went_and_came_again_is_new(tmp_path):
    with closing(Memory(tmp_path, limit=1, pause=PATIENCE)) as memory:
        for number in (1, 2):
            memory.store(shape(number), sizes(100))
            memory._exchange(last=False)
        memory.store(shape(1), sizes(99))
        with database(tmp_path) as opened:
            opened.forget("mimecast")
    assert sorted(on_disk(tmp_path)) == [1]


def test_what_another_process_forgot_does_not_come_back(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
    with closing(Memory(tmp_path, pause=PATIENCE)) as memory:
        memory.store(shape(1), sizes(99))
        memory.store(shape(2), sizes(50))
        with database(tmp_path) as opened:
            assert opened.forget("mimecast") == 1
    assert sorted(on_disk(tmp_path)) == [2]


def test_a_running_gateway_forgets_when_told_so(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        for client in ("mimecast", "other"):
            memory.store(shape(1, client), sizes(100))
        until(lambda: on_disk(tmp_path, "other"))
        with database(tmp_path) as opened:
            assert opened.forget("other") == 1
        until(lambda: memory.read(shape(1, "other")) == NOTHING)
        assert memory.read(shape(1)).sizes == sizes(100)
        with database(tmp_path) as opened:
            assert opened.forget(None) == 1
        until(lambda: memory.read(shape(1)) == NOTHING)


WRITER = """
import sys
from pathlib import Path
from tests.state.test_sizes import Memory, shape, sizes
memory = Memory(Path(sys.argv[1]), pause=0)
print("begun", flush=True)
first = int(sys.argv[2])
for number in range(1, 10**9):
    for which in range(first, first + 5):
        memory.store(shape(which), sizes(number))
    assert memory.said == [], memory.said
"""


@contextmanager
def writer(state_dir, first=0):
    """Another process that stores rising sizes of five shapes until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(state_dir), str(first)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.mark.servers
def test_a_killed_process_leaves_whole_results_behind(tmp_path):
    before = dict.fromkeys(range(5), 0)
    for _ in range(4):
        with writer(tmp_path) as process:
            seen = until(lambda: (found := on_disk(tmp_path)).keys() == before.keys() and found)
            until(lambda seen=seen: on_disk(tmp_path)[4].stored > seen[4].stored)
            process.send_signal(signal.SIGKILL)
            assert process.wait(PATIENCE) == -signal.SIGKILL
        with closing(Memory(tmp_path)) as memory:
            for number, found in on_disk(tmp_path).items():
                assert found.sizes == sizes(found.sizes.entries)
                assert memory.read(shape(number)).sizes == found.sizes
                assert found.stored >= seen[number].stored
            assert memory.said == []


@pytest.mark.servers
def test_two_processes_on_one_file(tmp_path):
    with writer(tmp_path, 0), writer(tmp_path, 5), closing(Memory(tmp_path)) as memory:
        until(lambda: len(on_disk(tmp_path)) == 10)
        first = {number: memory.read(shape(number)).sizes for number in range(10)}
        until(lambda: all(memory.read(shape(number)).sizes not in (None, first[number]) for number in range(10)))
        memory.store(shape(77), sizes(77))
        until(lambda: 77 in on_disk(tmp_path))
        assert memory.said == []


@pytest.mark.servers
def test_many_processes_may_begin_the_file_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path; from contextlib import closing; "
        "from tests.state.test_sizes import Memory, shape, sizes\n"
        "with closing(Memory(Path(sys.argv[1]))) as memory: memory.store(shape(int(sys.argv[2])), sizes(60))\n"
        "assert memory.said == [], memory.said"
    )
    begun = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(n)]) for n in range(4)]
    assert [process.wait(PATIENCE) for process in begun] == [0] * 4
    assert sorted(on_disk(tmp_path)) == [0, 1, 2, 3]


def test_threads_may_read_while_others_store(tmp_path):
    with closing(Memory(tmp_path, pause=0, limit=8)) as memory:
        ended = threading.Event()
        wrong = []

        def read():
            while not ended.is_set():
                for number in range(20):
                    found = memory.read(shape(number)).sizes
                    if found is not None and found != sizes(found.entries):
                        wrong.append(found)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for number in range(4000):
            memory.store(shape(number % 20), sizes(number))
        ended.set()
        for reader in readers:
            reader.join(PATIENCE)
        assert wrong == [] and set(memory.kinds) == {"lost"}
    assert len(on_disk(tmp_path)) == 8


def test_a_directory_that_is_gone_for_a_while(tmp_path):
    state_dir, away = tmp_path / "state", tmp_path / "away"
    state_dir.mkdir()
    with closing(Memory(state_dir)) as memory:
        memory.store(shape(1), sizes(100))
        until(lambda: on_disk(state_dir))
        state_dir.rename(away)
        until(lambda: memory.said)
        memory.store(shape(1), sizes(90))
        memory.store(shape(2), sizes(80))
        assert memory.read(shape(1)).sizes == sizes(90)
        away.rename(state_dir)
        until(lambda: len(memory.said) == 2)
        assert memory.kinds == ["failed", "recovered"]
        assert str(state_dir / FILE_NAME) in memory.said[0][1] and "there is no such file" in memory.said[0][1]
    assert {number: kept.sizes for number, kept in on_disk(state_dir).items()} == {1: sizes(90), 2: sizes(80)}


def test_a_lock_that_is_held_for_long_is_reported_and_got_over(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.state.sqlite_file.BUSY_TIMEOUT", 0.05)
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
        until(lambda: on_disk(tmp_path))
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            memory.store(shape(1), sizes(90))
            until(lambda: memory.said)
            other.execute("ROLLBACK")
        until(lambda: len(memory.said) == 2)
        assert memory.kinds == ["failed", "recovered"]
    assert on_disk(tmp_path)[1].sizes == sizes(90)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 kB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(mounted)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        KernelFeature.mount.skip()
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(directory):
    with pytest.raises(OSError, match="No space left"), (directory / "full").open("ab", 0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.servers
def test_a_full_disk(small_disk):
    with closing(Memory(small_disk)) as memory:
        memory.store(shape(1), sizes(100))
        until(lambda: on_disk(small_disk))
        fill(small_disk)
        for number in range(2, 900):
            memory.store(shape(number), sizes(number))
        until(lambda: memory.said)
        assert memory.kinds == ["failed"] and "full" in memory.said[0][1]
        assert memory.read(shape(500)).sizes == sizes(500)
        memory.store(shape(1), sizes(99))
        (small_disk / "full").unlink()
        until(lambda: len(memory.said) == 2)
        assert memory.kinds == ["failed", "recovered"]
    found = on_disk(small_disk)
    assert len(found) == 899 and found[1].sizes == sizes(99) and found[899].sizes == sizes(899)


@pytest.mark.servers
def test_a_start_on_a_full_disk_still_knows_the_last_sizes(small_disk):
    with closing(Memory(small_disk)) as memory:
        memory.store(shape(1), sizes(100))
    fill(small_disk)
    with closing(Memory(small_disk)) as memory:
        assert memory.kinds[:1] == ["failed"]
        assert memory.read(shape(1)).sizes == sizes(100)
        memory.store(shape(1), sizes(98))
        (small_disk / "full").unlink()
        until(lambda: "recovered" in memory.kinds)
    assert on_disk(small_disk)[1].sizes == sizes(98)


LIMITED = """
import resource, sys
from pathlib import Path
from tests.state.test_sizes import Memory, shape, sizes, until
memory = Memory(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
for number in range(900):
    memory.store(shape(number), sizes(number))
until(lambda: memory.said)
assert memory.read(shape(800)).sizes == sizes(800)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
until(lambda: len(memory.said) == 2)
memory.close()
print(memory.kinds)
"""


@pytest.mark.servers
def test_a_file_that_may_not_grow(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE * 2
    )
    assert (done.stdout, done.stderr) == ("['failed', 'recovered']\n", "")
    assert len(on_disk(tmp_path)) == 900


def test_a_directory_that_cannot_be_used_is_named(tmp_path):
    missing, file = tmp_path / "missing", tmp_path / "file"
    file.touch()
    with pytest.raises(StateError, match=rf"^state_dir {missing}: no such directory; make it"):
        Memory(missing)
    with pytest.raises(StateError, match=rf"^state_dir {file}: not a directory"):
        Memory(file)
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StateError, match=rf"^state_dir {tmp_path}: sizes.sqlite3: it is a directory, and"):
        Memory(tmp_path)


def test_a_directory_without_rights_is_named(tmp_path, monkeypatch):
    # For root every directory is writable.
    monkeypatch.setattr(module.os, "access", lambda path, mode: False)
    with pytest.raises(StateError, match=rf"^state_dir {tmp_path}: .*, as whom the gateway runs, cannot write"):
        Memory(tmp_path)


def test_the_file_holds_no_keys_beyond_its_schema(tmp_path):
    with closing(Memory(tmp_path)) as memory:
        memory.store(shape(1), sizes(100))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(shapes)")]
        ((attributes,),) = connection.execute("SELECT attributes FROM shapes").fetchall()
    assert columns == [
        *("client", "key", "account", "description", "entries", "attributes"),
        *("stored", "used", "run", "compared", "accepted"),
    ]
    assert attributes == '[["mail", 100, 101], ["member", 3, 9000]]'
