"""The entries, and how they look on the wire; each attribute is encoded once."""

import re
from dataclasses import dataclass, field

from tests.servers.windows.ber import SET, Writer
from tests.servers.windows.filters import Lookup, Matcher
from tests.servers.windows.names import BadName, DnKey, dn_key, is_inside
from tests.servers.windows.people import DOMAIN, NETBIOS_DOMAIN, SUFFIX, Entry

_RANGE = re.compile(r"range=(\d+)-(\d+|\*)", re.IGNORECASE)


class RangeError(Exception):
    """A range that begins behind the last value."""


@dataclass
class Node:
    """values: by name in lower case, with the name as the schema spells it."""

    dn: str
    key: DnKey
    values: dict[str, tuple[str, list[bytes]]]
    password: str | None = None
    encoded: dict[str, bytes] = field(default_factory=dict)
    encoded_dn: bytes = b""

    def text(self, name: str) -> str:
        return self.values[name][1][0].decode()


@dataclass
class Rights:
    """What the one who reads may see. attributes: hidden ones, in lower case."""

    hidden_subtrees: list[DnKey] = field(default_factory=list)
    hidden_attributes: frozenset[str] = frozenset()


class Tree:
    def __init__(self, entries: list[Entry], writer: Writer, max_val_range: int):
        self.suffix = dn_key(SUFFIX)
        self.rights = Rights()
        self._writer = writer
        self._max_val_range = max_val_range
        self._nodes: dict[DnKey, Node] = {}
        self._by_id: dict[tuple[str, bytes], Node] = {}
        for entry in entries:
            self._add(entry)
        self._types = {name for node in self._nodes.values() for name in node.values}

    def _add(self, entry: Entry) -> None:
        values = {name.lower(): (name, held) for name, held in entry.attributes.items()}
        key = dn_key(entry.dn)
        node = Node(entry.dn, key, values, entry.password, encoded_dn=self._writer.octets(entry.dn))
        self._nodes[key] = node
        for form, name in (("guid", "objectguid"), ("sid", "objectsid")):
            if name in values:
                self._by_id[form, values[name][1][0]] = node

    def resolve(self, text: str) -> DnKey:
        """The key of a DN, of `<SID=hex>` and of `<GUID=hex>` (MS-ADTS 3.1.1.3.1.2.4). Raises BadName."""
        if not text.startswith("<"):
            return dn_key(text)
        form, equals, digits = text.strip("<>").partition("=")
        if not equals or not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits):
            raise BadName(text)
        node = self._by_id.get((form.lower(), bytes.fromhex(digits)))
        return node.key if node is not None else (text.lower(), *self.suffix)

    def get(self, key: DnKey) -> Node | None:
        node = self._nodes.get(key)
        return node if node is not None and self._visible(node) else None

    def best_match(self, key: DnKey) -> str:
        """The DN of the nearest entry above that is there; empty for none."""
        for depth in range(1, len(key)):
            node = self.get(key[depth:])
            if node is not None:
                return node.dn
        return ""

    def find(self, base: DnKey, scope: str, matcher: Matcher) -> list[Node]:
        if scope == "base":
            node = self.get(base)
            candidates = [node] if node is not None else []
        elif scope == "one":
            candidates = [node for key, node in self._nodes.items() if key[1:] == base]
        else:
            candidates = [node for key, node in self._nodes.items() if is_inside(key, base)]
        return [node for node in candidates if self._visible(node) and matcher(self._lookup(node)) is True]

    def is_there(self, node: Node) -> bool:
        return self._nodes.get(node.key) is node and self._visible(node)

    def delete(self, key: DnKey) -> bool:
        """The entry and all below it; whether there was one. Groups keep nobody who is gone, as in AD."""
        doomed = [node for found, node in self._nodes.items() if is_inside(found, key)]
        for node in doomed:
            del self._nodes[node.key]
        gone = {node.dn.encode() for node in doomed}
        for node in self._nodes.values():
            if "member" in node.values and not gone.isdisjoint(node.values["member"][1]):
                self.replace(node, "member", [value for value in node.values["member"][1] if value not in gone])
        return bool(doomed)

    def replace(self, node: Node, name: str, values: list[bytes]) -> None:
        """No values: the attribute is removed."""
        spelling = node.values.get(name.lower(), (name, []))[0]
        node.encoded.clear()
        node.values.pop(name.lower(), None)
        if values:
            node.values[name.lower()] = (spelling, values)
            self._types.add(name.lower())

    def who(self, name: str) -> Node | None:
        """The one whom a bind name means: a DN, userPrincipalName, account@domain or DOMAIN\\account."""
        lowered = name.lower()
        domain, backslash, account = lowered.rpartition("\\")
        if not backslash:
            account, _, domain = lowered.rpartition("@")
        for node in self._nodes.values():
            if node.password is None:
                continue
            held = node.text("samaccountname").lower(), node.text("userprincipalname").lower()
            if held[1] == lowered or (held[0] == account and domain in (NETBIOS_DOMAIN.lower(), DOMAIN)):
                return node
        try:
            return self._nodes.get(dn_key(name))
        except BadName:
            return None

    def encode(self, node: Node, asked: tuple[str, ...], types_only: bool) -> tuple[bytes, bool]:
        """The attributes of a searchResultEntry, and whether one of them was cut to a range unasked.

        Raises RangeError.
        """
        parts, cut = [], False
        for name, options in self._chosen(node, asked):
            spelling, values = node.values[name]
            if types_only:
                parts.append(self._attribute(spelling, []))
            elif options is not None:
                parts.append(self._range(spelling, values, options))
            elif len(values) > self._max_val_range:
                cut = True
                # Windows sends the plain name too, without values.
                parts.append(self._cached(node, name, spelling, []))
                parts.append(self._range(spelling, values, "range=0-*"))
            else:
                parts.append(self._cached(node, name, spelling, values))
        return b"".join(parts), cut

    def _chosen(self, node: Node, asked: tuple[str, ...]) -> list[tuple[str, str | None]]:
        """(name in lower case, the range option or None) for what an entry has of what was asked for."""
        chosen: list[tuple[str, str | None]] = []
        for wanted in asked or ("*",):
            name, _, options = wanted.lower().partition(";")
            names = list(node.values) if name == "*" else [name]
            chosen += [(found, options or None) for found in names if self._readable(node, found)]
        return list(dict.fromkeys(chosen))

    def _range(self, spelling: str, values: list[bytes], option: str) -> bytes:
        """MS-ADTS 3.1.1.3.1.3.3: the last range ends in an asterisk."""
        match = _RANGE.fullmatch(option)
        if match is None:
            return self._attribute(f"{spelling};{option}", values)
        low = int(match[1])
        if low >= len(values):
            raise RangeError
        end = low + self._max_val_range
        if match[2] != "*":
            end = min(end, int(match[2]) + 1)
        last = "*" if end >= len(values) else str(end - 1)
        return self._attribute(f"{spelling};range={low}-{last}", values[low:end])

    def _cached(self, node: Node, name: str, spelling: str, values: list[bytes]) -> bytes:
        if name not in node.encoded:
            node.encoded[name] = self._attribute(spelling, values)
        return node.encoded[name]

    def _attribute(self, name: str, values: list[bytes]) -> bytes:
        writer = self._writer
        return writer.sequence(writer.octets(name), writer.sequence(*map(writer.octets, values), tag=SET))

    def _visible(self, node: Node) -> bool:
        hidden = self.rights.hidden_subtrees
        return not hidden or not any(is_inside(node.key, base) for base in hidden)

    def _readable(self, node: Node, name: str) -> bool:
        return name in node.values and name not in self.rights.hidden_attributes

    def _lookup(self, node: Node) -> Lookup:
        def lookup(name: str) -> list[bytes] | None:
            if name not in self._types:
                return None
            return node.values[name][1] if self._readable(node, name) else []

        return lookup
