"""How servers spell the base DNs of the configuration: read from the server itself where it matters, and remembered for
all sessions of an account.

It matters where an entry comes whose name is inside the base of its search by loose comparison alone: the client may
have it if the server calls the base itself so. A base that is all ASCII costs no read before that. For any other one it
is likely enough that the server composes its characters otherwise, so such a base is read before its first search.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, NO_ATTRIBUTES, SearchRequest
from gateway.ldap.results import ResultCode
from gateway.policy.base_spelling import BaseSpelling, BaseSpellings, shown_apart
from gateway.relay.steps import Answer, Found, Look, Step


def said_apart(configured: DN, theirs: DN) -> str:
    """Both spellings of a base, for the audit."""
    mine, its = shown_apart(configured, theirs)
    return f"the configured base DN is {mine}, and the server has {its}"


def read_base(base: DN) -> Generator[Step, Answer, DN | None]:
    """The name that the server has for a configured base, asked for by the session's own account. None where it does
    not say, and where what it says is not even loosely the same: that would be another entry."""
    request = SearchRequest(str(base), BASE_OBJECT, Present("objectClass"), (NO_ATTRIBUTES,))
    answer = yield Look(request, maximum=1)
    if not isinstance(answer, Found) or answer.result.code != ResultCode.success or answer.count != 1:
        return None
    try:
        theirs = parse(answer.entries[0].dn)
    except DNError:
        return None
    return theirs if theirs.same_loosely(base) else None


# The URL of a server, and the account that it answered. Accounts have different rights: one that may not see a base is
# told that there is none, which means nothing for the searches of others.
Reader: TypeAlias = tuple[str, str]


class KnownBases:
    """What a directory's servers answered to reads of configured bases."""

    def __init__(self) -> None:
        # By the configured base; None where the server has nothing to tell.
        self._read: dict[Reader, dict[str, BaseSpelling | None]] = {}
        self._spellings: dict[Reader, BaseSpellings] = {}

    def spellings(self, reader: Reader) -> BaseSpellings:
        """The bases that the server spells otherwise than the configuration."""
        return self._spellings.get(reader, ())

    def was_read(self, reader: Reader, base: DN) -> bool:
        return str(base) in self._read.get(reader, ())

    def note(self, reader: Reader, base: DN, theirs: DN | None) -> None:
        """What a read has answered, in place of what an earlier one has."""
        spelling = None if theirs is None or theirs.same(base) else BaseSpelling(base, theirs)
        self._read.setdefault(reader, {})[str(base)] = spelling
        self._take_stock(reader)

    def contradicted(self, reader: Reader, base: str) -> None:
        """The server says that there is no such base: however it spelled it, that holds no longer."""
        read = self._read.get(reader)
        if read is not None and read.get(base) is not None:
            del read[base]
            self._take_stock(reader)

    def _take_stock(self, reader: Reader) -> None:
        """Makes its spellings anew, of all that was read: they are asked for with every request."""
        self._spellings[reader] = tuple([each for each in self._read[reader].values() if each is not None])


class BaseReader:
    """Reads the bases that one search lies in, at the server of its session. learnt: what the audit is told of it."""

    def __init__(self, known: KnownBases, reader: Reader) -> None:
        self._known = known
        self._reader = reader
        self.learnt: tuple[str, ...] = ()

    def read_first(self, bases: tuple[DN, ...]) -> Generator[Step, Answer, None]:
        """Reads those that have other characters in them than ASCII's, unless that was done before."""
        for base in bases:
            if not str(base).isascii() and not self._known.was_read(self._reader, base):
                yield from self._read(base)

    def read_anew(self, bases: tuple[DN, ...], stray: DN) -> Generator[Step, Answer, bool]:
        """Reads them until the server has a spelling of one that this name is inside; whether there is one."""
        for base in bases:
            theirs = yield from self._read(base)
            if theirs is not None and stray.is_inside(theirs):
                return True
        return False

    def _read(self, base: DN) -> Generator[Step, Answer, DN | None]:
        theirs = yield from read_base(base)
        self._known.note(self._reader, base, theirs)
        if theirs is not None and not theirs.same(base):
            self.learnt += (said_apart(base, theirs),)
        return theirs
