"""Which names are known to be one person's, from the sign-ins that showed it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from gateway.policy.lockout import GuardedAccount

# Seconds for which two names are known as one person's; each sign-in with the name renews them.
JOINED: Final = 30 * 86_400.0
# Seconds after which a sign-in with a known name is told to others anew, so that they do not forget it.
TOLD_AGAIN: Final = 86_400.0


class _Known(NamedTuple):
    account: GuardedAccount
    since: float


class Joins:
    """The aliases of each account. limit: of aliases; beyond it the one that was used longest ago goes."""

    def __init__(self, clock: Callable[[], float], limit: int) -> None:
        self.limit = limit
        self._clock = clock
        self._known: OrderedDict[GuardedAccount, _Known] = OrderedDict()

    def __iter__(self) -> Iterator[tuple[GuardedAccount, GuardedAccount]]:
        """Each alias with its account."""
        return iter([(alias, known.account) for alias, known in self._known.items()])

    def account(self, name: GuardedAccount) -> GuardedAccount:
        """The account that this name belongs to; the name itself where nothing is known of it."""
        known = self._known.get(name)
        if known is None:
            return name
        if self._clock() - known.since > JOINED:
            del self._known[name]
            return name
        return known.account

    def add(self, alias: GuardedAccount, account: GuardedAccount) -> bool:
        """Whether that is news: it was not known, or so long ago that others may have forgotten it."""
        # An account is never an alias at the same time: it would be nobody's.
        self._known.pop(account, None)
        before = self._known.get(alias)
        now = self._clock()
        news = before is None or before.account != account or now - before.since > TOLD_AGAIN
        self._known[alias] = _Known(account, now if news or before is None else before.since)
        self._known.move_to_end(alias)
        while len(self._known) > self.limit:
            self._known.popitem(last=False)
        return news
