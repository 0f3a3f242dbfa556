"""How a round that has ended becomes visible: verified, with its links resolved, in one transaction or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, Final

from gateway.entra import figures
from gateway.entra.database import FIGURES, LAST_FULL, MAPPING, STAGED, SUCCEEDED, VISIBLE, Meta, id_text, read_document
from gateway.entra.entries import Attributes, EntryMaker, Links, generalized_seconds
from gateway.entra.mapping import WHEN_CHANGED
from gateway.entra.names import (
    DIGITS,
    Container,
    common_name,
    container_dn,
    container_of,
    digits_of,
    entry_dn,
    plain_name,
)
from gateway.entra.properties import Collection
from gateway.entra.published import CopyError, PublishedEntry, note_success, replace_all, write_entries
from gateway.entra.staging import RoundKind, Staged, Staging
from gateway.entra.trouble import Stopped
from gateway.entra.wanted import Wanted
from gateway.state.sqlite_file import transaction

_AFFECTED: Final = "CREATE TEMP TABLE IF NOT EXISTS affected (number INTEGER PRIMARY KEY)"
# Whose entries a round may change: whom it tells, and both ends of each link that it tells.
_TOLD: Final = (
    "INSERT OR IGNORE INTO affected SELECT number FROM object WHERE generation = :staged",
    "INSERT OR IGNORE INTO affected SELECT source FROM link WHERE generation = :staged",
    "INSERT OR IGNORE INTO affected SELECT target FROM link WHERE generation = :staged",
)
# The changes of an overlay, made to the generation that it lies over.
_MERGE: Final = (
    """DELETE FROM object WHERE generation = :visible
       AND number IN (SELECT number FROM object WHERE generation = :staged)""",
    """INSERT INTO object SELECT :visible, number, collection, removed, document FROM object
       WHERE generation = :staged AND removed < 2""",
    """DELETE FROM link WHERE generation = :visible AND (source, target) IN
       (SELECT source, target FROM link WHERE generation = :staged AND NOT present)""",
    """INSERT OR IGNORE INTO link SELECT :visible, source, target, 1 FROM link
       WHERE generation = :staged AND present""",
)
# Links of what does not come back; those of others wait for it.
_DROP_LINKS: Final = """
DELETE FROM link WHERE generation = :visible
AND source IN (SELECT number FROM object WHERE generation = :staged AND removed = 2)
"""
_NEIGHBOURS: Final = (
    "INSERT OR IGNORE INTO affected SELECT source FROM link WHERE generation = ? AND target = ?",
    "INSERT OR IGNORE INTO affected SELECT target FROM link WHERE generation = ? AND source = ?",
)
_SHOW: Final = """
INSERT INTO shown (number, collection, container, dn, mail, login) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET collection = excluded.collection, container = excluded.container, dn = excluded.dn,
    mail = excluded.mail, login = excluded.login
"""
_TARGETS: Final = """
SELECT dn FROM link JOIN shown ON number = target WHERE generation = ? AND source = ? AND dn IS NOT NULL ORDER BY target
"""
_SOURCES: Final = """
SELECT dn FROM link JOIN shown ON number = source
WHERE generation = ? AND target = ? AND dn IS NOT NULL AND collection = 'groups' ORDER BY source
"""
# A part of the entries, those with higher numbers: nothing is read any more while something is written.
_ENTRIES: Final = """
SELECT shown.number, shown.collection, id, cn, dn, login, digest, changed_at, document
FROM {} JOIN object ON object.generation = :visible AND object.number = shown.number
JOIN name ON name.number = shown.number
WHERE dn IS NOT NULL AND shown.number > :above ORDER BY shown.number LIMIT 500
"""
_ALL: Final = _ENTRIES.format("shown")
_CHANGED: Final = _ENTRIES.format("affected JOIN shown ON shown.number = affected.number")


class Held(Exception):
    """The copy must not become visible before somebody has accepted it. The text says why and what to do."""


class Publisher:
    """Makes a staged round visible."""

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted, staging: Staging, keep_at_least: int) -> None:
        """keep_at_least: per cent, see gateway/entra/figures.py."""
        self._connection = connection
        self._wanted = wanted
        self._staging = staging
        self._keep_at_least = keep_at_least
        self._meta = Meta(connection)
        self._maker = EntryMaker(wanted)
        self._above = {each: str(container_dn(wanted.settings.base_dn, each)) for each in Container}

    def publish(self, staged: Staged, people: int | None, now: float) -> None:
        """people: how many Graph counts; None where the copy was accepted, whatever its figures. Raises Held or
        Stopped, and then nothing has changed."""
        with _reporting(), transaction(self._connection):
            self._connection.execute(_AFFECTED)
            self._connection.execute("DELETE FROM affected")
            if staged.base is None:
                self._take(staged)
            else:
                self._merge(staged, staged.base)
            self._verify(people)
            visible = int(self._meta.get(VISIBLE) or 0)
            if staged.base is None:
                replace_all(self._connection, self._all(visible, now))
            else:
                write_entries(self._connection, self._entries(_CHANGED, visible, now), self._hidden())
            self._finish(staged, visible, now)
        self._staging.clean()

    def show_again(self, now: float) -> None:
        """Writes all entries of the visible generation anew, where the tables that show them have lost them."""
        with _reporting(), transaction(self._connection):
            replace_all(self._connection, self._all(int(self._meta.get(VISIBLE) or 0), now))
            note_success(self._connection, int(self._meta.get(SUCCEEDED) or 0))

    def _take(self, staged: Staged) -> None:
        """A whole new generation takes the place of the visible one."""
        number = (staged.generation,)
        if self._meta.get(MAPPING) != self._wanted.digest:
            self._connection.execute("DELETE FROM shown")
            self._meta.set(FIGURES, None)
        self._connection.execute("DELETE FROM object WHERE generation = ? AND removed > 0", number)
        self._connection.execute("DELETE FROM link WHERE generation = ? AND NOT present", number)
        self._connection.execute(
            "DELETE FROM shown WHERE number NOT IN (SELECT number FROM object WHERE generation = ?)", number
        )
        for row in self._connection.execute("SELECT number FROM object WHERE generation = ?", number).fetchall():
            self._show(staged.generation, row[0])
        self._meta.set(VISIBLE, str(staged.generation))

    def _merge(self, staged: Staged, visible: int) -> None:
        generations = {"staged": staged.generation, "visible": visible}
        for statement in (*_TOLD, *_MERGE):
            self._connection.execute(statement, generations)
        moved = []
        told = self._connection.execute("SELECT number FROM object WHERE generation = ?", (staged.generation,))
        for (number,) in told.fetchall():
            if self._show(visible, number):
                moved.append((visible, number))
        for statement in _NEIGHBOURS:
            self._connection.executemany(statement, moved)
        self._connection.execute(_DROP_LINKS, generations)

    def _show(self, visible: int, number: int) -> bool:
        """Notes what is shown of the object from now on; returns whether its name has come, gone or changed."""
        old = self._connection.execute("SELECT dn, login FROM shown WHERE number = ?", (number,)).fetchone()
        old_dn, old_login = old or (None, None)
        row = self._connection.execute(
            "SELECT collection, document FROM object WHERE generation = ? AND number = ? AND NOT removed",
            (visible, number),
        ).fetchone()
        if row is None:
            self._connection.execute("DELETE FROM shown WHERE number = ?", (number,))
            dn = login = None
        else:
            collection, document = Collection(row[0]), read_document(row[1])
            container = container_of(collection, document)
            dn = login = None
            if self._wanted.shows(collection, document):
                dn = entry_dn(self._name(number, document), self._above[container])
                login = self._wanted.login_name(collection, document)
            mail = dn is not None and "mail" in document
            self._connection.execute(_SHOW, (number, collection, container, dn, mail, login))
        if old_login != login:
            self._touch_login(old_login)
            self._touch_login(login)
        return bool(old_dn != dn)

    def _touch_login(self, login: str | None) -> None:
        """Two who would have the same sAMAccountName have none, so that one who comes or goes changes the other."""
        if login is not None:
            self._connection.execute(
                "INSERT OR IGNORE INTO affected SELECT number FROM shown WHERE login = ?", (login,)
            )

    def _name(self, number: int, document: dict[str, Any]) -> str:
        """The object's CN, which it gets once."""
        id, cn = self._connection.execute("SELECT id, cn FROM name WHERE number = ?", (number,)).fetchone()
        if cn is not None:
            return str(cn)
        text = id_text(id)
        for length in DIGITS:
            digits = digits_of(text, length)
            if self._connection.execute("SELECT 1 FROM name WHERE digits = ?", (digits,)).fetchone() is None:
                break
        cn = common_name(plain_name(document), digits)
        self._connection.execute("UPDATE name SET digits = ?, cn = ? WHERE number = ?", (digits, cn, number))
        return cn

    def _verify(self, people: int | None) -> None:
        after = self._figures()
        if people is not None:
            (held,) = self._connection.execute(
                "SELECT count(*) FROM shown WHERE collection = ?", (Collection.users,)
            ).fetchone()
            before = figures.read(self._meta.get(FIGURES))
            found = figures.objection(before, after, held, people, self._keep_at_least)
            if found is not None:
                raise Held(found)
        self._meta.set(FIGURES, figures.written(after))

    def _figures(self) -> dict[str, int]:
        found = {}
        for container, number, mail in self._connection.execute(
            "SELECT container, count(*), sum(mail) FROM shown WHERE dn IS NOT NULL GROUP BY container"
        ):
            found[container.lower()] = number
            found[container.lower() + figures.WITH_MAIL] = mail
        visible = int(self._meta.get(VISIBLE) or 0)
        (links,) = self._connection.execute("SELECT count(*) FROM link WHERE generation = ?", (visible,)).fetchone()
        found[figures.LINKS] = links
        return found

    def _all(self, visible: int, now: float) -> Iterator[PublishedEntry]:
        for id, (dn, attributes) in self._maker.containers().items():
            yield PublishedEntry(id, dn, attributes)
        yield from self._entries(_ALL, visible, now)

    def _hidden(self) -> list[str]:
        """The ids of all whom the round may have hidden."""
        rows = self._connection.execute(
            "SELECT id FROM affected JOIN name USING (number) LEFT JOIN shown USING (number) WHERE dn IS NULL"
        )
        return [id_text(row[0]) for row in rows]

    def _entries(self, statement: str, visible: int, now: float) -> Iterator[PublishedEntry]:
        above = 0
        while rows := self._connection.execute(statement, {"visible": visible, "above": above}).fetchall():
            for row in rows:
                yield self._entry(row, visible, now)
            above = rows[-1][0]

    def _entry(self, row: tuple[Any, ...], visible: int, now: float) -> PublishedEntry:
        number, collection, octets, cn, dn, login, digest, changed_at, document = row
        id, links = id_text(octets), self._links(visible, number, collection)
        attributes = self._maker.make(Collection(collection), id, read_document(document), cn, dn, links)
        if login is not None and self._twice(login):
            attributes.pop("sAMAccountName", None)
        if self._wanted.with_when_changed:
            found = _digest(attributes)
            if found != digest:
                changed_at = int(now)
                self._connection.execute(
                    "UPDATE shown SET digest = ?, changed_at = ? WHERE number = ?", (found, changed_at, number)
                )
            attributes[WHEN_CHANGED] = (generalized_seconds(changed_at),)
        return PublishedEntry(id, dn, attributes)

    def _links(self, visible: int, number: int, collection: str) -> Links:
        manager: list[bytes] = []
        members: list[bytes] = []
        member_of: list[bytes] = []
        if collection == Collection.users and self._wanted.with_manager:
            manager = self._dns(_TARGETS, visible, number)
        if collection == Collection.groups and self._wanted.with_member:
            members = self._dns(_TARGETS, visible, number)
        if self._wanted.with_member_of:
            member_of = self._dns(_SOURCES, visible, number)
        return Links(manager, members, member_of)

    def _dns(self, statement: str, visible: int, number: int) -> list[bytes]:
        return [row[0].encode() for row in self._connection.execute(statement, (visible, number))]

    def _twice(self, login: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM shown WHERE login = ? LIMIT 2", (login,)).fetchall()
        return len(found) > 1

    def _finish(self, staged: Staged, visible: int, now: float) -> None:
        if visible != staged.generation:
            self._connection.execute("DELETE FROM cursor WHERE generation = ?", (visible,))
            self._connection.execute(
                "UPDATE cursor SET generation = ? WHERE generation = ?", (visible, staged.generation)
            )
        self._meta.set(STAGED, None)
        self._meta.set(MAPPING, self._wanted.digest)
        self._meta.set(SUCCEEDED, str(int(now)))
        note_success(self._connection, int(now))
        self._staging.note_end("published", now)
        if staged.kind is RoundKind.full:
            self._meta.set(LAST_FULL, str(now))
            self._excuse()

    def _excuse(self) -> None:
        """Ids that lists have, and that not even a whole new copy has, cause no other one."""
        self._connection.execute("DELETE FROM missing WHERE id IN (SELECT id FROM name JOIN shown USING (number))")
        self._connection.execute("UPDATE missing SET excused = 1")


@contextmanager
def _reporting() -> Iterator[None]:
    """Raises Stopped for an entry that the tables of the visible copy do not take."""
    try:
        yield
    except CopyError as error:
        raise Stopped(
            f"the new copy cannot be shown, and the one from before stays: {error}; please report it"
        ) from None


def _digest(attributes: Attributes) -> bytes:
    digest = blake2b(digest_size=16)
    for name, values in attributes.items():
        digest.update(f"{name} {[len(value) for value in values]}".encode())
        digest.update(b"".join(values))
    return digest.digest()
