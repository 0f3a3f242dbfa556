"""Frames of the link: what is read, what is not, and what is said of it."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.link import frames as f
from tests.examples import SEED, examples
from tests.link.frame_values import all_frames, frames, in_pieces, raw

TOKEN = "0123456789abcdef" * 2
TOO_MANY = {"client": "a", "ready": True, "why": "", "policy": {str(number): "d" for number in range(65)}}
EACH = [
    f.LineHello("0.1.0", TOKEN, 500),
    f.BerthHello("0.1.0", TOKEN, TOKEN),
    f.LookHello("0.1.0", TOKEN),
    f.Welcome("0.1.0", TOKEN, TOKEN, 4, 1, 1_796_083_200),
    f.Refused(f.NotWelcome.already_here),
    f.Ping(7),
    f.Pong(7),
    f.State("mimecast", False, "no server is up", {"base_dns": "ab12"}, (0, 2)),
    f.State("mimecast", True, "", {}),
    f.Want(64),
    f.Drain(),
    f.Go("mimecast", "s4711", "198.51.100.7"),
    f.Accept("s93"),
    f.Refuse(f.NoSession.draining),
]


def read(octets):
    reader = f.FrameReader()
    reader.feed(octets)
    return reader.next()


def said(octets):
    with pytest.raises(f.FrameError) as caught:
        read(octets)
    return str(caught.value)


def body_of(frame):
    return json.loads(f.encode(frame)[4:])


def test_a_frame_is_a_type_a_length_and_an_object():
    assert f.encode(f.Ping(7)) == b'\x04\x00\x00\x07{"n":7}'
    assert f.encode(f.Drain()) == b"\x08\x00\x00\x02{}"


@pytest.mark.parametrize("frame", EACH, ids=repr)
def test_each_frame_is_read_as_it_was_written(frame):
    assert read(f.encode(frame)) == frame


def test_every_type_of_frame_is_among_them():
    assert {f.encode(frame)[0] for frame in EACH} == set(f.FrameType)


def test_what_is_absent_is_not_written():
    assert "servers" not in body_of(f.State("mimecast", True, "", {}))


@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 3000), max_size=8), st.binary(max_size=20))
@settings(max_examples=examples(300))
def test_frames_come_in_any_pieces_and_what_is_behind_them_is_whole(sent, cuts, behind):
    octets = b"".join(map(f.encode, sent)) + behind
    reader, found = f.FrameReader(), []
    for piece in in_pieces(octets, cuts):
        reader.feed(piece)
        while len(found) < len(sent) and (frame := reader.next()) is not None:
            found.append(frame)
    assert found == sent
    assert reader.rest() == behind
    assert reader.rest() == b""


def test_half_a_frame_is_none_yet():
    octets = f.encode(f.Go("mimecast", "s1", "192.0.2.1"))
    assert [read(octets[:end]) for end in range(len(octets))] == [None] * len(octets)


@pytest.mark.parametrize("frame", EACH, ids=repr)
def test_each_key_is_needed_and_has_a_kind(frame):
    body = body_of(frame)
    for name in body:
        without = {key: value for key, value in body.items() if key != name}
        octets = raw(f.encode(frame)[0], json.dumps(without).encode())
        if name == "servers":
            assert read(octets) == f.State(frame.client, frame.ready, frame.why, frame.policy)
        else:
            assert f"`{name}` is missing" in said(octets)
        for wrong in (None, 1.5, -1, [], [1], ["a", "b"], "\x07", True if body[name] is not True else 1):
            if wrong == "\x07" or type(wrong) is not type(body[name]) or wrong == -1:
                assert f"`{name}`" in said(raw(f.encode(frame)[0], json.dumps({**body, name: wrong}).encode()))


@pytest.mark.parametrize("frame", EACH, ids=repr)
def test_unknown_keys_are_ignored(frame):
    later = {**body_of(frame), "later": {"a": [1, 2.5, None, True, "x"]}}
    assert read(raw(f.encode(frame)[0], json.dumps(later).encode())) == frame


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"\x00", "a frame of type 0, which version 1 of the protocol does not have"),
        (b"\x0c", "a frame of type 12, which version 1 of the protocol does not have"),
        (b"\xff\xff\xff\xff", "a frame of type 255"),
        (b"\x30\x0c", "LDAP came where a frame must come"),
        (b"\x04\x00\x10\x01", "a PING frame of 4097 octets; at most 4096 are allowed"),
        (b"\x04\xff\xff\xff", "a PING frame of 16777215 octets; at most 4096 are allowed"),
        (raw(4, b""), "a PING frame: its body is no JSON from character 0 on"),
        (raw(4, b"\xff\xfe"), "its body is not UTF-8"),
        (raw(4, b'\xef\xbb\xbf{"n":1}'), "its body is no JSON"),
        (raw(4, b'{"n":1}{'), "its body is no JSON from character 7 on"),
        (raw(4, b'{"n":1,}'), "its body is no JSON"),
        (raw(4, b"{'n':1}"), "its body is no JSON"),
        (raw(4, b"[1]"), "its body must be an object, and is a list"),
        (raw(4, b"null"), "its body must be an object, and is null"),
        (raw(4, b'{"n":1,"n":1}'), "a key stands twice in it"),
        (raw(4, b'{"n":1,"x":{"a":1,"a":2}}'), "a key stands twice in it"),
        (raw(4, b'{"n":1,"x":NaN}'), "NaN stands in it, which is no JSON"),
        (raw(4, b'{"n":-Infinity}'), "-Infinity stands in it"),
        (raw(4, b'{"n":1,"x":1e999}'), "a number in it is too large"),
        (raw(4, b'{"n":' + b"1" * 17 + b"}"), "a number in it has more than 16 digits"),
        (raw(4, b'{"n":-' + b"1" * 4000 + b"}"), "a number in it has more than 16 digits"),
        (raw(4, b'{"n":1,"x":[[[[]]]]}'), "its body is nested more than 4 levels deep"),
        (raw(4, b'{"n":1,"x":' + b"[" * 4000), "its body is nested more than 4 levels deep"),
        (raw(4, b'{"n":1,"x":"' + b"a" * 256 + b'"}'), "a string in it has 256 octets; at most 255 are allowed"),
        (raw(4, b'{"n":1,"' + "ä".encode() * 128 + b'":1}'), "a string in it has 256 octets"),
        (raw(4, b'{"n":1,"x":["\\ud800"]}'), "a string in it has half a surrogate pair"),
        (raw(4, b'{"n":true}'), "`n` must be a whole number, and is true"),
        (raw(4, b'{"n":2147483648}'), "`n` is 2147483648; it must be from 0 to 2147483647"),
        (raw(7, b'{"parked":2147483648}'), "a WANT frame: `parked` is 2147483648; it must be from 0 to 64"),
        (raw(1, b'{"kind":"ship"}'), "a HELLO frame: `kind` must be one of line, berth, look"),
        (raw(1, b'{"kind":"look","version":"","instance":""}'), "`version` must not be empty"),
        (raw(1, b'{"kind":"look","version":"1","instance":"ABC"}'), "`instance` must be 32 hexadecimal digits"),
        (raw(9, b'{"client":"a\\nb","session":"s","source":"x"}'), "`client` has a character that cannot be printed"),
        (raw(6, b'{"client":"a","ready":1,"why":"","policy":{}}'), "`ready` must be true or false, and is a number"),
        (raw(6, b'{"client":"a","ready":true,"why":"","policy":{"a":1}}'), "`a value of policy` must be a string"),
        (
            raw(6, json.dumps(TOO_MANY).encode()),
            "`policy` has 65 keys; at most 64 are allowed",
        ),
        (
            raw(6, b'{"client":"a","ready":true,"why":"","policy":{},"servers":[3,2]}'),
            "`servers` says that 3 of 2 are up",
        ),
        (raw(11, b'{"why":"later"}'), "`why` must be one of client-unknown, not-ready, too-many, draining"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said(octets, expected):
    assert expected in said(octets)


def test_brackets_in_strings_nest_nothing():
    assert read(raw(4, b'{"n":1,"x":"\\"[[[[[[\\\\"}')) == f.Ping(1)
    assert "nested" in said(raw(4, b'{"n":1,"x":"\\\\",[[[[[[]'))


def test_a_header_that_cannot_be_right_is_refused_before_its_body_has_come():
    assert "at most 4096" in said(b"\x06\x00\x20\x00")
    assert "type 99" in said(b"\x63")


def test_a_reader_that_has_failed_goes_on_failing():
    reader = f.FrameReader()
    reader.feed(raw(4, b"[]") + f.encode(f.Ping(1)))
    for _ in range(2):
        with pytest.raises(f.FrameError):
            reader.next()


def test_the_largest_frame():
    policy = {f"{number:0100}": "d" * 255 for number in range(11)}
    body = len(f.encode(f.State("c", True, "", policy))) - 4
    full = f.State("c" * (1 + 4096 - body), True, "", policy)
    assert len(f.encode(full)) == 4100
    assert read(f.encode(full)) == full
    with pytest.raises(ValueError, match="a STATE frame of 4097 octets"):
        f.encode(f.State(full.client + "c", True, "", policy))


@pytest.mark.parametrize("frame", [f.Want(65), f.Ping(-1), f.Accept(""), f.Go("a\n", "s", "x"), f.Pong(True)], ids=repr)
def test_a_frame_that_no_reader_would_take_is_not_written(frame):
    with pytest.raises(ValueError):
        f.encode(frame)


@pytest.mark.fuzz
def test_a_mutant_is_a_frame_or_an_error_and_nothing_else():
    random_ = random.Random(SEED)
    seeds = [f.encode(frame) for frame in EACH]
    taken = refused = 0
    for _ in range(examples(200_000)):
        octets = bytearray(random_.choice(seeds))
        for _ in range(random_.randint(1, 3)):
            place = random_.randrange(len(octets))
            match random_.randrange(4):
                case 0:
                    octets[place] = random_.randrange(256)
                case 1:
                    octets[place : place + random_.randrange(4)] = b""
                    octets = octets or bytearray(b"\x04")
                case 2:
                    octets[place:place] = random_.choice(
                        [b'"', b"{", b"[", b"9" * 20, b"\\u0000", b"e9", b",", b"null"]
                    )
                case 3:
                    octets[4:] = octets[4 : 4 + random_.randrange(40)] * random_.randint(1, 3)
        if random_.random() < 0.7:
            # Most are to come as far as their body.
            octets[1:4] = (len(octets) - 4).to_bytes(3, "big") if len(octets) >= 4 else b""
        reader = f.FrameReader()
        reader.feed(bytes(octets))
        try:
            found = all_frames(reader)
        except f.FrameError as error:
            refused += 1
            assert str(error).isprintable()
            continue
        for frame in found:
            taken += 1
            assert read(f.encode(frame)) == frame
    assert taken > 500
    assert refused > 500
