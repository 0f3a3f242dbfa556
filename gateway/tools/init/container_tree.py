"""Containers as a numbered tree: on a terminal in lines and colour, elsewhere as indented text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from gateway.ask.printable import printable
from gateway.ldap.dn import DN
from gateway.ldap.kinds import Kind
from gateway.policy.narrowing import outermost
from gateway.tools.init.containers import SYNCED, Container
from gateway.tools.preview.view_words import KIND_NAMES

ESCAPED = "escaped"
# The container whose name is empty.
ROOT = '"" (the root)'
LEGEND = f"{ESCAPED}: the backslashes belong to the name, wherever it is written"


def in_order(trees: Iterable[Container]) -> list[Container]:
    """The containers as they are numbered, from 1 on."""
    return [container for tree in trees for container in tree.walk()]


def tree_lines(trees: Iterable[Container]) -> Iterator[str]:
    numbers = _numbers(trees)
    for tree in trees:
        for each in tree.walk():
            depth = len(each.dn.rdns) - len(tree.dn.rdns)
            mark = f"  {ESCAPED}" if each.needs_escaping else ""
            yield f"{numbers[id(each)]:>4}  {'  ' * depth}{_label(each, tree)}  {_counts(each)}{mark}"


def drawn_trees(trees: Iterable[Container]) -> Iterator[RenderableType]:
    numbers = _numbers(trees)
    for tree in trees:
        yield _branch(tree, tree, numbers, None)


def chosen(text: str, containers: list[Container]) -> tuple[DN, ...]:
    """text: numbers and ranges, `2,4-6`. Those that lie in no other one of them. Raises ValueError, whose text says
    what is wrong."""
    numbers: list[int] = []
    for part in text.replace(",", " ").split():
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{part}: numbers as shown are expected, such as 2,4-6")
        lowest, highest = int(first), int(last or first)
        if not 1 <= lowest <= highest <= len(containers):
            raise ValueError(f"{part}: from 1 to {len(containers)}, the lower one first")
        numbers.extend(range(lowest, highest + 1))
    if not numbers:
        raise ValueError("at least one number is expected")
    return outermost(tuple(containers[number - 1].dn for number in dict.fromkeys(numbers)))


def _numbers(trees: Iterable[Container]) -> dict[int, int]:
    return {id(container): number for number, container in enumerate(in_order(trees), 1)}


def _branch(container: Container, root: Container, numbers: dict[int, int], parent: Tree | None) -> Tree:
    # Never parsed as markup: brackets in names are names.
    label = Text.assemble(
        (f"{numbers[id(container)]} ", "dim"),
        (_label(container, root), "yellow" if container.needs_escaping else "bold"),
        f"  {_counts(container)}",
        (f"  {ESCAPED}" if container.needs_escaping else "", "yellow"),
    )
    branch = Tree(label, guide_style="dim") if parent is None else parent.add(label)
    for each in container.below:
        _branch(each, root, numbers, branch)
    return branch


def _label(container: Container, root: Container) -> str:
    if not container.dn.rdns:
        return ROOT
    return printable(str(container.dn) if container is root else container.name)


def _counts(container: Container) -> str:
    """With all that is below it. Of the root also what is right in it: Domino's groups, and people with a flat name."""
    total = _words(container.total())
    if container.dn.rdns or not container.own or not container.below:
        return total
    return f"{total} ({_words(container.own)} right in it)"


def _words(counted: Counter[Kind]) -> str:
    return ", ".join(
        f"{counted[kind]:,} {KIND_NAMES[kind] if counted[kind] > 1 else kind.value}" for kind in SYNCED if counted[kind]
    )
