"""Whether ids become the octets that a domain controller has for them."""

import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.entra.identifiers import entra_sid, guid_octets, is_id, sid_octets

ID = "f82d79af-1278-4894-ac01-d90e30875cf8"


def test_the_octets_of_a_known_id():
    assert guid_octets(ID).hex() == "af792df878129448ac01d90e30875cf8"
    assert entra_sid(ID) == "S-1-12-1-4163729839-1217663608-249102764-4166813488"
    octets = sid_octets(entra_sid(ID))
    assert octets == bytes([1, 4 + 1]) + (12).to_bytes(6, "big") + struct.pack("<I", 1) + guid_octets(ID)


def test_the_octets_of_a_sid_of_a_domain():
    octets = sid_octets("S-1-5-21-1004336348-1177238915-682003330-512")
    assert octets.hex() == "010500000000000515000000dcf4dc3b833d2b46828ba62800020000"


@given(st.uuids())
def test_an_id_and_its_sid_have_the_same_octets(uuid: UUID):
    id = str(uuid)
    assert is_id(id)
    assert UUID(bytes_le=guid_octets(id)) == uuid
    assert sid_octets(entra_sid(id))[12:] == guid_octets(id)


@given(st.integers(0, 2**48 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15))
def test_a_sid_has_its_numbers(authority, parts):
    octets = sid_octets("-".join(map(str, ("S-1", authority, *parts))))
    assert octets[:2] == bytes([1, len(parts)])
    assert int.from_bytes(octets[2:8], "big") == authority
    assert list(struct.unpack(f"<{len(parts)}I", octets[8:])) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S-1",
        "S-1-5",
        "S-2-5-21",
        "S-1-5-4294967296",
        "S-1-281474976710656-1",
        "S-1-5-21-",
        "s-1-5-21",
        "S-1-5-" + "1-" * 15 + "1",
    ],
)
def test_what_is_no_sid_has_no_octets(text):
    assert sid_octets(text) is None


@pytest.mark.parametrize("text", ["", ID.upper(), ID[1:], "{" + ID + "}", ID.replace("-", ""), ID + "\n"])
def test_what_is_no_id(text):
    assert not is_id(text)
