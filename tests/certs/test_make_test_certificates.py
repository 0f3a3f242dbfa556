"""The script that makes test certificates: what it writes can be served, and nothing that is there is lost."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName

from gateway.config.certificates import check_pair, read_certificates

SCRIPT = Path(__file__).parents[2] / "certs" / "make_test_certificates.py"

pytestmark = pytest.mark.servers


def make(directory, *arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--into", directory], capture_output=True, text=True, timeout=60
    )


def test_both_sides_get_what_the_example_configurations_name(tmp_path):
    made = make(tmp_path, "ldap.example.com", "127.0.0.1", "--server", "dc1.corp.example")
    assert made.returncode == 0, made.stderr
    for stem in ("gateway", "corp"):
        check_pair(tmp_path / f"{stem}.pem", tmp_path / f"{stem}.key")
        (ca,) = read_certificates(tmp_path / f"{stem}-ca.pem")
        (leaf,) = read_certificates(tmp_path / f"{stem}.pem")
        leaf.verify_directly_issued_by(ca)
    (leaf,) = read_certificates(tmp_path / "gateway.pem")
    names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == ["ldap.example.com"]
    assert [str(address) for address in names.get_values_for_type(IPAddress)] == ["127.0.0.1"]


def test_what_is_there_is_not_overwritten_and_then_nothing_is_made(tmp_path):
    (tmp_path / "corp.key").write_text("real")
    made = make(tmp_path, "ldap.example.com", "--server", "dc1.corp.example")
    assert made.returncode == 1
    assert f"already there, and not overwritten: {tmp_path / 'corp.key'}" in made.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corp.key"]
    assert (tmp_path / "corp.key").read_text() == "real"


def test_a_name_that_no_certificate_can_carry_is_said_in_one_line(tmp_path):
    made = make(tmp_path, "bücher.example")
    assert made.returncode == 1
    assert made.stderr.startswith("no certificate for bücher.example: ")
    assert "Traceback" not in made.stderr
