"""The build of the package (setup.py): compiled as a whole, or not at all and with words why."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import gateway
from gateway.compilation import compiled_sources, examine

ROOT = Path(__file__).parents[1]
INSTALLED = Path(gateway.__file__).parent

NOT_COMPILED = "not compiled: a third of the speed, see README"

# They start compilers.
pytestmark = pytest.mark.servers


@pytest.fixture
def compiler():
    found = shutil.which("cc")
    if found is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("needs a C compiler and Python's headers: apt-get install gcc libc6-dev python3-dev")
    return found


@pytest.fixture
def tree(tmp_path):
    """A checkout whose listed modules are tiny, so that its build takes seconds."""
    tree = tmp_path / "checkout"
    package = tree / "gateway"
    package.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, tree / name)
    # As long as the rooms are empty, only the modules of other rooms are listed.
    for source in [*compiled_sources(package), *(package / room / "one.py" for room in ("ldap", "policy", "relay"))]:
        source.parent.mkdir(parents=True, exist_ok=True)
        for room in source.relative_to(package).parents:
            (package / room / "__init__.py").touch()
        source.write_text("def next_number(number: int) -> int:\n    return number + 1\n")
    for name in ("__init__.py", "compilation.py", "py.typed"):
        shutil.copyfile(INSTALLED / name, package / name)
    # What gateway/compilation.py imports; it is not compiled.
    shutil.copytree(INSTALLED / "host", package / "host")
    shutil.copytree(ROOT / "docs", tree / "docs")
    return tree


def build(tree, **environment):
    """The ended build, and the directory of the package that it made."""
    clean = {name: value for name, value in os.environ.items() if name not in ("LDAP_GATEWAY_COMPILE", "CC")}
    ended = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", "built"],
        cwd=tree,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    return ended, tree / "built" / "gateway"


def extensions(tree):
    return sorted((tree / "built").rglob("*.so"))


def test_without_a_compiler_it_is_installed_uncompiled_and_says_so(tree):
    ended, package = build(tree, CC="/nowhere/cc -pthread")
    assert ended.returncode == 0, ended.stderr
    assert (
        "WARNING: the gateway is installed uncompiled, at a third of the speed: there is no C compiler (/nowhere/cc; "
        "Debian: apt-get install gcc libc6-dev)."
    ) in ended.stderr
    assert examine(package).said == NOT_COMPILED
    assert extensions(tree) == []
    assert (package / "ldap" / "one.py").exists()


def test_without_a_compiler_the_installation_ends_where_it_must_be_compiled(tree):
    ended, package = build(tree, CC="/nowhere/cc", LDAP_GATEWAY_COMPILE="1")
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert "The gateway cannot be compiled: there is no C compiler (/nowhere/cc; Debian: apt-get" in ended.stderr
    assert "Or set LDAP_GATEWAY_COMPILE=0: the gateway then works alike, at a third of the speed." in ended.stderr
    assert not package.exists()


def test_without_the_headers_it_is_installed_uncompiled_and_says_so(tree, tmp_path):
    # Read by every Python at its start, before setup.py asks where the headers are.
    (tmp_path / "sitecustomize.py").write_text(
        "import sysconfig\n"
        "get_path = sysconfig.get_path\n"
        "sysconfig.get_path = lambda name, *more: '/nowhere' if name == 'include' else get_path(name, *more)\n"
    )
    ended, package = build(tree, CC=sys.executable, PYTHONPATH=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert "Python's headers are missing (/nowhere/Python.h; Debian: apt-get install python3-dev)" in ended.stderr
    assert examine(package).said == NOT_COMPILED


def test_who_wants_no_compilation_gets_none_and_no_warning(tree):
    ended, package = build(tree, LDAP_GATEWAY_COMPILE="0")
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr
    assert examine(package).said == NOT_COMPILED
    assert extensions(tree) == []
    assert (package / "docs" / "operations.md").read_text() == (ROOT / "docs" / "operations.md").read_text()


def test_a_build_holds_nothing_of_the_build_before(tree):
    left = tree / "built" / "gateway" / "policy" / "removed.py"
    left.parent.mkdir(parents=True)
    for path in (left, left.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))):
        path.write_text("ANSWER = 42\n")
    ended, package = build(tree, LDAP_GATEWAY_COMPILE="0")
    assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in (package / "policy").iterdir()) == ["__init__.py", "one.py"]


@pytest.mark.timeout(900)
def test_what_is_built_is_compiled(tree, compiler):
    ended, package = build(tree)
    assert ended.returncode == 0, ended.stderr
    assert (examine(package).compiled, examine(package).said) == (True, "compiled")
    loaded = subprocess.run(
        [sys.executable, "-c", "import gateway.ldap.one as one; print(one.__file__, one.next_number(42))"],
        cwd=package.parent,
        # `.ci/compiled` leads every Python to the whole gateway, and here a small one is meant.
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")},
        capture_output=True,
        text=True,
    )
    assert loaded.stdout == f"{package}/ldap/one{sysconfig.get_config_var('EXT_SUFFIX')} 43\n"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("broken", "environment", "words"),
    [
        ("*__native_*", {}, "WARNING: the gateway is installed uncompiled, at a third of the speed"),
        ("*listener*", {"LDAP_GATEWAY_COMPILE": "1"}, "The gateway cannot be compiled"),
    ],
    ids=["the library", "one module"],
)
def test_where_a_part_cannot_be_compiled_nothing_is(tree, tmp_path, compiler, broken, environment, words):
    """Extensions without their library cannot be imported: a gateway that does not start."""
    failing = tmp_path / "cc"
    failing.write_text(f'#!/bin/sh\ncase "$*" in {broken}) echo no memory >&2; exit 1;; esac\nexec {compiler} "$@"\n')
    failing.chmod(0o755)
    ended, package = build(tree, CC=str(failing), **environment)
    assert (ended.returncode == 0) == (environment == {}), ended.stderr
    assert "Traceback" not in ended.stderr
    assert f"{words}: the compiler failed; what it says stands above" in ended.stderr
    assert examine(package).said == NOT_COMPILED
    assert extensions(tree) == []
