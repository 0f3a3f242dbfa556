"""How a server spells a base DN of the configuration, and whether a client may have entries under that spelling.

A server takes many spellings for one name, and answers with the one that it has. Which spellings these are is the
server's own matter, so nothing is permitted because it looks alike: a spelling counts only if the server gave it as the
answer to a read of the configured base, and only for that server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, final

from gateway.ldap.dn import DN, rdn_key, with_hex_pairs
from gateway.policy.settings import ClientPolicy


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class BaseSpelling:
    """One base DN in two spellings. configured: as the configuration has it. theirs: as the server has it, which is
    loosely the same and strictly another one."""

    configured: Final[DN]
    theirs: Final[DN]

    def __init__(self, configured: DN, theirs: DN) -> None:
        self.configured = configured
        self.theirs = theirs


BaseSpellings: TypeAlias = tuple[BaseSpelling, ...]


def usable(spellings: BaseSpellings, policy: ClientPolicy) -> BaseSpellings:
    """Those of a server's spellings by which this client may be given entries: of its base DNs, and excluded in neither
    spelling. Both are looked at, because loose comparison is not transitive: a Roman numeral is loosely a number and
    loosely letters, and these two are not the same."""
    return tuple(
        [
            each
            for each in spellings
            if any(each.configured.same(base) for base in policy.base_dns)
            and not any(
                name.is_inside_loosely(excluded)
                for excluded in policy.excluded_base_dns
                for name in (each.configured, each.theirs)
            )
        ]
    )


def excluded_there(spellings: BaseSpellings, policy: ClientPolicy) -> tuple[DN, ...]:
    """The client's exclusions below its bases once more, as the server spells these bases."""
    found = []
    for each in spellings:
        for excluded in policy.excluded_base_dns:
            below = len(excluded.rdns) - len(each.configured.rdns)
            if below > 0 and each.configured.same_loosely(DN(excluded.rdns[below:])):
                found.append(DN(excluded.rdns[:below] + each.theirs.rdns))
    return tuple(found)


def shown_apart(configured: DN, theirs: DN) -> tuple[str, str]:
    """Both spellings as texts that look different: in the RDNs that are not the same, everything beyond ASCII is a
    hexadecimal pair. Names of the same number of RDNs."""
    mine, its = [], []
    for own, other in zip(configured.rdns, theirs.rdns, strict=True):
        write = str if rdn_key(own) == rdn_key(other) else with_hex_pairs
        mine.append(write(DN((own,))))
        its.append(write(DN((other,))))
    return ",".join(mine), ",".join(its)
