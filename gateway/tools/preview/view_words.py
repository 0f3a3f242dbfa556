"""What a preview found, as rows and sentences; and as plain text, where no terminal draws tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from gateway.ldap.kinds import Kind
from gateway.tools.preview.census import MARKS, KindCount, Mark
from gateway.tools.preview.comparison import Difference, Person
from gateway.tools.preview.preview import BaseView, View

KIND_NAMES: Final = {
    Kind.user: "users",
    Kind.group: "groups",
    Kind.contact: "contacts",
    Kind.computer: "computers",
    Kind.container: "containers",
    Kind.other: "others",
}
# Those that a sync is about have a line even where there are none.
_ALWAYS: Final = (Kind.user, Kind.group, Kind.contact)

# How many names one list shows.
SHOWN: Final = 10

NOT_TOLD: Final = "-"


def title(view: View) -> str:
    return f"client {view.client}, signed in as {view.account} at {view.server}"


def kinds_of(base: BaseView) -> list[tuple[Kind, KindCount]]:
    return [(kind, base.kinds.get(kind, KindCount())) for kind in Kind if kind in _ALWAYS or kind in base.kinds]


def cell(count: KindCount, mark: Mark) -> str:
    number = count.marks.get(mark)
    return NOT_TOLD if number is None else f"{number:,}"


def heading(base: BaseView) -> str:
    pages = f" in {base.pages:,} page{'s' if base.pages != 1 else ''}" if base.pages else ""
    return f"{base.base}: {base.entries:,} entr{'ies' if base.entries != 1 else 'y'}{pages}"


def remarks(base: BaseView, view: View) -> list[str]:
    """What the figures do not say: what is not there, and why."""
    said = []
    if base.problem:
        said.append(f"NOT COMPLETE: {base.problem}")
    if base.held_back:
        inside = f": inside excluded_base_dns {'  '.join(base.excluded)}" if base.excluded else ": outside base_dns"
        said.append(f"{base.held_back:,} held back{inside}")
    if base.references_dropped:
        said.append(f"{base.references_dropped:,} references to other servers dropped")
    if not base.entries and not base.problem:
        said.append("nothing: is it the right container, and may the account read what is in it?")
    if view.filtered:
        said.append("what required_filter leaves out cannot be counted: the server does not even give it")
    return said


def closing(view: View) -> list[str]:
    """What holds for all of it."""
    said = []
    if view.never_filled:
        said.append(
            f"never filled: {', '.join(view.never_filled)}: nobody has them, or the account may not read them; "
            "`ldap-gateway doctor` looks them up in the schema"
        )
    if not view.kinds_known:
        said.append("objectClass is neither listed nor usable in filters: nobody can tell users from groups")
    for mark, (kinds, names) in MARKS.items():
        if any(kind in kinds and _untold(base, kind, mark) for base in view.bases for kind in base.kinds):
            said.append(f"{mark}: cannot be told, because clients.{view.client}.attributes has no {' or '.join(names)}")
    return said


def _untold(base: BaseView, kind: Kind, mark: Mark) -> bool:
    return base.kinds[kind].marks.get(mark) is None


def shared_heading(view: View) -> str:
    return f"{len(view.shared):,} address{'es' if len(view.shared) != 1 else ''} of several entries"


def shared(view: View) -> list[str]:
    """The addresses that several entries have, the first SHOWN of them."""
    return _first(SHOWN, [f"{address}: {'  '.join(_first(3, names))}" for address, names in view.shared.items()])


def difference(found: Difference) -> list[tuple[str, list[str]]]:
    """Headings, and the names below them."""
    lists = [
        ("would appear", sorted(map(_person, found.appear))),
        ("would vanish", sorted(map(_person, found.vanish))),
        ("would be disabled", sorted(map(_person, found.disabled))),
        ("would move", sorted(f"{then.dn} -> {now.dn}" for then, now in found.moved)),
    ]
    said = [(f"{len(names):,} {what}", _first(SHOWN, names)) for what, names in lists if names]
    return said or [("nothing would change", [])]


def _person(person: Person) -> str:
    return f"{person.kind} {person.dn}"


def _first(most: int, names: Sequence[str]) -> list[str]:
    more = len(names) - most
    return [*names[:most], f"and {more:,} more"] if more > 0 else list(names)


def lines(view: View) -> Iterable[str]:
    """The whole preview as plain text."""
    yield title(view)
    for base in view.bases:
        yield ""
        yield heading(base)
        header = ["", "entries", *(mark.value for mark in Mark)]
        rows = [
            [KIND_NAMES[kind], f"{count.entries:,}", *(cell(count, mark) for mark in Mark)]
            for kind, count in kinds_of(base)
        ]
        yield from aligned([header, *rows])
        yield from (f"  {said}" for said in remarks(base, view))
    yield ""
    yield from aligned(
        [["attribute", "entries"], *([use.name, f"{use.entries:,}"] for use in view.attributes)],
    )
    if view.shared:
        yield ""
        yield shared_heading(view)
        yield from (f"  {line}" for line in shared(view))
    said = closing(view)
    if said:
        yield ""
        yield from said


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns in line: the first to the left, the others to the right."""
    first, *others = zip(*rows, strict=True)
    columns = [_padded(first, str.ljust), *(_padded(column, str.rjust) for column in others)]
    return ["  " + "  ".join(row) for row in zip(*columns, strict=True)]


def _padded(column: Sequence[str], justify: Callable[[str, int], str]) -> list[str]:
    width = max(map(len, column))
    return [justify(text, width) for text in column]
