"""DNs that somebody typed without escaping them, put right where the names that the configuration knows leave no
doubt of what is meant.

A reading is never an answer by itself: whoever asks judges it as he judges a DN that came in its right spelling.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.ldap.attribute_types import canonical_type
from gateway.ldap.dn import AVA, DN, RDN, DNError, Key, key, parse, rdn_key
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import LoginName
from gateway.policy.settings import ClientPolicy
from gateway.policy.unescaped import NAMING_TYPES, TYPE_CHARACTERS, Readings, Unescaped, spellings

# Longer spellings are no help to anybody, in a diagnostic message or in an audit record.
_MOST_SHOWN = 1024
# People type names of some hundred characters; one made to be hard costs several ms a kilobyte.
MOST_CHARACTERS = 1024


class Budget(Protocol):
    """What may still be read by whoever asks for it, over all that he asks."""

    def take(self, characters: int) -> bool:
        """Whether so many characters of a name may be read now; they are taken then."""

    def setting(self) -> str:
        """The key of the limit."""


def mending_setting(has_account: bool) -> str:
    """The key of the limit for names without their escapes. has_account: somebody is bound by name."""
    return "limits.mending_per_account" if has_account else "limits.mending_per_source"


class BudgetSpent(Exception):
    """Too many characters of names have come that lack their escapes. This one was not read. setting: the key of the
    limit."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        self.setting = setting


@dataclass(frozen=True, slots=True)
class _KnownRDN:
    """An RDN of a configured name. avas: canonical type and folded value of each."""

    avas: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(slots=True)
class _Node:
    """A place in the tree of configured names.

    dn: a configured name, or one above it, in the configured spelling. below: by the RDN that comes next.
    """

    dn: DN
    below: dict[frozenset[tuple[str, str]], tuple[_KnownRDN, _Node]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Match:
    """The part of a text that a configured name explains.

    known: the name that the end of a text spells. rest: the text before it, None for nothing. at: where in the text as
    it came the rest ends, -1 for nothing.
    """

    known: DN
    rest: str | None
    at: int


class KnownNames:
    """The names that a configuration has in it, to be found at the end of a text whatever its escapes are."""

    def __init__(self, names: Iterable[DN]) -> None:
        self._root = _Node(DN(()))
        types = set(NAMING_TYPES)
        for name in names:
            self._add(name)
            types.update(canonical_type(ava.type) for rdn in name.rdns for ava in rdn)
        self._types = frozenset(types)

    def _add(self, name: DN) -> None:
        node = self._root
        for count in range(1, len(name.rdns) + 1):
            rdn = name.rdns[-count]
            known = _known(rdn)
            if known is None:
                return
            node = node.below.setdefault(rdn_key(rdn), (known, _Node(DN(name.rdns[-count:]))))[1]

    def readings(self, text: str, budget: Budget | None = None) -> tuple[DN, ...]:
        """What a text may mean; empty where it means no DN. Raises BudgetSpent. budget: None for any.

        The known name that explains most of the text is taken for that part of it, in its configured spelling. What
        is left must parse, or be split where a type and `=` follow a comma. Takes time in proportion to the lengths
        of the text and of the known names; gives no more than sixteen readings, unless known names differ in nothing
        but their escapes.
        """
        if len(text) > MOST_CHARACTERS or "\0" in text or "=" not in text or text.lstrip().startswith("<"):
            # AD's <GUID=...>, <SID=...> and <WKGUID=...> are no DNs here (gateway/ldap/dn).
            return ()
        if budget is not None and not budget.take(len(text)):
            raise BudgetSpent(budget.setting())
        found: dict[Key, DN] = {}
        settled: set[DN] = set()
        rests = _Rests(self._types)
        for match in self._longest(_trimmed(text)):
            if match.known in settled:
                continue
            strictly = rests.strictly(match.rest)
            if strictly is not None:
                # The text's own spelling comes first, and where that is right no other one is tried.
                settled.add(match.known)
            for rdns in [strictly] if strictly is not None else rests.read(match.rest or ""):
                reading = DN(rdns + match.known.rdns)
                if key(reading) not in found and _is_valid(reading):
                    found[key(reading)] = reading
        return tuple(found.values())

    def _longest(self, text: str) -> list[_Match]:
        longest: list[_Match] = []
        for typed, origins in spellings(text):
            for match in self._matches(typed, origins):
                if longest and match.at > longest[0].at:
                    continue
                if longest and match.at < longest[0].at:
                    longest = []
                if match not in longest:
                    longest.append(match)
        return longest

    def _matches(self, typed: Unescaped, origins: list[int]) -> Iterator[_Match]:
        """Known names at the end of the text; the root is always one."""
        folded = _Folded(typed)
        yield _Match(self._root.dn, typed.text, origins[-1] + 1)
        waiting = [(self._root, len(folded.characters))]
        while waiting:
            node, end = waiting.pop()
            for rdn, below in node.below.values():
                start = folded.match_rdn(rdn, end)
                if start is None:
                    continue
                if start == 0:
                    yield _Match(below.dn, None, -1)
                elif folded.separates(start - 1):
                    cut = folded.starts[start - 1]
                    yield _Match(below.dn, typed.text[:cut], origins[cut])
                    waiting.append((below, folded.before_blank(start - 1)))


class _Rests:
    """What is before the known names at the end of one text, read once however many known names are found there."""

    def __init__(self, types: frozenset[str]) -> None:
        self._readings = Readings(types)
        self._strict: dict[str, tuple[RDN, ...] | None] = {}
        self._read: dict[str, list[tuple[RDN, ...]]] = {}

    def strictly(self, rest: str | None) -> tuple[RDN, ...] | None:
        """What a rest is by RFC 4514; None where it is nothing by that. rest: None for nothing."""
        if rest is None:
            return ()
        if rest not in self._strict:
            self._strict[rest] = _strict_rdns(rest)
        return self._strict[rest]

    def read(self, rest: str) -> list[tuple[RDN, ...]]:
        if rest not in self._read:
            found = [rdns for typed, _ in spellings(rest) for rdns in self._readings.read(typed)]
            self._read[rest] = list(dict.fromkeys(found))
        return self._read[rest]


def known_names(policy: ClientPolicy) -> KnownNames:
    """Every name in a client's configuration and its directory's."""
    accounts = [name for name in map(read_bind_name, policy.sync_accounts) if isinstance(name, DN)]
    return KnownNames(
        (
            *policy.base_dns,
            *policy.login_base_dns,
            *policy.excluded_base_dns,
            *accounts,
            *policy.naming_contexts,
        )
    )


class _Folded:
    """An unescaped text in the form in which names are compared: lower case, decomposed, blanks in a row as one.

    starts: where each character begins in the text.
    """

    __slots__ = ("_bare", "characters", "starts")

    def __init__(self, typed: Unescaped) -> None:
        self.characters: list[str] = []
        self.starts: list[int] = []
        self._bare: list[bool] = []
        for character, mask, start in zip(typed.characters, typed.mask, typed.starts, strict=False):
            for part in _fold(character):
                if part == " " and self.characters[-1:] in ([], [" "]):
                    continue
                self.characters.append(part)
                self.starts.append(start)
                self._bare.append(mask != "\0")
        if self.characters[-1:] == [" "]:
            self.characters.pop()

    def _is_bare(self, at: int, wanted: Container[str]) -> bool:
        return at >= 0 and self._bare[at] and self.characters[at] in wanted

    def separates(self, at: int) -> bool:
        return self._is_bare(at, ",;")

    def before_blank(self, end: int) -> int:
        return end - 1 if end > 0 and self.characters[end - 1] == " " else end

    def match_rdn(self, rdn: _KnownRDN, end: int) -> int | None:
        """Where the RDN begins that ends here, blanks before it included; None where it is another one."""
        for number, (kind, value) in enumerate(reversed(rdn.avas)):
            if number:
                if not self._is_bare(end - 1, "+"):
                    return None
                end = self.before_blank(end - 1)
            first = self._match_value(value, end)
            if first is None:
                return None
            equals = self.before_blank(first)
            if not self._is_bare(equals - 1, "="):
                return None
            start = self._match_type(kind, self.before_blank(equals - 1))
            if start is None:
                return None
            end = self.before_blank(start)
        return end

    def _match_value(self, value: tuple[str, ...], end: int) -> int | None:
        """Where the value begins, as it is or in LDAPv2's quotes (RFC 2253 4)."""
        plain = self._match(value, end)
        if plain is not None or not self._is_bare(end - 1, '"'):
            return plain
        quoted = self._match(value, self.before_blank(end - 1))
        if quoted is None:
            return None
        opening = self.before_blank(quoted) - 1
        return opening if self._is_bare(opening, '"') else None

    def _match(self, value: tuple[str, ...], end: int) -> int | None:
        start = end - len(value)
        return start if start >= 0 and tuple(self.characters[start:end]) == value else None

    def _match_type(self, kind: str, end: int) -> int | None:
        start = end
        while self._is_bare(start - 1, TYPE_CHARACTERS):
            start -= 1
        written = "".join(self.characters[start:end])
        return start if canonical_type(written.removeprefix("oid.")) == kind else None


def _fold(character: str) -> str:
    return unicodedata.normalize("NFD", character.lower())


def fold(text: str) -> str:
    """Equal for names that differ in case and in composed or decomposed characters only."""
    return "".join([_fold(character) for character in text])


def _known(rdn: RDN) -> _KnownRDN | None:
    avas: list[tuple[str, tuple[str, ...]]] = []
    for ava in rdn:
        value = _folded_value(ava)
        if not value:
            return None
        avas.append((canonical_type(ava.type), value))
    return _KnownRDN(tuple(avas))


def _folded_value(ava: AVA) -> tuple[str, ...]:
    """Empty for a value that is no text."""
    if not isinstance(ava.value, str):
        return ()
    return tuple(fold(" ".join(part for part in ava.value.split(" ") if part)))


def _trimmed(text: str) -> str:
    """Without the white space that comes along when a name is pasted."""
    text = text.lstrip()
    trimmed = text.rstrip()
    # A blank behind a backslash belongs to the value.
    return text if trimmed.endswith("\\") else trimmed


def _strict_rdns(rest: str) -> tuple[RDN, ...] | None:
    try:
        return parse(rest).rdns or None
    except DNError:
        return None


def _is_valid(reading: DN) -> bool:
    """Whether the right spelling of a reading would not itself be refused: too long, too many RDNs."""
    try:
        return parse(str(reading)).same(reading)
    except DNError:
        return False


def shown(readings: Iterable[DN | LoginName]) -> str:
    """Right spellings as a text of the gateway's has them; longer ones are left out."""
    texts = [str(reading) for reading in readings]
    return " or ".join(text for text in texts if len(text) <= _MOST_SHOWN)
