"""Digests of the lists of a policy, by which the two ends of a link can tell that their lists differ, and which.

Neither end learns what is in the other's list, unless it guesses all of it. The digests are keyed with the fingerprints
of both ends' keys, so that those of one link say nothing to whoever sees those of another.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping

# Of SHA-256, 32 hexadecimal digits: 40 lists fit into a STATE frame.
_DIGITS = 32


def list_digests(lists: Mapping[str, Iterable[str]], outside: str, inside: str) -> dict[str, str]:
    """By the name of each list its digest, in which the order does not count. lists: by the key of the configuration,
    each value in the one spelling that equal values have. outside, inside: the fingerprints of the certificates that
    the ends have shown."""
    return {name: _digest(name, values, f"{outside} {inside}".encode()) for name, values in lists.items()}


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """The names of the lists that are not the same at both ends, in order. A list that one end alone has a digest of is
    none of them: the other end, of another version, may not know it."""
    return sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])


def _digest(name: str, values: Iterable[str], key: bytes) -> str:
    # Its own name is in it, so that two lists with the same values do not show that.
    text = json.dumps([name, sorted(set(values))], ensure_ascii=True)
    return hmac.digest(key, text.encode(), "sha256").hex()[:_DIGITS]
