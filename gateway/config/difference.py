"""What one configuration has and another has not, in words for an administrator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.config.effective import Effective

# What a reload leaves as it is until the next start.
FROM_THE_NEXT_START: Final = ("admin", "state_dir")

# Lists whose order means something.
_ORDERED: Final = frozenset({"servers"})

# Where the sessions of a client come from.
_WHENCE: Final = frozenset({"sources", "links"})

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_NAMED: Final = r"(\.[A-Za-z0-9_-]+|\[[^]]*\])"
_CLIENT: Final = re.compile(f"clients{_NAMED}")
_LINK: Final = re.compile(f"links{_NAMED}")
_PINNED: Final = re.compile(rf"links{_NAMED}\.(agents|hosts){_NAMED}")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two configurations.

    path: of the key, like `clients.mimecast.attributes`; names of other characters in brackets. what: in words. note:
    what else there is to know, "" for nothing.
    """

    path: str
    what: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.what} ({self.note})" if self.note else f"{self.path}: {self.what}"


def differences(old: Effective, new: Effective) -> list[Change]:
    """In the order of the keys; blocks that are gone last in theirs. Secrets are told to have changed, and not how."""
    return list(_compare("", old, new))


def _compare(path: str, old: Effective, new: Effective) -> Iterator[Change]:
    for key in [*new, *(key for key in old if key not in new)]:
        at = _join(path, key)
        before, after = old.get(key), new.get(key)
        if before == after and (key in old) == (key in new):
            continue
        if _is_mark(before) or _is_mark(after):
            yield Change(at, _secret(before, after))
        elif isinstance(after, dict) and isinstance(before, dict):
            yield from _compare(at, before, after)
        elif isinstance(after, dict) or isinstance(before, dict):
            yield _block(at, before, after)
        elif isinstance(before, list) and isinstance(after, list):
            yield from _lists(at, key, before, after)
        elif before != after:
            yield Change(at, f"{_word(before)} -> {_word(after)}", _cut_off(at, after) or _start(at))


def _cut_off(path: str, after: Any) -> str:
    return "it is cut off, with its sessions" if after is None and _PINNED.fullmatch(path) else ""


def _block(path: str, before: Any, after: Any) -> Change:
    """A block on one side only; the other has none, or another value in its place."""
    if before is None:
        return Change(path, "added", _start(path))
    if after is not None:
        return Change(path, f"{_word(before)} -> {_word(after)}", _start(path))
    note = _start(path)
    if _CLIENT.fullmatch(path):
        note = "its sessions end within drain_timeout"
    elif path.startswith("listeners["):
        note = "its socket is closed, and sessions from there go on"
    elif _LINK.fullmatch(path):
        note = "its sessions end at once"
    return Change(path, "removed", note)


def _lists(path: str, key: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    # There may be many thousands of sources.
    old, new = dict.fromkeys(map(_word, before)), dict.fromkeys(map(_word, after))
    added = [f"+ {item}" for item in new if item not in old]
    removed = [f"- {item}" for item in old if item not in new]
    if added or removed:
        leaves = removed and key in _WHENCE and _CLIENT.match(path)
        note = "sessions from there end within drain_timeout" if leaves else _start(path)
        yield Change(path, ", ".join(added + removed), note)
    elif key in _ORDERED:
        yield Change(path, f"in another order: {', '.join(new)}")


def _is_mark(value: Any) -> bool:
    """Whether this is the mark of a secret, or of a file with one."""
    return isinstance(value, dict) and (value.keys() == {"secret"} or value.keys() == {"file", "written"})


def _secret(before: Any, after: Any) -> str:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    if before.get("file") != after.get("file"):
        return f"{_word(before.get('file'))} -> {_word(after.get('file'))}"
    return "changed" if "secret" in after else f"{after['file']} has been written since"


def _start(path: str) -> str:
    of_start = any(path == key or path.startswith((f"{key}.", f"{key}[")) for key in FROM_THE_NEXT_START)
    return "from the next start on" if of_start else ""


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return "a block of its own"
    if isinstance(value, list):
        return ", ".join(map(_word, value)) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def _join(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}.{key}" if _PLAIN.fullmatch(key) else f"{path}[{key}]"
