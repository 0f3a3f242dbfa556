"""A preview as JSON and as CSV. Both hold names: files get mode 0600."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from gateway.tools.preview.census import KindCount, Mark
from gateway.tools.preview.comparison import Difference, Person
from gateway.tools.preview.preview import View

VERSION: Final = 1


class UnusableFile(Exception):
    """Not the JSON of a complete preview; the text says why."""


def as_object(view: View, made: str) -> dict[str, Any]:
    """What --json prints; made: when, in ISO 8601."""
    return {
        "version": VERSION,
        "made": made,
        "client": view.client,
        "account": view.account,
        "server": view.server,
        "complete": view.complete,
        "required_filter": view.filtered,
        "kinds_known": view.kinds_known,
        "bases": [
            {
                "base": base.base,
                "entries": base.entries,
                "pages": base.pages,
                "held_back": base.held_back,
                "excluded": list(base.excluded),
                "references_dropped": base.references_dropped,
                "problem": base.problem,
                "kinds": {kind.value: _count_object(count) for kind, count in base.kinds.items()},
            }
            for base in view.bases
        ],
        "attributes": {use.name: {kind.value: count for kind, count in use.holders.items()} for use in view.attributes},
        "never_filled": list(view.never_filled),
        "shared_addresses": {address: list(names) for address, names in view.shared.items()},
        "entries": [
            {
                "dn": seen.dn,
                "guid": seen.guid,
                "kind": seen.kind.value,
                "base": seen.base,
                "marks": [mark.value for mark in Mark if mark in marks],
            }
            for seen, marks in zip(view.seen, view.marks, strict=True)
        ],
    }


def _count_object(count: KindCount) -> dict[str, int | None]:
    return {"entries": count.entries, **{mark.value: number for mark, number in count.marks.items()}}


def as_csv(view: View) -> str:
    """One line an entry: names and marks, and no attribute's value."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(["base", "kind", "dn", "guid", *(mark.value for mark in Mark)])
    for seen, marks in zip(view.seen, view.marks, strict=True):
        # A DN begins with an attribute type, so that no spreadsheet takes it for a formula.
        marked = ["x" if mark in marks else "" for mark in Mark]
        rows.writerow([seen.base, seen.kind.value, seen.dn, seen.guid, *marked])
    return written.getvalue()


def write_private(path: Path, text: str) -> None:
    """Readable by its owner alone from the first moment; whole or not at all. Raises OSError."""
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        # NamedTemporaryFile creates with mode 0600.
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def read_people(path: Path, client: str) -> tuple[Person, ...]:
    """The entries of an earlier preview of the same client. Raises OSError and UnusableFile."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise UnusableFile(f"{path}: it is not JSON") from None
    if not isinstance(found, dict) or found.get("version") != VERSION or "entries" not in found:
        raise UnusableFile(f"{path}: it is not what `ldap-gateway preview --save` writes")
    if not found.get("complete"):
        raise UnusableFile(f"{path}: that preview was not complete, so nothing can be told from what it lacks")
    if found.get("client") != client:
        raise UnusableFile(f"{path}: it is of client {found.get('client')}, not of {client}")
    try:
        return tuple(
            Person(str(each["dn"]), str(each["guid"]), str(each["kind"]), Mark.disabled in each["marks"])
            for each in found["entries"]
        )
    except (KeyError, TypeError):
        raise UnusableFile(f"{path}: an entry in it is not what `ldap-gateway preview --save` writes") from None


def difference_object(difference: Difference) -> dict[str, Any]:
    return {
        "appear": [_person_object(each) for each in difference.appear],
        "vanish": [_person_object(each) for each in difference.vanish],
        "moved": [{"guid": now.guid, "before": then.dn, "now": now.dn} for then, now in difference.moved],
        "disabled": [_person_object(each) for each in difference.disabled],
    }


def _person_object(person: Person) -> dict[str, str]:
    return {"dn": person.dn, "guid": person.guid, "kind": person.kind}
