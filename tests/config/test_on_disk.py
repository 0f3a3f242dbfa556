"""Whether the files on disk are those that a load has read."""

import os

import pytest

from gateway.config.load import load_configuration
from gateway.config.on_disk import FilesOnDisk
from tests.config.certificates import write_pair
from tests.config.test_difference import MAPPED

SECRET = "Passw0rd-of-the-gateway"


@pytest.fixture
def loaded(tmp_path):
    """A configuration with a source file and a password file, and what is known of its files."""
    write_pair(tmp_path)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "addresses").write_text("198.51.100.0/24\n")
    text = MAPPED.replace("sources: [198.51.100.0/24, 203.0.113.7]", "sources_file: addresses")
    (tmp_path / "gateway.yaml").write_text(text)
    files = FilesOnDisk(tmp_path / "gateway.yaml")
    configuration = load_configuration(tmp_path / "gateway.yaml")
    files.named_in(configuration.file, configuration.path.parent)
    return files


def write(path, text):
    """With a time of its own: a file that is written twice within a tick of the clock has the same."""
    path.write_text(text)
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))


def test_what_nobody_has_written_is_not_changed(loaded, tmp_path):
    assert loaded.changed() == []
    write(tmp_path / "gateway.yaml", (tmp_path / "gateway.yaml").read_text())
    assert loaded.changed() == []


@pytest.mark.parametrize(
    ("name", "text"), [("gateway.yaml", "listeners: []"), ("addresses", "203.0.113.0/24"), ("secret", "Passw0rd-new")]
)
def test_a_file_with_other_contents_is_named_until_it_has_the_old_ones_again(loaded, tmp_path, name, text):
    path = tmp_path / name
    before = path.read_text()
    write(path, text)
    assert loaded.changed() == loaded.changed() == [str(path)]
    write(path, before)
    assert loaded.changed() == []


def test_a_file_that_is_gone_differs(loaded, tmp_path):
    (tmp_path / "gateway.yaml").rename(tmp_path / "elsewhere")
    assert loaded.changed() == [str(tmp_path / "gateway.yaml")]
    (tmp_path / "elsewhere").rename(tmp_path / "gateway.yaml")
    assert loaded.changed() == []


def test_files_of_tls_are_none_of_them(loaded, tmp_path):
    write(tmp_path / "gateway.pem", "")
    write(tmp_path / "gateway.key", "")
    assert loaded.changed() == []


def test_what_changes_between_the_look_and_the_load_is_not_missed(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("one")
    files = FilesOnDisk(path)
    write(path, "two")
    assert files.changed() == [str(path)]


def test_no_password_is_kept(loaded):
    assert SECRET not in repr(vars(loaded))
