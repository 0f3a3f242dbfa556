"""The containers of a directory that have people, groups or contacts in them, as a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.ask.account import refusal
from gateway.ask.attributes import texts
from gateway.ask.connection import Connection
from gateway.ldap.dn import DN, Key, key, parse
from gateway.ldap.filters import Present
from gateway.ldap.kinds import Kind, kind_of
from gateway.ldap.messages import WHOLE_SUBTREE, SearchRequest, SearchResultEntry
from gateway.tools.doctor.bases import needs_escaping

# What a sync is about.
SYNCED: Final = (Kind.user, Kind.group, Kind.contact)


class Unreadable(Exception):
    """The account cannot read all of it; the text says why."""


@dataclass(slots=True)
class Container:
    """A container with people in it.

    dn: its spelling is canonical. own: what lies right in it. below: containers in it with something in them.
    """

    dn: DN
    own: Counter[Kind] = field(default_factory=Counter)
    below: list[Container] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The RDN, or all of the name that the tree begins with; "" for the root."""
        return str(DN(self.dn.rdns[:1]))

    @property
    def needs_escaping(self) -> bool:
        return bool(self.dn.rdns) and needs_escaping(self.dn.rdns[0])

    def total(self) -> Counter[Kind]:
        counted = Counter(self.own)
        for each in self.below:
            counted += each.total()
        return counted

    def walk(self) -> Iterator[Container]:
        """This one, then what is below it, in the order in which a tree is printed."""
        yield self
        for each in self.below:
            yield from each.walk()


class Tree:
    """A naming context as a tree of containers. root: everything that is added must lie below it."""

    def __init__(self, root: DN) -> None:
        self.root = Container(root)
        self._known: dict[Key, Container] = {key(root): self.root}

    def add(self, dn: DN, kind: Kind) -> None:
        self._container(dn.parent()).own[kind] += 1

    def _container(self, dn: DN) -> Container:
        known = self._known.get(key(dn))
        if known is None:
            known = self._known[key(dn)] = Container(dn.rebase(self.root.dn))
            self._container(dn.parent()).below.append(known)
        return known

    def sorted(self) -> Container:
        for container in self._known.values():
            container.below.sort(key=lambda each: each.name.lower())
        return self.root


async def read_containers(connection: Connection, root: DN, page_size: int) -> Container:
    """page_size: 0 reads without paging. Raises ConnectionFailed, and Unreadable where the answer is not complete."""
    tree = Tree(root)
    unreadable: list[str] = []

    def take(entry: SearchResultEntry) -> None:
        kind = kind_of(texts(entry, "objectClass"))
        if kind not in SYNCED:
            return
        try:
            name = parse(entry.dn)
            inside = name.is_inside(root) and len(name.rdns) > len(root.rdns)
        except ValueError:
            inside = False
        if inside:
            tree.add(name, kind)
        else:
            unreadable.append(entry.dn)

    request = SearchRequest(str(root), WHOLE_SUBTREE, Present("objectClass"), ("objectClass",))
    if page_size:
        answer = await connection.search_paged(request, page_size, take)
    else:
        answer = await connection.search(request, read=take)
    if not answer.complete:
        said, advice = refusal(answer.result)
        raise Unreadable(f'"{root}" cannot be read: {said}, after {answer.count} entries: {advice}')
    if unreadable:
        raise Unreadable(f'"{root}" has an entry whose name is not a DN inside it: {unreadable[0]!r}')
    return tree.sorted()
