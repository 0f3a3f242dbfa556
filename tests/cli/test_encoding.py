"""Output to where its characters cannot be shown: a terminal or a pipe of another encoding."""

import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.encoding import show_all_characters
from gateway.observe.audit.line import json_text
from gateway.observe.audit.records import audit_object
from tests.cli.configurations import write_configuration
from tests.cli.test_audit import operation, sync
from tests.examples import examples
from tests.observe.records import record

# ü is in Latin-1, ł in Latin-2, the last one outside the Basic Multilingual Plane.
NAME = "OU=Zürich-łódź-𝒳,DC=corp,DC=example"
ENCODINGS = ["ascii", "latin-1", "iso8859-2", "cp1252", "utf-8", "utf-16"]


@settings(max_examples=examples(200))
@given(st.text(st.characters(exclude_categories=())), st.sampled_from(ENCODINGS))
def test_every_text_can_be_written_and_json_stays_json(text, encoding):
    octets = io.BytesIO()
    written = io.TextIOWrapper(octets, encoding=encoding, newline="")
    usual, sys.stdout = sys.stdout, written
    try:
        show_all_characters()
        print(json.dumps(text, ensure_ascii=False))
        written.flush()
    finally:
        sys.stdout = usual
    # Two halves of a surrogate pair are one character to JSON.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert json.loads(octets.getvalue().decode(encoding)) == whole


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("files")
    audit = directory / "audit.jsonl"
    audit.write_bytes(operation(0, base=NAME, client="mimecast") + sync(10, client="mimecast"))
    return write_configuration(directory), audit


def commands(files):
    config, audit = files
    return {
        "audit": ["audit", str(audit)],
        "audit --json": ["audit", "--json", str(audit)],
        "audit --syncs": ["audit", "--syncs", str(audit)],
        "escape": ["escape", "-c", str(config), NAME],
        "escape --json": ["escape", "--json", "-c", str(config), NAME],
        "explain": ["explain", "-c", str(config), "--client", "mimecast", "--base", NAME],
        "explain --filter": ["explain", "-c", str(config), "--client", "mimecast", "--filter", "(cn=ü𝒳"],
        "check": ["check", "-c", str(config) + "-ü𝒳"],
        "shrink": ["shrink", "list", "-c", str(config)],
        "an unknown client": ["explain", "-c", str(config), "--client", "ü𝒳", "--base", NAME],
        "an unknown command": ["ü𝒳"],
    }


@pytest.mark.servers
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "C"])
@pytest.mark.parametrize("name", commands((None, None)))
def test_no_command_ends_for_want_of_a_character(files, encoding, name):
    def run(**environment):
        usual = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", *commands(files)[name]],
            capture_output=True,
            env=usual | environment,
            timeout=60,
        )
        assert b"Traceback" not in ended.stderr, ended.stderr.decode(errors="replace")
        return ended

    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = run(**(odd if encoding == "C" else {"PYTHONIOENCODING": encoding}))
    plain = run(PYTHONIOENCODING="utf-8")
    if encoding == "C" and NAME in commands(files)[name]:
        # An argument with such characters cannot be read there either, and that is said.
        assert ended.returncode in (0, 1, 2)
        return
    assert ended.returncode == plain.returncode
    assert len(ended.stdout.splitlines()) == len(plain.stdout.splitlines())
    if "--json" in name:
        decoded = ended.stdout.decode("latin-1" if encoding == "latin-1" else "utf-8")
        assert [*map(json.loads, decoded.splitlines())] == [*map(json.loads, plain.stdout.decode().splitlines())]


def test_a_record_that_is_shown_as_it_is_can_have_any_character():
    assert NAME in json_text(audit_object(record(base=NAME), False, 0))
