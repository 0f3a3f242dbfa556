"""The rounds of delta queries: what the journal has behind a place, as the pages that a client gets.

Graph promises little of the order, so a round is put into disorder on purpose (`Untidiness`): objects come in any order
and several times, groups with another part of their members each time, pages are empty, what was told before is told
again. One thing holds, without which no client could ever know the truth: of one object, and of one link, what was so
later comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, TypeAlias

from gateway.demo.tenant.model import RELATION, Changed, Kind, Linked, Removal, Tenant, TenantObject

Item: TypeAlias = dict[str, Any]

# What Graph puts into a page, as far as it was observed.
PAGE: Final = 200
LINKS: Final = 500


@dataclass(frozen=True, slots=True)
class Untidiness:
    """How a round is put into disorder.

    page: objects on a page, at most. links: of one object on a page, at most. empty: the share of pages that an empty
    one precedes. again: the share of objects that come a second time, with the last links that came. stale: the share
    of changed objects that first come as they were before. removed: the share of removed objects that a first round
    tells, and of links that are gone. replayed: entries of the journal before the place that are told once more.
    partial: the share of changed objects of which only the properties that have changed are told. shuffled: whether the
    objects come in any order. implied: whether the old manager of somebody is not told where
    there is a new one.
    """

    page: int = PAGE
    links: int = LINKS
    empty: float = 0.0
    again: float = 0.0
    stale: float = 0.0
    removed: float = 0.0
    replayed: int = 0
    partial: float = 0.0
    shuffled: bool = False
    implied: bool = False


TIDY: Final = Untidiness()


@dataclass(frozen=True, slots=True)
class Query:
    """A delta query. select: properties, and the relation where it is followed; () for all that is set.
    changed: what of it is told; None for all."""

    kind: Kind
    select: tuple[str, ...]
    changed: frozenset[str] | None = None

    @property
    def relation(self) -> str | None:
        """The relation that is told: where nothing is selected each one is."""
        found = RELATION[self.kind]
        return found if found is not None and (not self.select or found in self.select) else None

    def told(self, found: TenantObject) -> Item:
        """The object with its selected properties; what was never set is not among them."""
        properties = found.properties
        names = [name for name in self.select or properties if name in properties]
        if self.changed is not None:
            names = [name for name in names if name in self.changed]
        return {"id": found.id, **{name: properties[name] for name in names}}


def first_round(tenant: Tenant, query: Query, untidy: Untidiness, random: Random) -> list[list[Item]]:
    """The pages of a query without a token: all that is there."""
    runs: list[list[Item]] = []
    former = _former_links(tenant) if untidy.removed else {}
    for found in list(tenant.objects.values()):
        if found.kind is not query.kind:
            continue
        if found.removed is not None:
            if random.random() < untidy.removed:
                runs.append([_removed(found)])
            continue
        links = []
        if query.relation is not None:
            present = tenant.links.get(found.id, {})
            links = [_link(tenant, target, True) for target in present]
            links += [
                _link(tenant, target, False)
                for target in former.get(found.id, ())
                if target not in present and random.random() < untidy.removed
            ]
            if untidy.shuffled:
                random.shuffle(links)
        runs.append(_run(query, found, None, links, untidy, random))
    return _pages(runs, untidy, random)


def next_round(tenant: Tenant, query: Query, since: int, untidy: Untidiness, random: Random) -> list[list[Item]]:
    """The pages of a query with a token. since: the place in the journal that the token stands for."""
    whole, begin = query, max(0, since - untidy.replayed)
    old = _states_at(tenant, begin) if untidy.partial else {}
    changes: dict[str, list[TenantObject]] = {}
    links: dict[str, list[Item]] = {}
    for entry in tenant.journal[begin:]:
        if isinstance(entry, Changed):
            if entry.object.kind is query.kind and entry.reported:
                changes.setdefault(entry.object.id, []).append(entry.object)
        elif entry.kind is query.kind and query.relation is not None:
            changes.setdefault(entry.source, [])
            links.setdefault(entry.source, []).append(_link(tenant, entry.target, entry.present))
    runs = []
    for id, states in changes.items():
        now = tenant.objects.get(id)
        if now is None or now.removed is not None:
            last = states[-1] if states else now
            if last is not None and last.removed is not None:
                runs.append([_removed(last)])
            continue
        if states and states[-1].removed is not None:
            # It came back, and this is not reported.
            runs.append([_removed(states[-1])])
            continue
        earlier = old.get(id)
        if earlier is not None and earlier.removed is None and random.random() < untidy.partial:
            query = replace(whole, changed=_changed(earlier, states))
        else:
            query = whole
        before = states[-2] if len(states) > 1 else None
        told = links.get(id, [])
        if untidy.implied and query.kind is Kind.users and any("@removed" not in link for link in told[-1:]):
            told = [link for link in told if "@removed" not in link]
        runs.append(_run(query, now, before, told, untidy, random))
    return _pages(runs, untidy, random)


def _states_at(tenant: Tenant, place: int) -> dict[str, TenantObject]:
    """By id the objects as they were told up to a place in the journal."""
    return {
        entry.object.id: entry.object
        for entry in tenant.journal[:place]
        if isinstance(entry, Changed) and entry.reported
    }


def _changed(old: TenantObject, states: Sequence[TenantObject]) -> frozenset[str]:
    """The properties that any of the later states has otherwise."""
    return frozenset(
        name
        for state in states
        for name, value in state.properties.items()
        if name not in old.properties or old.properties[name] != value
    )


def _run(
    query: Query,
    now: TenantObject,
    before: TenantObject | None,
    links: Sequence[Item],
    untidy: Untidiness,
    random: Random,
) -> list[Item]:
    """One object as the items that tell it, the last of which tells how it is."""
    items: list[Item] = []
    if before is not None and random.random() < untidy.stale:
        items.append(_removed(before) if before.removed is not None else query.told(before))
    told = query.told(now)
    parts = [list(links[at : at + untidy.links]) for at in range(0, len(links), untidy.links)] or [[]]
    name = f"{query.relation}@delta"
    items += [{**told, name: part} if part else dict(told) for part in parts]
    if random.random() < untidy.again:
        items.append(dict(items[-1]))
    return items


def _removed(found: TenantObject) -> Item:
    return {"id": found.id, "@removed": {"reason": str(found.removed)}}


def _link(tenant: Tenant, target: str, present: bool) -> Item:
    link: Item = {"@odata.type": tenant.type_of(target), "id": target}
    if not present:
        link["@removed"] = {"reason": str(Removal.hard)}
    return link


def _former_links(tenant: Tenant) -> dict[str, dict[str, None]]:
    """By the object's id the targets of links that have ended, at least once."""
    found: dict[str, dict[str, None]] = {}
    for entry in tenant.journal:
        if isinstance(entry, Linked) and not entry.present:
            found.setdefault(entry.source, {})[entry.target] = None
    return found


def _pages(runs: list[list[Item]], untidy: Untidiness, random: Random) -> list[list[Item]]:
    """The items on pages, those of one object in their order."""
    items = _mixed(runs, random) if untidy.shuffled else [item for run in runs for item in run]
    pages: list[list[Item]] = []
    for at in range(0, len(items), untidy.page):
        if random.random() < untidy.empty:
            pages.append([])
        pages.append(items[at : at + untidy.page])
    return pages or [[]]


def _mixed(runs: list[list[Item]], random: Random) -> list[Item]:
    order = [index for index, run in enumerate(runs) for _ in run]
    random.shuffle(order)
    rest = [iter(run) for run in runs]
    return [next(rest[index]) for index in order]
