"""What the gateway uses of Twisted and of others beyond their public interfaces: only what is named here."""

import ast
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.tcp import Port

import gateway
from gateway.net.transport.twisted_internals import EventLoop

PACKAGE = Path(gateway.__file__).parent
MODULE = PACKAGE / "net" / "transport" / "twisted_internals.py"
ROOT = Path(__file__).parents[2]

# Of the reactor: attributes of its instances, and methods that EventLoop takes the place of or calls.
ATTRIBUTES = {"_selectables", "_poller", "_justStopped", "threadCallQueue"}
METHODS = {"_doReadOrWrite", "runUntilCurrent", "doPoll", "doIteration", "timeout", "callLater", "getDelayedCalls"}


def own_names(tree):
    """What a module itself gives a name to: attributes that it sets, fields, functions and variables."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def read_privates(tree):
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    }


def imported_privates(tree):
    """Names and modules that begin with an underscore, imported from another package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module != "__future__":
            path = [*node.module.split("."), *(name.name for name in node.names)]
        elif isinstance(node, ast.Import):
            path = [part for name in node.names for part in name.name.split(".")]
        else:
            continue
        yield from (part for part in path if part.startswith("_"))


def test_this_module_uses_what_is_named_and_nothing_more():
    tree = ast.parse(MODULE.read_text())
    assert read_privates(tree) - own_names(tree) == {name for name in ATTRIBUTES | METHODS if name.startswith("_")}


def test_no_other_module_uses_a_private_attribute_of_somebody_else():
    trees = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py") if path != MODULE}
    own = set().union(*map(own_names, trees.values()))
    foreign = {path: read_privates(tree) - own | set(imported_privates(tree)) for path, tree in trees.items()}
    assert {str(path.relative_to(PACKAGE)): names for path, names in foreign.items() if names} == {}


def test_twisted_has_all_of_them():
    reactor = EventLoop()
    assert {name for name in ATTRIBUTES if not hasattr(reactor, name)} == set()
    assert {name for name in METHODS if not callable(getattr(EPollReactor, name, None))} == set()
    assert callable(Port.transport)


def test_the_version_of_twisted_has_an_upper_bound():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (twisted,) = [one for one in map(Requirement, declared) if one.name == "Twisted"]
    assert {each.operator for each in twisted.specifier} == {">=", "<"}
