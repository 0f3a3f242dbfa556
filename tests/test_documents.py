"""What the documents say of the repository, held against the repository."""

import ast
import hashlib
import re
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gateway
from gateway.compilation import compiled_sources

ROOT = Path(__file__).parents[1]
# The package lies elsewhere where an installed one is tested.
PACKAGE = Path(gateway.__file__).parent

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md", ".github/**/*.yml", "bench/*.md", "certs/*.md")
    for path in ROOT.glob(pattern)
)
# Paths in them begin at one of these.
PLACES = (ROOT, PACKAGE.parent, PACKAGE)
# What the repository must never have.
MADE_BY_USERS = ("certs/*.pem", "certs/*.key")
CONTRIBUTING, README = ((ROOT / name).read_text() for name in ("CONTRIBUTING.md", "README.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def decision(name):
    """The text of the decision of that name, without its number."""
    (path,) = (ROOT / "docs" / "decisions").glob(f"[0-9]*-{name}.md")
    return path.read_text()


def section(text, title):
    """What stands below a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def listed_packages():
    """The first column of the table of dependencies, as (name, kind); a row may name several kinds in parentheses."""
    lines = [line for line in decision("dependencies").splitlines() if line.startswith("|")]
    rows = [line.split("|")[1].strip().partition(" ") for line in lines[2:]]
    return sorted((canonicalize_name(name), kind) for name, _, kinds in rows for kind in kinds.strip("()").split(", "))


def declared_packages():
    kinds = {
        "": PROJECT["project"]["dependencies"],
        "build": PROJECT["build-system"]["requires"],
        **PROJECT["project"]["optional-dependencies"],
    }
    found = [(canonicalize_name(Requirement(one).name), kind) for kind, all_ in kinds.items() for one in all_]
    # An extra may take in another one of the gateway's own.
    return sorted(each for each in found if each[0] != "ldap-gateway")


def test_each_dependency_has_its_reason_and_nothing_else_has_one():
    assert listed_packages() == declared_packages()


def for_type_checkers(tree):
    """The nodes below `if TYPE_CHECKING:`, which no interpreter runs."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imported_packages():
    """The distributions that the gateway imports when it runs; pydantic-core is pydantic's, of the very version."""
    names = set()
    for path in PACKAGE.glob("**/*.py"):
        tree = ast.parse(path.read_text())
        ignored = for_type_checkers(tree)
        for node in ast.walk(tree):
            if node not in ignored and isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.partition(".")[0])
            elif node not in ignored and isinstance(node, ast.Import):
                names |= {name.name.partition(".")[0] for name in node.names}
    installed = packages_distributions()
    foreign = names - {"gateway"} - sys.stdlib_module_names
    return {canonicalize_name(installed[name][0]) for name in foreign} - {"pydantic-core"}


def test_what_the_gateway_imports_is_declared():
    """A package that another one brings along may be gone with that one's next version."""
    declared = {name for name, kind in declared_packages() if kind in ("", "entra")}
    assert imported_packages() <= declared


def test_what_is_compiled_is_what_the_decisions_say():
    text = section(decision("compiled"), "Decided")
    of_whole_rooms, _, _ = text.partition(", and of")
    compiled = {path for path in compiled_sources(PACKAGE) if path.name != "__init__.py"}

    assert set(re.findall(r"`gateway/(\w+)`", text)) == {path.relative_to(PACKAGE).parts[0] for path in compiled}
    modules = {
        path
        for room in re.findall(r"`gateway/(\w+)`", of_whole_rooms)
        for path in PACKAGE.glob(f"{room}/*.py")
        if path.name != "__init__.py"
    }
    assert modules
    assert modules <= compiled


def test_the_readme_names_every_server_that_the_tests_install():
    script = (ROOT / ".ci" / "test").read_text().replace("\\\n", " ")
    packages = [word for line in script.splitlines() for word in line.partition(".ci/packages ")[2].split()]
    assert "slapd" in packages
    paragraph = section(README, "Try it").rpartition(".ci/test\n")[2].lower()
    assert [name for name in packages if name.partition("-")[0] not in paragraph] == []


def named_paths(text):
    """What stands in backticks or in a link of Markdown and looks like a path of the repository or of the package."""
    for word in re.findall(r"`([^`\s]+)`", text) + re.findall(r"\]\(([^)\s]+)\)", text):
        path = word.partition("#")[0].partition(":")[0].rstrip("/")
        top = path.partition("/")[0]
        is_path = (
            "/" in path and top not in {"", ".", "..", ".venv"} and any((place / top).is_dir() for place in PLACES)
        )
        if (is_path or path.endswith(".md")) and not any(fnmatch(path, pattern) for pattern in MADE_BY_USERS):
            yield path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_names_is_there(path):
    places = (*PLACES, path.parent)
    named = set(named_paths(path.read_text()))
    assert {name for name in named if not any(list(place.glob(name)) for place in places)} == set()


def test_the_licence_is_the_one_that_is_declared():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_bytes()
    # Of the text as the Apache Software Foundation publishes it; nobody is to change a word of it.
    assert hashlib.sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_an_installation_has_the_licence():
    files = distribution("ldap-gateway").files
    (licence,) = [file for file in files if file.name == "LICENSE"]
    assert licence.read_text() == (ROOT / "LICENSE").read_text()


EXAMPLES = [
    (title, named[1], file)
    for title, text in re.findall(r"^## (Add a \w+)\n(.*?)(?=^## )", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    for named in [re.search(r"`(\w+)`[^.;]* is the example", text)]
    for file in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
]


@pytest.mark.parametrize(("title", "example", "file"), EXAMPLES)
def test_each_step_of_adding_something_can_be_seen_at_its_example(title, example, file):
    text = (PACKAGE.parent if file.startswith("gateway/") else ROOT).joinpath(file).read_text()
    assert example in text or example.replace("_", "-") in text


def test_there_is_an_example_of_everything_that_is_added():
    assert {title for title, _, _ in EXAMPLES} == {
        "Add a setting",
        "Add a reason",
        "Add a question",
        "Add a control",
        "Add a command",
    }
    assert all(len([file for other, _, file in EXAMPLES if other == title]) >= 4 for title, _, _ in EXAMPLES)
