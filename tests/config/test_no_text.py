"""Characters that YAML's escapes can bring into a text, and that no name or file can have."""

import pytest
import yaml

from gateway.config.directories import server_settings
from gateway.config.problems import ConfigurationError
from gateway.config.source import read_source
from tests.config.test_unquoted import LEAVES, problem_at

TEXTS = [path for path, kinds in LEAVES if str in kinds]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("scalar, code", [('"a\\0b"', "U+0000"), ('"\\ud800"', "U+D800"), ('"a\\udfff"', "U+DFFF")])
def test_it_is_refused_wherever_a_text_is(tmp_path, path, scalar, code):
    problem = problem_at(tmp_path, path, scalar)
    assert problem is not None
    assert f"it has the character {code}, which no name or file can have" in problem
    assert problem.encode().isascii()


@pytest.mark.parametrize("key", ['"a\\0b"', '"\\udc80"'])
def test_it_is_refused_in_a_key(tmp_path, key):
    file = tmp_path / "gateway.yaml"
    file.write_text(f"clients:\n  good: {{}}\n  {key}: {{}}\n")
    with pytest.raises(ConfigurationError, match=r"gateway\.yaml:3: clients: it has the character U\+"):
        read_source(file)


def test_what_can_be_written_otherwise_is_a_text(tmp_path):
    texts = ["\t", "\x1f", "\U0001f600", "\uffff", "\ud7ff", "\ue000", ""]
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(texts))
    assert read_source(file).data == texts


def test_a_server_that_somebody_types_has_no_such_name():
    with pytest.raises(ValueError, match="no name that a certificate can have"):
        server_settings("ldaps://10.1.2.3", "dc1\0")
