"""The record of what is in force: written in one go, read by its owner, and worth nothing once it is damaged."""

import json
import stat

import pytest

from gateway.state.in_force import FILE_NAME, InForce, NoRecord, forget_in_force, read_in_force, write_in_force

RECORD = InForce("1.2.3", "/etc/gateway.yaml", 1234.5, "00ff", {"clients": {"é": {"sources": ["192.0.2.1/32"]}}})


def test_what_was_written_is_read_and_forgotten(tmp_path):
    write_in_force(tmp_path, RECORD)
    write_in_force(tmp_path, RECORD)
    assert read_in_force(tmp_path) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    forget_in_force(tmp_path)
    forget_in_force(tmp_path)
    with pytest.raises(NoRecord, match="not there: no gateway runs with this state_dir"):
        read_in_force(tmp_path)


def test_what_a_crash_left_half_written_is_in_nobodys_way(tmp_path):
    (tmp_path / f"{FILE_NAME}.new").write_text("half")
    write_in_force(tmp_path, RECORD)
    assert read_in_force(tmp_path) == RECORD


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "damaged"),
        ("[]", "of another version"),
        (json.dumps({"format": 0}), "of another version"),
        (json.dumps({"format": 1, "unknown": 1}), "of another version"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, text, words):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(NoRecord, match=words):
        read_in_force(tmp_path)


def test_what_may_not_be_read_is_told(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(NoRecord, match="cannot be read: it is a directory, and a file is expected"):
        read_in_force(tmp_path)
