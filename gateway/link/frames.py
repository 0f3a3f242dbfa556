"""The frames of the link's protocol, version 1: octets to values and back. No I/O, no clock.

A frame is its type (1 octet), the length of its body (3 octets, big endian) and the body: one JSON object in UTF-8.
Both ends speak frames on a line, and on a berth until a session takes it; what follows then is LDAP.

The peer has shown a pinned key before its first frame is read, and is trusted no further than that. So the reader takes
only what it can name: a type that is listed here, the keys of that type with values of their kinds and within bounds.
Keys that it does not know are ignored, so that a later version may add some; all else is a FrameError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from typing import Any, Final, TypeAlias

from gateway.link.strict_json import JsonError, kind_of, read_object

# Octets of a body. A STATE with a digest for each of 30 lists needs 2,500.
_MOST_OCTETS: Final = 4_096
_HEADER: Final = 4
# Digests in one STATE: an object of many small strings takes twenty times the memory of its octets.
_MOST_DIGESTS: Final = 64

MOST_PARKED: Final = 64
# Of connections and servers: far above what one gateway has, and far below what arithmetic minds.
MOST_COUNTED: Final = 1_000_000
MOST_NUMBER: Final = 2**31 - 1
_LATEST: Final = 2**53

_HEXADECIMAL: Final = re.compile("[0-9a-f]{32}")
# The tag of an LDAPMessage (RFC 4511 4.1.1): nothing else that is likely to come begins like this.
_LDAP: Final = 0x30


class FrameError(ValueError):
    """What came is no frame of this version. The text says what is wrong, and shows nothing that the peer wrote."""


class FrameType(IntEnum):
    """The first octet of a frame."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    PING = 4
    PONG = 5
    STATE = 6
    WANT = 7
    DRAIN = 8
    GO = 9
    ACCEPT = 10
    REFUSE = 11


class Kind(StrEnum):
    """What a connection is for. look: `doctor` wants to know whether a line would come up."""

    line = "line"
    berth = "berth"
    look = "look"


class NotWelcome(StrEnum):
    """Why the outside refuses a connection."""

    already_here = "already-here"
    unknown_line = "unknown-line"
    too_many = "too-many"
    stopping = "stopping"


class NoSession(StrEnum):
    """Why the inside refuses a session."""

    client_unknown = "client-unknown"
    not_ready = "not-ready"
    too_many = "too-many"
    draining = "draining"


@dataclass(frozen=True, slots=True)
class LineHello:
    """The first frame of the inside on a line. version: of its software. instance: of its process, 32 hexadecimal
    digits. most: the connections that it opens on this link at once."""

    version: str
    instance: str
    most: int
    kind: Kind = field(default=Kind.line, init=False)


@dataclass(frozen=True, slots=True)
class BerthHello:
    """The first frame of the inside on a berth. line: the token that the outside gave the line."""

    version: str
    instance: str
    line: str
    kind: Kind = field(default=Kind.berth, init=False)


@dataclass(frozen=True, slots=True)
class LookHello:
    """The first frame of a tool that looks whether the inside would be welcome."""

    version: str
    instance: str
    kind: Kind = field(default=Kind.look, init=False)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The outside's answer to the hello of a line or a look. token: names the line in the hellos of its berths, 32
    hexadecimal digits. parked: how many berths should wait. clients: how many STATE frames follow at once. now: the
    outside's clock, in seconds since the epoch; only for a word about clocks that differ."""

    version: str
    instance: str
    token: str
    parked: int
    clients: int
    now: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The outside's answer where the connection is not welcome; it closes then."""

    why: NotWelcome


@dataclass(frozen=True, slots=True)
class Ping:
    """A question for life."""

    n: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to the ping with this number."""

    n: int


@dataclass(frozen=True, slots=True)
class State:
    """What one end has to say of one client, anew whenever it changes. From the inside: whether sessions of it would be
    accepted. From the outside: whether it would ask for such. why: in words, where it is not ready. policy: by the key
    of the configuration a digest of the list there. servers: how many servers of its directory are up, and all of
    them; of the inside alone."""

    client: str
    ready: bool
    why: str
    policy: Mapping[str, str]
    servers: tuple[int, int] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the end that says this has no such client any more."""
        return not self.ready and not self.policy


@dataclass(frozen=True, slots=True)
class Want:
    """The outside says how many berths should wait now."""

    parked: int


@dataclass(frozen=True, slots=True)
class Drain:
    """No new sessions from here on; open ones finish."""


@dataclass(frozen=True, slots=True)
class Go:
    """The outside gives a berth to a session. source: where its client connects from, as the outside saw it: it is for
    the audit, and believed in nothing."""

    client: str
    session: str
    source: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The inside serves the session. session: its own name of it. Every octet behind it, both ways, is LDAP."""

    session: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The inside does not serve the session; it closes then."""

    why: NoSession


Hello: TypeAlias = LineHello | BerthHello | LookHello
Frame: TypeAlias = Hello | Welcome | Refused | Ping | Pong | State | Want | Drain | Go | Accept | Refuse


class FrameReader:
    """Octets in, in whatever pieces they come, and frames out. It holds what was fed and not taken yet, so take until
    there is none after each read."""

    __slots__ = ("_octets",)

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, octets: bytes) -> None:
        self._octets += octets

    def next(self) -> Frame | None:
        """The next frame; None while it is not whole. A header that cannot be right is an error before the body has
        come. Raises FrameError, and then each time."""
        octets = self._octets
        if not octets:
            return None
        kind = _type(octets[0])
        if len(octets) < _HEADER:
            return None
        length = int.from_bytes(octets[1:_HEADER], "big")
        if length > _MOST_OCTETS:
            raise FrameError(f"a {kind.name} frame of {length} octets; at most {_MOST_OCTETS} are allowed")
        end = _HEADER + length
        if len(octets) < end:
            return None
        frame = _frame(kind, bytes(octets[_HEADER:end]))
        del octets[:end]
        return frame

    def rest(self) -> bytes:
        """What has come behind the last frame that was taken. The reader has nothing of it any more."""
        rest = bytes(self._octets)
        self._octets.clear()
        return rest


def frame_name(frame: Frame) -> str:
    """How texts name a frame: HELLO, WELCOME."""
    return _TYPES[type(frame)].name


def encode(frame: Frame) -> bytes:
    """The octets of a frame. Raises ValueError for one that no reader would take: its maker is wrong."""
    kind = _TYPES[type(frame)]
    values = {each.name: getattr(frame, each.name) for each in fields(frame)}
    present = {name: value for name, value in values.items() if value is not None}
    body = json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > _MOST_OCTETS:
        raise ValueError(f"a {kind.name} frame of {len(body)} octets; at most {_MOST_OCTETS} are allowed")
    _frame(kind, body)
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _type(octet: int) -> FrameType:
    try:
        return FrameType(octet)
    except ValueError:
        pass
    if octet == _LDAP:
        raise FrameError("LDAP came where a frame must come")
    raise FrameError(f"a frame of type {octet}, which version 1 of the protocol does not have: update the older end?")


def _frame(kind: FrameType, body: bytes) -> Frame:
    try:
        return _value(kind, read_object(body))
    except (FrameError, JsonError) as error:
        raise FrameError(f"a {kind.name} frame: {error}") from None


def _value(kind: FrameType, found: dict[str, Any]) -> Frame:
    shape = _SHAPES[kind] if kind is not FrameType.HELLO else _HELLOS[_read("kind", found, _word(Kind))]
    values = {name: _read(name, found, read) for name, read in shape.needed.items()}
    values |= {name: read(name, found[name]) for name, read in shape.optional.items() if name in found}
    frame: Frame = shape.made(**values)
    return frame


def _read(name: str, found: dict[str, Any], read: _Reader) -> Any:
    if name not in found:
        raise FrameError(f"`{name}` is missing")
    return read(name, found[name])


# The values of the keys.

_Reader: TypeAlias = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The keys of one type of frame, and the kinds of their values.

    made: the class of the frame, which takes the values by the names of their keys.
    """

    made: Callable[..., Any]
    needed: Mapping[str, _Reader]
    optional: Mapping[str, _Reader] = field(default_factory=dict)


def _text(name: str, value: object) -> str:
    """It stands in logs and audit records, so it has no line end in it, and nothing that moves a cursor."""
    if not isinstance(value, str):
        raise FrameError(f"`{name}` must be a string, and is {kind_of(value)}")
    if not value.isprintable():
        raise FrameError(f"`{name}` has a character that cannot be printed")
    return value


def _name(name: str, value: object) -> str:
    if not _text(name, value):
        raise FrameError(f"`{name}` must not be empty")
    return str(value)


def _token(name: str, value: object) -> str:
    if not _HEXADECIMAL.fullmatch(_text(name, value)):
        raise FrameError(f"`{name}` must be 32 hexadecimal digits, in lower case")
    return str(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FrameError(f"`{name}` must be true or false, and is {kind_of(value)}")
    return value


def _count(most: int) -> _Reader:
    def read(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise FrameError(f"`{name}` must be a whole number, and is {kind_of(value)}")
        if not 0 <= value <= most:
            raise FrameError(f"`{name}` is {value}; it must be from 0 to {most}")
        return value

    return read


def _word(words: type[StrEnum]) -> _Reader:
    def read(name: str, value: object) -> StrEnum:
        try:
            return words(_text(name, value))
        except ValueError as error:
            if isinstance(error, FrameError):
                raise
            raise FrameError(f"`{name}` must be one of {', '.join(words)}") from None

    return read


def _digests(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise FrameError(f"`{name}` must be an object, and is {kind_of(value)}")
    if len(value) > _MOST_DIGESTS:
        raise FrameError(f"`{name}` has {len(value)} keys; at most {_MOST_DIGESTS} are allowed")
    return {_name(f"a key of {name}", key): _name(f"a value of {name}", digest) for key, digest in value.items()}


def _servers(name: str, value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise FrameError(f"`{name}` must be a list of two numbers")
    up, every = (_count(MOST_COUNTED)(name, each) for each in value)
    if up > every:
        raise FrameError(f"`{name}` says that {up} of {every} are up")
    return up, every


_WHO: Final[Mapping[str, _Reader]] = {"version": _name, "instance": _token}
_HELLOS: Final[Mapping[Kind, _Shape]] = {
    Kind.line: _Shape(LineHello, {**_WHO, "most": _count(MOST_COUNTED)}),
    Kind.berth: _Shape(BerthHello, {**_WHO, "line": _token}),
    Kind.look: _Shape(LookHello, _WHO),
}
_SHAPES: Final[Mapping[FrameType, _Shape]] = {
    FrameType.WELCOME: _Shape(
        Welcome,
        {
            **_WHO,
            "token": _token,
            "parked": _count(MOST_PARKED),
            "clients": _count(MOST_COUNTED),
            "now": _count(_LATEST),
        },
    ),
    FrameType.REFUSED: _Shape(Refused, {"why": _word(NotWelcome)}),
    FrameType.PING: _Shape(Ping, {"n": _count(MOST_NUMBER)}),
    FrameType.PONG: _Shape(Pong, {"n": _count(MOST_NUMBER)}),
    FrameType.STATE: _Shape(
        State, {"client": _name, "ready": _flag, "why": _text, "policy": _digests}, {"servers": _servers}
    ),
    FrameType.WANT: _Shape(Want, {"parked": _count(MOST_PARKED)}),
    FrameType.DRAIN: _Shape(Drain, {}),
    FrameType.GO: _Shape(Go, {"client": _name, "session": _name, "source": _name}),
    FrameType.ACCEPT: _Shape(Accept, {"session": _name}),
    FrameType.REFUSE: _Shape(Refuse, {"why": _word(NoSession)}),
}
_TYPES: Final[Mapping[type, FrameType]] = {
    **{shape.made: kind for kind, shape in _SHAPES.items() if isinstance(shape.made, type)},
    **{shape.made: FrameType.HELLO for shape in _HELLOS.values() if isinstance(shape.made, type)},
}
