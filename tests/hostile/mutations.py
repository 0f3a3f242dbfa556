"""Real messages, and what becomes of them when their BER is bent: the grammar of the fuzz tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from hypothesis import strategies as st

from gateway.ldap.encoding import encode
from tests.hostile import from_clients, from_servers, octets
from tests.hostile.octets import BASE, SYNC
from tests.ldap import strategies

CONSTRUCTED = 0x20


@dataclass
class Node:
    """One element. parts: its elements, or its octets where it is primitive; announced: those of a wrong length."""

    tag: int
    parts: list[Node] | bytes
    announced: bytes | None = None

    def encode(self) -> bytes:
        contents = self.parts if isinstance(self.parts, bytes) else b"".join(part.encode() for part in self.parts)
        return octets.tlv(self.tag, contents, announced=self.announced)

    def nodes(self) -> Iterator[Node]:
        yield self
        if isinstance(self.parts, list):
            for part in self.parts:
                yield from part.nodes()


def parse(data: bytes) -> list[Node]:
    """The elements of data, which are right and have definite lengths below 4 GiB."""
    found = []
    while data:
        size, start = data[1], 2
        if size >= 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        contents = data[start : start + size]
        found.append(Node(data[0], parse(contents) if data[0] & CONSTRUCTED else contents))
        data = data[start + size :]
    return found


lengths = st.sampled_from(
    [b"\x80", b"\xff", b"\xff" + bytes(126) + b"\x01", b"\x84\xff\xff\xff\xff", b"\x84\0\0\0\0", b"\x85\0\0\0\0\x01",
     b"\x7f", b"\0", b"\x81\x05", b"\x82\xff\xff", b"\x84\0\0\0\x05"]
) | st.binary(min_size=1, max_size=3)  # fmt: skip
tags = st.integers(0, 255) | st.sampled_from([0x02, 0x04, 0x0A, 0x30, 0x31, 0x60, 0x63, 0x64, 0x65, 0xA0, 0xA2, 0x87])
contents = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"\0", b"\xff", b"\x7f" * 5, b"\x80", b"\xff" * 4, b"\x7f\xff\xff\xff", b"a" * 300, b"\xc3"]),
    st.sampled_from([BASE, f"OU=Secret,{BASE}", "", f"CN=a\\,{BASE}", f"X{BASE}", SYNC, "*", "+", "1.1", "mail",
                     "pager", "member;range=0-1", "2.5.4.3", octets.PAGED, "unicodePwd", "mail\0pager", f"a\0,{BASE}",
                     f"OU=Other,{BASE[9:]}", BASE.lower().replace("staff", "st\\61ff")]).map(str.encode),
)  # fmt: skip


@st.composite
def bent(draw: st.DrawFn, message: st.SearchStrategy[bytes]) -> bytes:
    """A strategy's messages with one to three mutations."""
    roots = parse(draw(message))
    for _ in range(draw(st.integers(1, 3))):
        every = [node for root in roots for node in root.nodes()]
        node = draw(st.sampled_from(every))
        kind = draw(st.sampled_from(["tag", "length", "contents", "drop", "double", "swap", "wrap", "graft", "append"]))
        if kind == "tag":
            node.tag = draw(tags)
        elif kind == "length":
            node.announced = draw(lengths)
        elif isinstance(node.parts, bytes) or kind == "contents":
            node.parts = draw(contents)
        elif kind == "wrap":
            for _ in range(draw(st.sampled_from([1, 2, 49, 60]))):
                node.parts = [Node(node.tag, node.parts)]
        elif kind == "append":
            node.parts.append(Node(draw(tags), draw(contents)))
        elif node.parts:
            at = draw(st.integers(0, len(node.parts) - 1))
            if kind == "drop":
                del node.parts[at]
            elif kind == "double":
                node.parts.insert(at, deepcopy(node.parts[at]))
            elif kind == "swap":
                node.parts.append(node.parts.pop(at))
            else:
                node.parts[at] = deepcopy(draw(st.sampled_from(every)))
    return b"".join(root.encode() for root in roots)


filters = st.sampled_from(
    [octets.present(), octets.equal("mail", "a"),
     octets.all_of(octets.present("mail"), octets.negated(octets.present())),
     octets.substrings("displayName", octets.text("a", 0x80), octets.text("b", 0x82)),
     octets.tlv(0xA9, octets.text("1.2.840.113556.1.4.803", 0x81), octets.text("member", 0x82), octets.text("1", 0x83))]
)  # fmt: skip
bases = st.sampled_from(
    [BASE, f"CN=a,{BASE}", "DC=corp,DC=example", "", f"OU=Secret,{BASE}", "OU=Sales, EMEA,DC=corp,DC=example"]
)
people = st.sampled_from([SYNC, "u@corp.example", f"CN=u,{BASE}", ""])
ids = st.integers(2, 9)
permitted = st.one_of(
    st.builds(lambda id, base, filter_: octets.search(id=id, base=base, filter_=filter_), ids, bases, filters),
    st.builds(lambda id, size: octets.search(octets.page(size), id=id), ids, st.integers(0, 3)),
    st.builds(lambda id, name: octets.bind(name, id=id), ids, people),
    st.builds(octets.abandon, ids, id=ids),
    st.builds(octets.unbind, ids),
    st.builds(lambda id: octets.extended(octets.START_TLS, id=id), ids),
)


def corpus(families: Mapping[str, Sequence[tuple[str, bytes, object]]]) -> st.SearchStrategy[bytes]:
    """The short cases; by number, so that Hypothesis does not show all of them when one fails."""
    cases = [row[1] for rows in families.values() for row in rows if len(row[1]) < 2_000]
    return st.integers(0, len(cases) - 1).map(lambda number: cases[number])


real_requests = st.one_of(permitted, strategies.request_messages.map(encode))
from_client = st.one_of(
    real_requests, bent(real_requests), bent(permitted), corpus(from_clients.FAMILIES), st.binary(max_size=40)
)

server_ids = st.integers(0, 6)
dns = st.sampled_from(
    [f"CN=a,{BASE}", BASE, "CN=x,OU=Other,DC=corp,DC=example", f"CN=a,OU=Secret,{BASE}", f"CN=u,{BASE}"]
)
names = st.sampled_from(
    ["mail", "member", "pager", "member;range=0-1", "objectClass", "tokenGroups", "userPrincipalName"]
)
attributes = st.builds(
    lambda name, values: octets.attribute(name, *values), names, st.lists(st.binary(max_size=5), max_size=3)
)
usual = st.one_of(
    st.builds(lambda dn, found, id: octets.entry(dn, *found, id=id), dns, st.lists(attributes, max_size=3), server_ids),
    st.builds(lambda id, code: octets.done(code, id=id), server_ids, st.sampled_from([0, 0, 4, 32, 10])),
    st.builds(lambda id, cookie: octets.done(id=id, controls=[octets.page(0, cookie)]), server_ids,
              st.binary(max_size=3)),
    st.builds(lambda id, code: octets.result(0x61, code, id=id), server_ids, st.sampled_from([0, 49, 14])),
    st.builds(lambda id, who: octets.result(0x78, 0, b"", b"", octets.text(who, 0x8B), id=id), server_ids,
              st.sampled_from([f"dn:CN=u,{BASE}", "u:u", ""])),
)  # fmt: skip
real_responses = st.one_of(usual, strategies.response_messages.map(encode))
from_server = st.one_of(
    real_responses, bent(real_responses), bent(usual), corpus(from_servers.FAMILIES), st.binary(max_size=40)
)
