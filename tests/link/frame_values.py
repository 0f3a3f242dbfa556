"""Frames as Hypothesis makes them up, and their octets in any pieces."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import strategies as st

from gateway.link import frames as f

names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60)
tokens = st.text("0123456789abcdef", min_size=32, max_size=32)
numbers = st.integers(0, f.MOST_NUMBER)
counts = st.integers(0, f.MOST_COUNTED)
parked = st.integers(0, f.MOST_PARKED)
servers = st.none() | st.tuples(counts, counts).map(lambda two: (min(two), max(two)))
states = st.builds(
    f.State, names, st.booleans(), names | st.just(""), st.dictionaries(names, names, max_size=3), servers
)

frames = st.one_of(
    st.builds(f.LineHello, names, tokens, counts),
    st.builds(f.BerthHello, names, tokens, tokens),
    st.builds(f.LookHello, names, tokens),
    st.builds(f.Welcome, names, tokens, tokens, parked, counts, st.integers(0, 2**53)),
    st.builds(f.Refused, st.sampled_from(f.NotWelcome)),
    st.builds(f.Ping, numbers),
    st.builds(f.Pong, numbers),
    states,
    st.builds(f.Want, parked),
    st.just(f.Drain()),
    st.builds(f.Go, names, names, names),
    st.builds(f.Accept, names),
    st.builds(f.Refuse, st.sampled_from(f.NoSession)),
)


def raw(kind: int, body: bytes) -> bytes:
    """The octets of a frame whose body need not be right."""
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def in_pieces(octets: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The octets, cut at these places as far as they have them."""
    places = sorted({0, len(octets), *(cut for cut in cuts if cut < len(octets))})
    return [octets[begin:end] for begin, end in pairwise(places)]


def all_frames(reader: f.FrameReader) -> list[f.Frame]:
    found = []
    while (frame := reader.next()) is not None:
        found.append(frame)
    return found
