"""Requests and characters to mend in a second, over all sessions of a source and of an account."""

from __future__ import annotations

from gateway.net.sessions.settings import ConnectionLimits
from gateway.policy.reasons import Reason
from gateway.policy.source_network import source_network

# How many sources and how many accounts are remembered; the longest unused go first, and begin anew.
REMEMBERED = 10_000
# What may come at once, as a multiple of what may come in a second.
BURST = 2


class TokenBuckets:
    """One bucket for each key, with tokens for BURST seconds at most."""

    def __init__(self) -> None:
        # Tokens that were left, and when; the longest unused first.
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, rate: int, now: float, wanted: int = 1) -> bool:
        """So many tokens as are wanted; False where there are fewer, and then none is taken. rate: tokens that come in
        a second."""
        most = float(rate * BURST)
        tokens, last = self._buckets.pop(key, (most, now))
        tokens = min(most, tokens + (now - last) * rate)
        if len(self._buckets) >= REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        enough = tokens >= wanted
        self._buckets[key] = (tokens - wanted if enough else tokens, now)
        return enough


class RequestRates:
    """The request rates of the whole gateway."""

    def __init__(self) -> None:
        self.sources = TokenBuckets()
        self.accounts = TokenBuckets()
        self.mending_sources = TokenBuckets()
        self.mending_accounts = TokenBuckets()


class SessionRates:
    """What a session sees of them. client: whose accounts are meant. source: its address."""

    def __init__(self, rates: RequestRates, limits: ConnectionLimits, client: str, source: str) -> None:
        self._rates = rates
        self._limits = limits
        self._client = client
        self._source = source_network(source)

    def admit(self, account: str, now: float) -> Reason | None:
        if not self._rates.sources.take(self._source, self._limits.requests_per_source, now):
            return Reason.too_many_requests_of_source
        if account and not self._rates.accounts.take(self._key(account), self._limits.requests_per_account, now):
            return Reason.too_many_requests_of_account
        return None

    def may_mend(self, account: str, characters: int, now: float) -> bool:
        """Whether a name that lacks its escapes may be mended. account: "" before a bind: the source counts then."""
        if account:
            rate = self._limits.mending_per_account
            return self._rates.mending_accounts.take(self._key(account), rate, now, characters)
        return self._rates.mending_sources.take(self._source, self._limits.mending_per_source, now, characters)

    def _key(self, account: str) -> str:
        return f"{self._client} {account.lower()}"
