"""`ldap-gateway entra` before there is a copy, and where it cannot begin."""

import json

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.entra.store_file import open_for_writing
from tests.config.test_entra import GOOD


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "gateway.yaml").write_text(GOOD)

    def asked(*words):
        done = CliRunner().invoke(main, ["entra", *words, "-c", str(tmp_path / "gateway.yaml")])
        return done.exit_code, done.output

    return asked


def test_before_there_is_a_copy(ask, tmp_path):
    code, said = ask("status")
    assert (code, "nothing was fetched yet" in said) == (1, True)
    code, said = ask("status", "--json")
    assert (code, json.loads(said)) == (1, {"directory": "cloud", "served": False})
    assert ask("accept") == (1, "no copy is held back\n")
    assert not (tmp_path / "copy.db").exists()


def test_a_round_without_a_credential_says_why(ask):
    code, said = ask("once")
    assert code == 1
    assert "secret_file" in said and "there is no such file" in said and "as it was before" in said
    code, said = ask("once", "--json")
    assert code == 1 and "there is no such file" in json.loads(said)["why"]


def test_a_store_that_is_none(ask, tmp_path):
    (tmp_path / "copy.db").write_bytes(b"no database" * 1000)
    code, said = ask("status")
    assert code == 2 and "copy.db: it cannot be read" in said
    (tmp_path / "copy.db").unlink()
    open_for_writing(tmp_path / "copy.db").close()
    code, said = ask("status")
    assert code == 2 and "copy.db" in said


def test_without_the_libraries_it_says_what_to_install(ask, monkeypatch):
    monkeypatch.setattr("gateway.cli.entra.find_spec", lambda name: None)
    for words in (("run",), ("once",)):
        assert ask(*words) == (2, "msal and httpx are not installed: pip install 'ldap-gateway[entra]'\n")


def test_which_directory(ask, tmp_path):
    second = GOOD[GOOD.index("  cloud:") : GOOD.index("clients:")].replace("  cloud:", "  other:", 1)
    second = second.replace("entra.sock", "other.sock").replace("copy.db", "other.db")
    (tmp_path / "gateway.yaml").write_text(GOOD.replace("clients:", f"{second}clients:"))
    code, said = ask("status")
    assert code == 2 and "--directory is needed: cloud, other" in said
    assert ask("status", "--directory", "other")[0] == 1
    code, said = ask("status", "--directory", "third")
    assert code == 2 and "there are: cloud, other" in said
