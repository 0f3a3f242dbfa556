"""What a directory sync would find in the entries that it gets: counts by base DN and kind, and marks on each entry."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.ask.attributes import text, texts
from gateway.ldap.attribute_types import TypeSet, base_type
from gateway.ldap.kinds import Kind
from gateway.ldap.messages import SearchResultEntry
from gateway.policy.settings import ClientPolicy

# UF_ACCOUNTDISABLE of userAccountControl, MS-ADTS 2.2.16.
_ACCOUNT_DISABLED: Final = 0x2
# In the schemas of Active Directory, RFC 4519 and RFC 2307.
_MEMBERS: Final = ("member", "uniqueMember", "memberUid")
# MS-OXOABK 2.2.3.23: what is in front of an address that mail is sent to; X500:, sip: and others are none.
_SMTP: Final = "smtp:"

_ADDRESSED: Final = frozenset({Kind.user, Kind.group, Kind.contact})
_ACCOUNTS: Final = frozenset({Kind.user, Kind.computer})


class Mark(StrEnum):
    """What is worth a look in an entry."""

    no_mail = "no mail"
    no_proxy_addresses = "no proxyAddresses"
    disabled = "disabled"
    shared_address = "shares an address"
    no_members = "no members"


# Whom a mark can be on, and the attributes of which one must be listed for it to be told.
MARKS: Final = {
    Mark.no_mail: (_ADDRESSED, ("mail",)),
    Mark.no_proxy_addresses: (_ADDRESSED, ("proxyAddresses",)),
    Mark.disabled: (_ACCOUNTS, ("userAccountControl",)),
    Mark.shared_address: (_ADDRESSED, ("mail", "proxyAddresses")),
    Mark.no_members: (frozenset({Kind.group}), _MEMBERS),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as a service sees it.

    base: the base DN that it is counted under. guid: objectGUID or entryUUID as people write it, "" where neither
    came. addresses: SMTP addresses of mail and proxyAddresses, in lower case. marks: all but shared_address, which
    only the whole census can tell.
    """

    dn: str
    guid: str
    kind: Kind
    base: str
    addresses: frozenset[str] = field(default=frozenset(), repr=False)
    marks: frozenset[Mark] = frozenset()


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many entries there are of one kind.

    marks: how many entries have each; None where a mark does not belong to the kind, or where the attribute that would
    tell is not listed.
    """

    entries: int = 0
    marks: dict[Mark, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttributeUse:
    """How many entries have an attribute. holders: how many entries of each kind have a value."""

    name: str
    holders: dict[Kind, int]

    @property
    def entries(self) -> int:
        return sum(self.holders.values())


class Census:
    """Takes entries one by one; memory grows with their number, not with their values."""

    def __init__(self, policy: ClientPolicy) -> None:
        self.seen: list[Seen] = []
        self._types = TypeSet(policy.attributes)
        self._filled: dict[Kind, Counter[int]] = defaultdict(Counter)
        self._holders: Counter[str] = Counter()

    def add(self, entry: SearchResultEntry, kind: Kind, base: str) -> None:
        filled = {self._types.number(attribute.type) for attribute in entry.attributes if attribute.values}
        self._filled[kind].update(filled)
        addresses = _addresses(entry)
        self._holders.update(addresses)
        own = (mark for mark in MARKS if mark is not Mark.shared_address and self._tells(kind, mark))
        marks = frozenset(mark for mark in own if _is_marked(entry, mark))
        self.seen.append(Seen(entry.dn, _guid(entry), kind, base, addresses, marks))

    def counts(self) -> dict[str, dict[Kind, KindCount]]:
        """By base DN, for those in which something was seen."""
        entries: dict[str, Counter[Kind]] = defaultdict(Counter)
        marked: Counter[tuple[str, Kind, Mark]] = Counter()
        for each in self.seen:
            entries[each.base][each.kind] += 1
            marked.update((each.base, each.kind, mark) for mark in self.marks(each))
        return {
            base: {
                kind: KindCount(
                    count, {mark: marked[base, kind, mark] if self._tells(kind, mark) else None for mark in Mark}
                )
                for kind, count in kinds.items()
            }
            for base, kinds in entries.items()
        }

    def marks(self, seen: Seen) -> frozenset[Mark]:
        """All of them."""
        shared = any(self._holders[address] > 1 for address in seen.addresses)
        return seen.marks | {Mark.shared_address} if shared and seen.kind in _ADDRESSED else seen.marks

    def _tells(self, kind: Kind, mark: Mark) -> bool:
        kinds, names = MARKS[mark]
        return kind in kinds and any(self._types.find(name) is not None for name in names)

    def attributes(self) -> tuple[AttributeUse, ...]:
        """The use of every listed attribute, in the order of the configuration."""
        return tuple(
            AttributeUse(name, {kind: filled[number] for kind, filled in self._filled.items() if filled[number]})
            for number, name in enumerate(self._types.spellings())
        )

    def shared_addresses(self) -> dict[str, tuple[str, ...]]:
        """Addresses that several entries have, and the DNs of these."""
        found: dict[str, list[str]] = {}
        for each in self.seen:
            for address in each.addresses:
                if self._holders[address] > 1:
                    found.setdefault(address, []).append(each.dn)
        return {address: tuple(names) for address, names in sorted(found.items())}


def _addresses(entry: SearchResultEntry) -> frozenset[str]:
    proxies = (address.lower() for address in texts(entry, "proxyAddresses"))
    smtp = (address.removeprefix(_SMTP) for address in proxies if address.startswith(_SMTP))
    return frozenset((*(address.lower() for address in texts(entry, "mail")), *smtp))


def _is_marked(entry: SearchResultEntry, mark: Mark) -> bool:
    if mark is Mark.disabled:
        control = text(entry, "userAccountControl")
        return control.lstrip("-").isdigit() and bool(int(control) & _ACCOUNT_DISABLED)
    return not any(_has_value(entry, name) for name in MARKS[mark][1])


def _has_value(entry: SearchResultEntry, name: str) -> bool:
    wanted = base_type(name)
    return any(attribute.values and base_type(attribute.type) == wanted for attribute in entry.attributes)


def _guid(entry: SearchResultEntry) -> str:
    for attribute in entry.attributes:
        kind = base_type(attribute.type)
        if kind == "objectguid" and attribute.values and len(attribute.values[0]) == 16:
            # MS-DTYP 2.3.4.2: little-endian.
            return str(UUID(bytes_le=attribute.values[0]))
        if kind == "entryuuid":
            return text(entry, "entryUUID").lower()
    return ""
