import pytest

from gateway.observe.audit import following as audit_following
from gateway.observe.audit.following import LOOK_PAUSE, STILL, Following
from gateway.observe.audit.line import json_text
from gateway.observe.audit.reading import Damage
from gateway.observe.audit.records import lost_object


class Over(Exception):
    """The test has seen enough."""


def line(number):
    return json_text(lost_object(number, 1e9, 1e9, "")).encode() + b"\n"


def add(path, octets):
    with path.open("ab") as file:
        file.write(octets)


def followed(path, *steps, from_end=False):
    """What comes while the steps happen, one at each pause."""
    left = list(steps)

    def wait(seconds):
        assert seconds == LOOK_PAUSE
        if not left:
            raise Over
        left.pop(0)()

    following = Following(path, wait, from_end)
    found = []
    with pytest.raises(Over):
        for each in following.records():
            if each is not None:
                found.append(each["records"] if isinstance(each, dict) else each)
    following.close()
    return found


def nothing():
    """A pause in which nobody writes."""


SOON = [nothing] * (round(STILL / LOOK_PAUSE) + 2)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "audit"
    made.write_bytes(line(1) + line(2))
    return made


def test_what_is_there_and_what_comes(path):
    assert followed(path, lambda: add(path, line(3) + line(4)), nothing, lambda: add(path, line(5))) == [1, 2, 3, 4, 5]


def test_a_line_is_read_once_it_is_whole(path):
    whole = line(3)
    steps = [lambda: add(path, whole[:20]), nothing, lambda: add(path, whole[20:])]
    assert followed(path, *steps) == [1, 2, 3]


def test_a_rotation_loses_nothing_although_the_old_file_is_written_to_for_a_while(path, tmp_path):
    old = tmp_path / "audit.1"
    steps = [
        lambda: path.rename(old),
        lambda: add(old, line(3)),
        lambda: path.write_bytes(line(5)),
        lambda: add(old, line(4)),
        *SOON,
        lambda: add(path, line(6)),
    ]
    assert followed(path, *steps) == [1, 2, 3, 4, 5, 6]


def test_a_second_rotation_and_a_file_that_stays_away(path, tmp_path):
    steps = [
        lambda: path.rename(tmp_path / "audit.1"),
        *SOON,
        lambda: path.write_bytes(line(3)),
        *SOON,
        lambda: path.rename(tmp_path / "audit.2"),
        lambda: path.write_bytes(line(4)),
        *SOON,
    ]
    assert followed(path, *steps) == [1, 2, 3, 4]


def test_a_file_that_is_emptied_in_its_place_is_read_from_its_beginning(path):
    assert followed(path, lambda: path.write_bytes(b""), lambda: add(path, line(3))) == [1, 2, 3]


def test_what_is_damaged_is_named_and_what_was_begun_in_the_old_file_too(path, tmp_path):
    steps = [
        lambda: add(path, b"hello\n" + line(3)[:10]),
        lambda: path.rename(tmp_path / "audit.1"),
        lambda: path.write_bytes(line(4)),
        *SOON,
    ]
    first, second, hello, cut, last = followed(path, *steps)
    assert (first, second, last) == (1, 2, 4)
    assert hello == Damage(str(path), 3, "no record: no JSON in it")
    assert cut == Damage(str(path), 4, "no record: cut off")


def test_from_the_end_only_the_last_records_are_read(path, monkeypatch):
    monkeypatch.setattr(audit_following, "TAIL", 5 * len(line(10)) + 10)
    path.write_bytes(b"".join(line(10 + i) for i in range(50)))
    assert followed(path, lambda: add(path, line(70)), from_end=True) == [55, 56, 57, 58, 59, 70]
    path.write_bytes(line(1))
    assert followed(path, from_end=True) == [1]
