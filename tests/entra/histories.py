"""Histories of a tenant while it is copied: what happens there, what goes wrong on the way, and what has to be visible.

What is right is worked out here a second time, the slow way and from the tenant itself.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias
from uuid import UUID

from hypothesis import strategies as st

from gateway.demo.tenant.delta import Untidiness
from gateway.demo.tenant.mishaps import Fault, Mishap
from gateway.demo.tenant.model import Kind, TenantObject
from gateway.demo.tenant.wire import Asked
from gateway.entra.keeper import Keeper
from gateway.entra.store_file import open_for_reading
from gateway.entra.trouble import Passing, Stopped
from tests.entra.played import Played, attributes_of, uuid

# People, groups and contacts by their numbers.
PEOPLE, GROUPS, CONTACTS = range(1, 6), range(11, 15), range(21, 23)
NUMBERS = (*PEOPLE, *GROUPS, *CONTACTS)
NAMES = ("Ada", "Ada", "Björn, the 2nd", "#Ops", "", " x ", "a=b\\c")
# How often in a row one question is asked.
PATIENCE = 3


@dataclass(frozen=True)
class Act:
    """Something that happens in the tenant. what: the method of History. one, other: numbers of objects."""

    what: str
    one: int
    other: int


@dataclass(frozen=True)
class Round:
    """A round of the copy. disorder: the seed of how untidy Graph is. faults: what becomes of each answer in turn.
    meanwhile: what happens in the tenant before each answer in turn. restarts: whether another process makes it."""

    disorder: int
    faults: tuple[Mishap | None, ...] = ()
    meanwhile: tuple[Act | None, ...] = ()
    restarts: bool = False


Step: TypeAlias = Act | Round

# Each kind of act as often as it stands here.
ACTS = (
    "add", "add", "change", "change", "link", "link", "link", "unlink", "remove", "restore", "purge", "restore_unseen",
)  # fmt: skip
acts = st.builds(Act, st.sampled_from(ACTS), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
rounds = st.builds(
    Round,
    st.integers(0, 2**16),
    st.lists(st.none() | st.sampled_from(list(Mishap)), max_size=4).map(tuple),
    st.just(()) | st.lists(st.none() | acts, max_size=4).map(tuple),
    st.booleans(),
)
histories = st.lists(acts | acts | rounds, min_size=1, max_size=12)


def untidiness(seed: int) -> Untidiness:
    """0: as tidy as can be."""
    if seed == 0:
        return Untidiness()
    random = Random(seed)
    return Untidiness(
        page=random.choice([1, 2, 3, 200]),
        links=random.choice([1, 2, 500]),
        empty=random.choice([0.0, 0.5]),
        again=random.choice([0.0, 0.5]),
        stale=random.choice([0.0, 0.5]),
        removed=random.choice([0.0, 0.5]),
        replayed=random.choice([0, 1, 5, 50]),
        partial=random.choice([0.0, 0.5]),
        shuffled=random.random() < 0.5,
        implied=random.random() < 0.5,
    )


class History:
    """A tenant and its copy, to which steps happen one after the other. Its methods with the names of acts return
    whether the act was possible."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.tenant = played.tenant
        self.keeper: Keeper | None = None
        self.dns: dict[str, str] = {}
        # Whether somebody came back whom no delta query tells.
        self.unseen = False
        self.published = 0
        self._reader: sqlite3.Connection | None = None

    def populate(self) -> None:
        """Everybody is there from the beginning, with some links."""
        for number in NUMBERS:
            self.add(Act("add", number, number))
        for _ in range(6):
            source, target = self.played.random.choice([*PEOPLE, *GROUPS]), self.played.random.choice(NUMBERS)
            self.link(Act("link", source, target))

    def close(self) -> None:
        for each in (self.keeper, self._reader):
            if each is not None:
                each.close()

    def happen(self, step: Step) -> None:
        if isinstance(step, Act):
            self.act(step)
        else:
            self.round(step)

    def act(self, act: Act) -> bool:
        method: Callable[[Act], bool] = getattr(self, act.what)
        return method(act)

    def add(self, act: Act) -> bool:
        id = uuid(act.one)
        # What was removed for good never comes back under its id.
        if id in self.tenant.objects or id in self.dead:
            return False
        self.tenant.add(self.kind(act.one), id, self.properties(act))
        return True

    def change(self, act: Act) -> bool:
        if not self.is_present(act.one):
            return False
        self.tenant.change(uuid(act.one), self.properties(act))
        return True

    def link(self, act: Act) -> bool:
        if not (self.is_present(act.one) and self.is_present(act.other)) or act.one == act.other:
            return False
        if act.one in CONTACTS or (act.one in PEOPLE and act.other not in PEOPLE):
            return False
        self.tenant.link(uuid(act.one), uuid(act.other))
        return True

    def unlink(self, act: Act) -> bool:
        if not self.is_present(act.one) or uuid(act.other) not in self.tenant.links.get(uuid(act.one), {}):
            return False
        self.tenant.unlink(uuid(act.one), uuid(act.other))
        return True

    def remove(self, act: Act) -> bool:
        if not self.is_present(act.one):
            return False
        self.tenant.remove(uuid(act.one))
        return True

    def restore(self, act: Act) -> bool:
        found = self.tenant.objects.get(uuid(act.one))
        if found is None or found.removed is None:
            return False
        self.tenant.restore(found.id)
        return True

    def restore_unseen(self, act: Act) -> bool:
        found = self.tenant.objects.get(uuid(act.one))
        if found is None or found.removed is None:
            return False
        self.tenant.restore(found.id, reported=False)
        self.unseen = True
        return True

    def purge(self, act: Act) -> bool:
        if uuid(act.one) not in self.tenant.objects:
            return False
        self.tenant.purge(uuid(act.one))
        self.dead.add(uuid(act.one))
        return True

    @property
    def dead(self) -> set[str]:
        found: set[str] = self.__dict__.setdefault("_dead", set())
        return found

    def kind(self, number: int) -> Kind:
        return Kind.users if number in PEOPLE else Kind.groups if number in GROUPS else Kind.contacts

    def is_present(self, number: int) -> bool:
        found = self.tenant.objects.get(uuid(number))
        return found is not None and found.removed is None

    def properties(self, act: Act) -> dict[str, object]:
        """Properties that depend on both numbers; some are null, and some are not there."""
        random = Random(act.one * 100 + act.other + len(self.tenant.journal))
        made: dict[str, object] = {
            "displayName": random.choice(NAMES),
            "mailNickname": random.choice(["n1", "n2", None]),
        }
        if random.random() < 0.7:
            made["mail"] = random.choice(["a@x.example", "ä@x.example", None])
        if act.one in PEOPLE:
            made["accountEnabled"] = random.random() < 0.8
            made["userType"] = random.choice(["Member", "Member", "Guest", None])
        elif act.one in GROUPS:
            made["mailEnabled"] = random.random() < 0.5
            made["securityEnabled"] = random.random() < 0.5
        return made

    def round(self, step: Round) -> None:
        """Makes a round, and checks what is visible at each question and at its end."""
        self.played.time.seconds += 600
        if step.restarts and self.keeper is not None:
            self.keeper.close()
            self.keeper = None
        if self.keeper is None:
            self.keeper = self.played.keeper(PATIENCE)
        before, resumes = self.visible(), self.is_staged()
        faults, meanwhile = iter(step.faults), iter(step.meanwhile)
        acted = False

        def fault(asked: Asked) -> Fault | None:
            nonlocal acted
            # All but the lists of ids are asked before the publish.
            if "$select=id" not in asked.target:
                assert self.visible() == before
            act = next(meanwhile, None)
            if act is not None:
                acted |= self.act(act)
            mishap = next(faults, None)
            return None if mishap is None else Fault(mishap, "0.5" if mishap is Mishap.throttled else None)

        self.played.graph.behaviour.untidy = untidiness(step.disorder)
        self.played.graph.behaviour.fault = fault
        runs = len(self.ended())
        try:
            self.keeper.once()
        except (Passing, Stopped):
            # Where the lists of ids failed, a copy has been published before.
            if len(self.ended()) == runs:
                assert self.visible() == before
                return
        finally:
            self.played.graph.behaviour.fault = lambda asked: None
        self.published += 1
        if not acted and not resumes and not self.unseen:
            self.check()

    def ended(self) -> Sequence[object]:
        """The rounds that became visible."""
        reader = self.reader()
        if reader is None:
            return ()
        return reader.execute("SELECT number FROM run WHERE outcome = 'published'").fetchall()

    def is_staged(self) -> bool:
        """Whether a round is under way, which shows the tenant as it was."""
        reader = self.reader()
        return reader is not None and bool(reader.execute("SELECT 1 FROM meta WHERE key = 'staged'").fetchall())

    def settle(self) -> None:
        """Rounds without any trouble, and where somebody came back unseen the looks that find out."""
        for seconds in (0, 3700, 3700, 0) if self.unseen else (0,) * (1 + self.is_staged()):
            self.played.time.seconds += seconds
            self.round(Round(0))
        self.check()

    def reader(self) -> sqlite3.Connection | None:
        if self._reader is None and self.played.settings.store.exists():
            self._reader = open_for_reading(self.played.settings.store)
        return self._reader

    def visible(self) -> list[tuple[str, bytes]]:
        """Every octet that is visible."""
        reader = self.reader()
        if reader is None:
            return []
        try:
            return reader.execute("SELECT dn, attributes FROM entry ORDER BY dn").fetchall()
        except sqlite3.OperationalError:
            return []

    def check(self) -> None:
        """What is visible is the tenant, and everybody has the name that they always had."""
        found = {dn: attributes_of(octets) for dn, octets in self.visible()}
        ids = {dn: str(UUID(bytes_le=attributes["objectGUID"][0])) for dn, attributes in found.items()}
        objects = {ids[dn]: dn for dn in found if dn.startswith("CN=")}
        present = {each.id: each for each in self.present()}
        assert objects.keys() == present.keys()
        logins = Counter(
            each.properties["mailNickname"]
            for each in present.values()
            if each.kind is not Kind.contacts and each.properties.get("mailNickname")
        )
        for each in present.values():
            dn = objects[each.id]
            name = self.dns.setdefault(each.id, dn.split(",OU=")[0])
            assert dn == f"{name},OU={container(each)},DC=corp,DC=example"
            attributes = found[dn]
            told: dict[str, list[object]] = {name: list(attributes.get(name, [])) for name in _COMPARED}
            for name in ("member", "memberOf", "manager"):
                told[name] = _sorted(ids[value.decode()] for value in attributes.get(name, []))
            assert told == self.true(each, present, logins), each.id

    def present(self) -> list[TenantObject]:
        return [each for each in self.tenant.objects.values() if each.removed is None and self.is_shown(each)]

    def is_shown(self, found: TenantObject) -> bool:
        if found.kind is Kind.contacts and not self.played.settings.copy.contacts:
            return False
        return self.played.settings.copy.guests or found.properties.get("userType") != "Guest"

    def true(
        self, found: TenantObject, present: dict[str, TenantObject], logins: Counter[str]
    ) -> dict[str, list[object]]:
        """What the entry of an object has to be. logins: how many would have each sAMAccountName."""
        properties, kind = found.properties, found.kind
        targets = _sorted(id for id in self.tenant.links.get(found.id, {}) if id in present)
        login = properties.get("mailNickname")
        is_enabled, is_security = properties.get("accountEnabled"), properties.get("securityEnabled")
        return {
            "displayName": _text(properties.get("displayName")),
            "mail": _text(properties.get("mail")),
            "sAMAccountName": _text(login) if kind is not Kind.contacts and logins[str(login)] == 1 else [],
            "userAccountControl": [b"512" if is_enabled else b"514"] if kind is Kind.users else [],
            "groupType": [b"-2147483640" if is_security else b"8"] if kind is Kind.groups else [],
            "member": targets if kind is Kind.groups else [],
            "manager": targets if kind is Kind.users else [],
            "memberOf": _sorted(
                id
                for id, members in self.tenant.links.items()
                if found.id in members and id in present and present[id].kind is Kind.groups
            ),
        }


def container(found: TenantObject) -> str:
    """The OU that an object belongs to."""
    if found.kind is Kind.users:
        return "Guests" if found.properties.get("userType") == "Guest" else "Users"
    return "Groups" if found.kind is Kind.groups else "Contacts"


_COMPARED = ("displayName", "mail", "sAMAccountName", "userAccountControl", "groupType")


def _sorted(ids: Iterable[str]) -> list[object]:
    return [*sorted(ids)]


def _text(value: object) -> list[object]:
    return [value.encode()] if isinstance(value, str) and value else []
