"""The ids of Graph in the forms that LDAP has for them: objectGUID and objectSid (MS-DTYP 2.3.4, 2.4.2)."""

from __future__ import annotations

import re
import struct
from typing import Final
from uuid import UUID

_SID: Final = re.compile(r"S-1-(\d{1,15})((?:-\d{1,10}){1,15})")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The authority of accounts that only the cloud has.
_ENTRA_AUTHORITY: Final = "S-1-12-1"


def is_id(text: str) -> bool:
    """Whether a text is an id of Graph in lower case."""
    return _UUID.fullmatch(text) is not None


def guid_octets(id: str) -> bytes:
    """objectGUID of the object with this id."""
    return UUID(id).bytes_le


def entra_sid(id: str) -> str:
    """The SID that the cloud gives to the object with this id."""
    return "-".join([_ENTRA_AUTHORITY, *map(str, struct.unpack("<4I", guid_octets(id)))])


def sid_octets(sid: str) -> bytes | None:
    """objectSid of a SID in its text form; None where the text is none."""
    found = _SID.fullmatch(sid)
    if found is None:
        return None
    authority = int(found[1])
    parts = [int(part) for part in found[2][1:].split("-")]
    if authority >= 1 << 48 or any(part >= 1 << 32 for part in parts):
        return None
    return bytes([1, len(parts)]) + authority.to_bytes(6, "big") + struct.pack(f"<{len(parts)}I", *parts)
