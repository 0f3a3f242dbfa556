"""What YAML 1.1 makes of texts without quotes: numbers, some to the base of 60, truth values, dates and nothing. No key
takes it for a text, nor a number that people read as another one."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from types import NoneType
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.config import models
from gateway.config.load import load_configuration
from gateway.config.networks import read_network
from gateway.config.problems import ConfigurationError
from gateway.net.sessions.required_certificate import fold_alt_name
from gateway.net.sessions.sources import SourceTable
from tests.config.test_load import GOOD, load

MARK = "@value@"
NUMBERS = ["2001:10:20:30:40:50:10:20", "12:30", "1:30.5", "010", "0x1F", "0b11"]
DATES = ["2001-10-20", "2001-10-20 10:20:30"]
TRUTHS = ["true", "no", "ON"]
DECIMALS = ["0", "8", "-1", "1_000", "1.5"]
NOTHING = ["null", "~"]


def leaves(
    annotation: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], tuple[Any, ...]]]:
    """Each single value of the file: where it stands, and of what types it may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from leaves(field.annotation, (*path, name))
        return
    if get_origin(annotation) is list:
        yield from leaves(get_args(annotation)[0], (*path, 0))
        return
    if get_origin(annotation) is dict:
        yield from leaves(get_args(annotation)[1], (*path, "name"))
        return
    if annotation is bool or str(annotation).startswith("typing.Literal"):
        return
    choices = [found for found in get_args(annotation) if str(annotation).startswith("typing.Annotated")][:1]
    if choices:
        yield from leaves(choices[0], path)
        return
    parts = get_args(annotation) or (annotation,)
    single = tuple(part for part in map(_plain, parts) if part in (str, int, float, NoneType))
    if "IPv4Network" in str(annotation):
        single = (str,)
    if set(single) - {NoneType}:
        yield path, single
    for part in parts:
        if part is not annotation:
            yield from (found for found in leaves(part, path) if found[0] != path)


def _plain(annotation: Any) -> Any:
    return _plain(get_args(annotation)[0]) if str(annotation).startswith("typing.Annotated") else annotation


LEAVES = list(leaves(models.File))


def problem_at(tmp_path, path, scalar):
    """What is wrong with a file that has nothing but this value; None where it may stand there."""
    data: Any = MARK
    for part in reversed(path):
        data = [data] if part == 0 else {part: data}
    text = yaml.safe_dump({"before": [], **data}, sort_keys=False).replace(f"'{MARK}'", scalar)
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(file)
    lines = text.splitlines()
    line = next(number for number, each in enumerate(lines, 1) if scalar in each)
    where = ".".join(map(str, path))
    found = [each for each in caught.value.problems if each.path == where]
    assert all((each.file, each.line) == (str(file), line) for each in found)
    assert len(found) < 2, "one value, one problem"
    return found[0].message if found else None


def test_the_walk_finds_keys_of_every_kind():
    found = dict(LEAVES)
    for path in (
        ("clients", "name", "sources", 0),
        ("trusted_proxies", 0),
        ("listeners", 0, "address"),
        ("directories", "name", "servers", 0),
        ("directories", "name", "servers", 0, "server_name"),
        ("directories", "name", "discover", "resolver"),
        ("clients", "name", "credentials", "accounts", "name", "hashes", 0),
        ("clients", "name", "required_certificate", "alt_names", 0),
        ("lockout_store",),
        ("audit", "syslog", "address"),
        ("admin", "address"),
    ):
        assert str in found[path], path
    assert len(found) > 100


@pytest.mark.parametrize("path, types", LEAVES, ids=lambda value: ".".join(map(str, value)))
def test_no_text_is_made_of_anything_else(tmp_path, path, types):
    wrong = NUMBERS + DATES + TRUTHS
    if str in types:
        wrong += DECIMALS + ([] if NoneType in types else NOTHING)
    for scalar in wrong:
        message = problem_at(tmp_path, path, scalar)
        assert message is not None, scalar
        if "hashes" in path or "proxy" in path:
            # It may be the secret.
            assert scalar not in message
        elif str in types:
            assert f'in quotes, "{scalar}"' in message
            quoted = problem_at(tmp_path, path, f'"{scalar}"') or ""
            assert "quotes" not in quoted
        elif scalar not in TRUTHS:
            assert f'in quotes, "{scalar}"' in message and "in decimal digits" in message


@pytest.mark.parametrize("key", ["sources", "trusted_proxies"])
def test_the_file_and_the_line_are_named(tmp_path, key):
    written = "2001:10:20:30:40:50:10:20"
    text = GOOD.replace("198.51.100.0/24", written) if key == "sources" else f"{GOOD}trusted_proxies:\n  - {written}\n"
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "gateway.yaml"), 12 if key == "sources" else 18)
    assert "the number " in problem.message and problem.message.endswith(f'put it in quotes, "{written}"')


# IPv4-mapped addresses (RFC 4291 2.5.5.2).


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_a_mapped_network_is_its_network_of_ipv4(address, bits, peer):
    plain = ip_network((address, bits), strict=False)
    mapped = read_network(f"::ffff:{plain.network_address}/{96 + bits}")
    assert mapped == read_network(str(plain)) == plain
    table = SourceTable([(mapped, "client")])
    for text in (str(peer), f"::ffff:{peer}"):
        assert (table.find(text) == "client") is (peer in plain)


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_networks_of_ipv6_stay_what_they_are(address, bits):
    plain = ip_network((address, bits), strict=False)
    if bits < 96 or plain.network_address.ipv4_mapped is None:
        assert read_network(str(plain)) == plain


def test_mapped_addresses_are_ipv4_wherever_they_are_compared(tmp_path):
    (tmp_path / "more").write_text("::ffff:192.0.2.1\n")
    sources = '["::ffff:198.51.100.7"]\n    sources_file: more'
    text = GOOD.replace("[198.51.100.0/24, 203.0.113.7]", sources) + (
        'trusted_proxies: ["::ffff:10.9.8.7"]\nadmin: {address: "[::ffff:127.0.0.1]:0"}\n'
    )
    text = text.replace('"ldaps://dc1.corp.example"', '"ldaps://[::ffff:10.1.2.3]"')
    settings = load(tmp_path, text).settings
    (client,) = settings.clients
    assert client.sources == (ip_network("198.51.100.7"), ip_network("192.0.2.1"))
    assert settings.trusted_proxies == (ip_network("10.9.8.7"),)
    assert client.directory.servers[0].server_name == "10.1.2.3"
    assert fold_alt_name("IP:::ffff:10.1.2.3") == fold_alt_name(f"IP:{ip_address('10.1.2.3')}")


@pytest.mark.parametrize(
    "key, wrong", [("trusted_proxies", "list the proxies' own addresses"), ("sources", "every address may connect")]
)
def test_every_mapped_address_is_every_address(tmp_path, key, wrong):
    written = '["::ffff:0.0.0.0/96"]'
    if key == "sources":
        loaded = load(tmp_path, GOOD.replace("[198.51.100.0/24, 203.0.113.7]", written))
        assert any(wrong in warning for warning in loaded.warnings)
    else:
        with pytest.raises(ConfigurationError, match=wrong):
            load(tmp_path, f"{GOOD}trusted_proxies: {written}\n")
