"""`link key`: the pair of one end of a link, its fingerprint, and what is said beside it; `link export`."""

import re
import subprocess

import pytest
import yaml
from click.testing import CliRunner

from gateway.cli import main
from gateway.link.keys import PairFiles, write_pair
from tests.config.certificates import write_pair as write_certificate
from tests.config.link_configuration import OUTSIDE, load
from tests.link.key_files import NOW, identity, made


def key(*arguments):
    return CliRunner().invoke(main, ["link", "key", *map(str, arguments)])


def test_a_pair_and_what_to_do_with_it(tmp_path):
    result = key(tmp_path, "inside-1")
    assert result.exit_code == 0
    certificate, private = tmp_path / "inside-1.pem", tmp_path / "inside-1.key"
    assert private.stat().st_mode & 0o7777 == 0o600
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"wrote {certificate}", f"wrote {private}"]
    shown = identity(PairFiles(certificate, private))
    assert lines[2] == f"key {shown.fingerprint}, good until {shown.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert "mode -rw------- (0600)" in result.stdout
    assert "PRIVATE" not in result.output


@pytest.mark.servers
def test_the_command_that_it_shows_prints_the_same_fingerprint(tmp_path):
    said = key(tmp_path, "inside-1").stdout
    command = re.sub(r"\s+", " ", said[said.index("openssl x509") :])
    ended = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert f"key SHA256:{ended.stdout.strip().removesuffix('=')}," in said


@pytest.mark.parametrize("there", ["inside-1.pem", "inside-1.key"])
def test_nothing_is_overwritten(there, tmp_path):
    files = made(tmp_path, "inside-1", NOW)
    (files.certificate if there.endswith(".key") else files.private_key).unlink()
    before = (tmp_path / there).read_bytes()
    result = key(tmp_path, "inside-1")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"{tmp_path / there}: it is there already, and is not overwritten; take another name or directory\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == before


def test_a_directory_that_is_not_there(tmp_path):
    result = key(tmp_path / "none", "inside-1")
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}/none/inside-1.key: cannot be written: {tmp_path}/none is not there\n"


def test_a_name_that_is_none(tmp_path):
    result = key(tmp_path, "in side")
    assert result.exit_code == 2
    assert "Invalid value for NAME: a name has 1 to 31 letters" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def config(tmp_path):
    """An outside's configuration."""
    for name in ("outside", "inside-1"):
        write_pair(tmp_path, name, NOW)
    write_certificate(tmp_path)
    load(tmp_path, OUTSIDE)
    return tmp_path / "gateway.yaml"


class TestExport:
    """`link export`: what the other end needs of a client, on standard output."""

    def export(self, *arguments):
        return CliRunner().invoke(main, ["link", "export", *map(str, arguments)])

    def test_an_inside_is_printed_for_an_outside(self, config):
        result = self.export("-c", config, "--client", "mimecast")
        assert (result.exit_code, result.stderr) == (0, "")
        found = yaml.safe_load(result.stdout)
        assert found["clients"]["mimecast"]["links"] == ["dmz"]
        assert found["clients"]["mimecast"]["attributes"] == OUTSIDE["clients"]["mimecast"]["attributes"]
        assert "TODO" in result.stdout and str(config.parent) not in result.stdout

    def test_the_link_has_another_name_there(self, config):
        result = self.export("-c", config, "--client", "mimecast", "--link", "cloud")
        assert yaml.safe_load(result.stdout)["clients"]["mimecast"]["links"] == ["cloud"]

    def test_a_client_that_is_not_there(self, config):
        result = self.export("-c", config, "--client", "other")
        assert result.exit_code == 2
        assert "no client other; there are: mimecast" in result.stderr

    def test_a_configuration_with_a_mistake(self, tmp_path):
        (tmp_path / "gateway.yaml").write_text("clients: {}\n")
        result = self.export("-c", tmp_path / "gateway.yaml", "--client", "mimecast")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "gateway.yaml:1: clients" in result.stderr
