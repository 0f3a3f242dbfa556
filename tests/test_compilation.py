"""What an installation says of itself: that it is compiled only where every listed module is, from these sources."""

import shutil
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gateway
from gateway.compilation import compilation, compiled_sources, examine, library_name
from tests.examples import examples

PACKAGE = Path(gateway.__file__).parent
NAMES = [source.relative_to(PACKAGE).as_posix() for source in compiled_sources(PACKAGE)]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The installed sources, without the extensions of any build."""
    copy = tmp_path_factory.mktemp("installation") / "gateway"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return copy


def build(package, names=NAMES, library=None, suffix=EXTENSION_SUFFIXES[0]):
    """Puts beside each source a file with what mypyc's extensions have in them, and nothing else beside any."""
    library = library or library_name(package)
    for path in package.rglob("*.so"):
        path.unlink()
    for name in names:
        extension = (package / name).with_suffix(suffix)
        extension.write_bytes(b"\x7fELF" + library.encode() + b"__mypyc")


def test_what_this_process_runs():
    """By what Python really loads, not by names of files."""
    modules = [import_module(f"gateway.{name.removesuffix('.py').replace('/', '.')}") for name in NAMES]
    compiled = [isinstance(module.__spec__.loader, ExtensionFileLoader) for module in modules]
    assert compilation().compiled == all(compiled)
    assert any(compiled) == all(compiled), "some modules are compiled and some are not"
    words = "compiled" if all(compiled) else "not compiled: a third of the speed, see README"
    assert compilation().said == words


def test_every_module_of_a_compiled_room_is_listed_but_for_one():
    assert {"ldap/ber.py", "policy/search.py", "relay/session.py", "net/transport/stream.py"} <= set(NAMES)
    assert "ask/client.py" not in NAMES
    assert not [name for name in NAMES if name.endswith("__init__.py") or not (PACKAGE / name).is_file()]


def test_no_module_is_compiled(package):
    build(package, [])
    assert examine(package).said == "not compiled: a third of the speed, see README"
    assert not examine(package).compiled


def test_every_module_is_compiled(package):
    for suffix in EXTENSION_SUFFIXES:
        build(package, suffix=suffix)
        assert (examine(package).compiled, examine(package).said) == (True, "compiled")


@settings(max_examples=examples(50))
@given(st.integers(1, 2 ** len(NAMES) - 2))
def test_some_modules_are_compiled_and_some_are_not(package, bits):
    missing = [name for place, name in enumerate(NAMES) if bits >> place & 1]
    build(package, set(NAMES).difference(missing))
    found = examine(package)
    assert not found.compiled
    first = "gateway." + min(missing).removesuffix(".py").replace("/", ".")
    assert found.said == (
        f"not compiled: {len(missing)} of {len(NAMES)} modules run as plain Python, {first} among them; "
        "install the gateway anew, see README"
    )


@settings(max_examples=examples(30))
@given(st.sampled_from(NAMES), st.integers(0), st.sampled_from([b"", b"#", b"\n"]))
def test_a_source_is_not_the_one_that_was_compiled(package, name, place, octets):
    build(package)
    source = package / name
    before = source.read_bytes()
    place %= len(before)
    try:
        # An octet more, or one less.
        source.write_bytes(before[:place] + octets + before[place + (not octets) :])
        found = examine(package)
    finally:
        source.write_bytes(before)
    assert not found.compiled
    assert "was compiled from other sources than those that lie here; install" in found.said
    assert examine(package).compiled


@settings(max_examples=examples(10))
@given(st.sampled_from(NAMES))
def test_one_extension_is_of_another_build(package, name):
    build(package)
    (package / name).with_suffix(EXTENSION_SUFFIXES[0]).write_bytes(b"\x7fELFldap_gateway_0123456789abcdef__mypyc")
    found = examine(package)
    module = "gateway." + name.removesuffix(".py").replace("/", ".")
    assert found.said == (
        f"not compiled: {module} was compiled from other sources than those that lie here; "
        "install the gateway anew, see README"
    )
    assert not found.compiled


def test_a_module_that_is_compiled_no_more_still_runs_from_its_extension(package):
    build(package, [*NAMES, "ask/client.py"])
    found = examine(package)
    assert not found.compiled
    assert found.said.startswith("not compiled: gateway.ask.client runs from a file that another build left there;")
    build(package, ["ask/client.py"])
    assert examine(package) == found


def test_extensions_for_another_python_are_not_loaded_and_do_not_count(package):
    build(package, suffix=".cpython-399-x86_64-linux-gnu.so")
    assert examine(package).said == "not compiled: a third of the speed, see README"
    for name in NAMES[1:]:
        (package / name).with_suffix(EXTENSION_SUFFIXES[0]).write_bytes(library_name(package).encode())
    assert f"1 of {len(NAMES)} modules" in examine(package).said


def test_a_source_that_cannot_be_read(package):
    build(package)
    source = package / NAMES[0]
    before = source.read_bytes()
    source.unlink()
    source.symlink_to(package / "nowhere.py")
    try:
        found = examine(package)
    finally:
        source.unlink()
        source.write_bytes(before)
    assert not found.compiled
    assert f"{source} cannot be read: there is no such file; install" in found.said
