"""Every key of the file with values of every wrong type: one line for each, and no word of pydantic in it."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.config import models
from gateway.config.load import load_configuration
from gateway.config.problems import ConfigurationError
from tests.config.test_load import GOOD, load

# Words of pydantic, of PyYAML and of Python, none of which means anything to whoever wrote the file.
FOREIGN = re.compile(
    r"pydantic|Input should|type=|Value error|validation|NoneType|dict\b|\bstr\b|\bint\b|<block|object at|Traceback"
    r"|could not find expected|valid (string|integer|number|boolean)"
)
SECRET = "S3cret-as-a-value"

WRONG = {
    "text": SECRET,
    "empty text": "",
    "number": 7,
    "negative": -1,
    "huge": 10**30,
    "fraction": 1.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "true": True,
    "nothing": None,
    "list": [],
    "list of texts": ["one", SECRET],
    "list of numbers": [1, 2],
    "list of lists": [["one"]],
    "list of nothing": [None],
    "list of mappings": [{"one": SECRET}],
    "mapping": {},
    "mapping of a text": {"one": SECRET},
    "mapping of a mapping": {"one": {"two": SECRET}},
}


def places(annotation: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key, every item of a list and every block of the file."""
    if path:
        yield path
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from places(field.annotation, (*path, name))
    elif get_origin(annotation) is list:
        yield from places(get_args(annotation)[0], (*path, 0))
    elif get_origin(annotation) is dict:
        yield from places(get_args(annotation)[1], (*path, "name"))
    else:
        for part in get_args(annotation):
            yield from (found for found in places(part, path) if found != path)


PLACES = list(dict.fromkeys(places(models.File)))


def problems_at(tmp_path, path, value):
    """What is wrong with a file that has little else but this value, at the value's place or inside it."""
    data: Any = value
    for part in reversed(path):
        data = [data] if part == 0 else {part: data}
    text = yaml.safe_dump({"before": [], **data}, sort_keys=False)
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(file)
    where = ".".join(map(str, path))
    return [found for found in caught.value.problems if f"{found.path}.".startswith(f"{where}.")], text


def check(problems, text):
    said = [str(problem) for problem in problems]
    assert len(set(said)) == len(said)
    for problem in problems:
        assert not FOREIGN.search(problem.message), problem
        assert "\n" not in problem.message
        assert problem.file.endswith("gateway.yaml")
        # Lines of PyYAML's output stand in the order of the keys; the first has `before`.
        assert 2 <= problem.line <= text.count("\n")
    paths = [problem.path for problem in problems]
    assert len(set(paths)) == len(paths), "one place, one line"


def test_the_walk_finds_blocks_lists_and_values():
    assert len(PLACES) > 150
    for path in (
        ("clients",),
        ("clients", "name"),
        ("clients", "name", "lockout"),
        ("listeners", 0),
        ("limits", "idle"),
    ):
        assert path in PLACES


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_each_wrong_value_has_one_line_in_plain_words(tmp_path, path):
    refused = 0
    for value in WRONG.values():
        problems, text = problems_at(tmp_path, path, value)
        check(problems, text)
        refused += bool(problems)
        if "hashes" in path:
            assert SECRET not in str(problems)
    # No key takes everything; one that refused nothing would not have been looked at.
    assert refused > 3


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(PLACES), values)
def test_any_value_at_any_key_has_one_line_in_plain_words(tmp_path_factory, path, value):
    problems, text = problems_at(tmp_path_factory.getbasetemp(), path, value)
    check(problems, text)


@pytest.mark.parametrize(
    "old, new, line, said",
    [
        ("198.51.100.0/24", "198.51.100.5/24", 12, "198.51.100.5/24 has host bits; did you mean 198.51.100.0/24?"),
        ("198.51.100.0/24", "2001:db8::5/32", 12, "2001:db8::5/32 has host bits; did you mean 2001:db8::/32?"),
        ("[mail, cn]", "mail", 16, "a list is expected: begin each item with a dash, like `- mail`"),
        ("[mail, cn]", "", 16, "a list is expected, and nothing stands behind the key"),
        (
            "[mail, cn]",
            "\n      - mail\n        - cn",
            17,
            "YAML takes the lines up to 18 for one text: is a dash or a colon missing in them?",
        ),
        ("  - address", "    address", 1, "begin each item with a dash before its first key, like `- address: ...`"),
        (
            "    attributes: [mail, cn]\n",
            "  attributes: [mail, cn]\n  mode: report\n",
            16,
            "`attributes` is a key of clients.NAME or of limits: is its line indented as the other keys there are?",
        ),
        (
            "    attributes: [mail, cn]\n",
            "    attributes: [mail, cn]\n  directory: corp\n",
            17,
            "`directory` is a key of clients.NAME: is its line indented as the other keys there are?",
        ),
        ('["OU=Staff,DC=corp,DC=example"]', "{a: b}", 15, "a list is expected: begin each item with a dash"),
        ("mimecast:", "mimecast: corp\n  other:", 11, "a mapping of keys is expected"),
        ('"ldaps://dc1.corp.example"', "[a]", 7, "a text or a mapping of keys is expected, and this is a list"),
        (
            "svc@corp.example",
            '"CN=Sync, Mail,DC=corp"',
            14,
            r"write 'CN=Sync\, Mail,DC=corp', as `ldap-gateway escape`",
        ),
        ("OU=Staff,DC", "OU=O'Neil, EMEA,DC", 15, r"write 'OU=O''Neil\, EMEA,DC=corp,DC=example', as `ldap-gateway es"),
        (
            "OU=Staff,DC",
            "OU=A,B+CN=c, d,DC",
            15,
            "it can be read in 2 ways: `ldap-gateway escape 'OU=A,B+CN=c, d,DC=corp,DC=example'` shows how each is",
        ),
    ],
)
def test_mistakes_of_people_are_told_with_what_to_write(tmp_path, old, new, line, said):
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert [problem.line for problem in caught.value.problems if said in str(problem)] == [line], str(caught.value)


def test_the_written_form_of_a_name_is_accepted(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD.replace("OU=Staff,DC", "OU=O'Neil, EMEA,DC"))
    written = re.search(r"write ('.*'), as", str(caught.value))
    assert written
    assert load(tmp_path, GOOD.replace('"OU=Staff,DC=corp,DC=example"', written[1])).settings.clients
