"""What a service would find changed between two previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.ldap.dn import DNError, key, parse
from gateway.tools.preview.census import Mark
from gateway.tools.preview.preview import View


@dataclass(frozen=True, slots=True)
class Person:
    """An entry of any kind, as an earlier or a later preview has it; guid: "" where it has none."""

    dn: str
    guid: str
    kind: str
    disabled: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What two previews have differently.

    moved: (before, now), the same GUID under another name. disabled: seen before and now, disabled only now.
    """

    appear: tuple[Person, ...]
    vanish: tuple[Person, ...]
    moved: tuple[tuple[Person, Person], ...]
    disabled: tuple[Person, ...]


def people_of(view: View) -> tuple[Person, ...]:
    return tuple(
        Person(seen.dn, seen.guid, seen.kind.value, Mark.disabled in marks)
        for seen, marks in zip(view.seen, view.marks, strict=True)
    )


def compare(before: tuple[Person, ...], now: tuple[Person, ...]) -> Difference:
    """By GUID where both have one, else by DN. Both complete."""
    by_guid = {person.guid: person for person in now if person.guid}
    by_name = {_name(person.dn): person for person in now}
    known: set[str] = set()
    vanish: list[Person] = []
    moved: list[tuple[Person, Person]] = []
    disabled: list[Person] = []
    for person in before:
        found = _same(person, by_guid, by_name)
        if found is None:
            vanish.append(person)
            continue
        known.add(found.dn)
        if _name(found.dn) != _name(person.dn):
            moved.append((person, found))
        if found.disabled and not person.disabled:
            disabled.append(found)
    appear = tuple(person for person in now if person.dn not in known)
    return Difference(appear, tuple(vanish), tuple(moved), tuple(disabled))


def _same(person: Person, by_guid: Mapping[str, Person], by_name: Mapping[object, Person]) -> Person | None:
    if person.guid and person.guid in by_guid:
        return by_guid[person.guid]
    found = by_name.get(_name(person.dn))
    if found is not None and person.guid and found.guid:
        # Another one has its name now.
        return None
    return found


def _name(dn: str) -> object:
    try:
        return key(parse(dn))
    except DNError:
        return dn
