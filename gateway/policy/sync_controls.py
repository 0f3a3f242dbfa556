"""What controls have to do with a search's shape: which change its result, and which make it a search for changes."""

from __future__ import annotations

from typing import Final

from gateway.ldap import ber
from gateway.ldap.controls import PAGED_RESULTS, Control, write_controls
from gateway.ldap.errors import DecodeError

# MS-ADTS 3.1.1.3.4.1.3, and its variant with a value of the same form. A first search has no cookie.
_DIR_SYNC: Final = "1.2.840.113556.1.4.841"
_DIR_SYNC_EX: Final = "1.2.840.113556.1.4.2090"
# RFC 4533 2.2: Sync Request. A first search has no cookie.
_CONTENT_SYNC: Final = "1.3.6.1.4.1.4203.1.9.1.1"

# With and without these the same entries come: in pages, in another order (RFC 2891), without referrals (MS-ADTS
# 3.1.1.3.4.1.4).
_SAME_ENTRIES: Final = frozenset({PAGED_RESULTS, "1.2.840.113556.1.4.473", "1.2.840.113556.1.4.1339"})


def ask_for_changes(controls: tuple[Control, ...]) -> bool:
    """Whether one of them carries the cookie of an earlier search, since which the server is to tell what changed."""
    return any(_has_cookie(control) for control in controls)


def result_controls(controls: tuple[Control, ...]) -> bytes:
    """Octets that are equal where the controls change a result in the same way, in whatever order they come; none
    where they do not change it."""
    changing = sorted(
        (control.oid, control.value is not None, control.value or b"")
        for control in controls
        if control.oid not in _SAME_ENTRIES
    )
    # Critical or not, a server that knows a control does the same.
    return write_controls(tuple([Control(oid, False, value if has else None) for oid, has, value in changing]))


def _has_cookie(control: Control) -> bool:
    if control.value is None or control.oid not in (_DIR_SYNC, _DIR_SYNC_EX, _CONTENT_SYNC):
        return False
    try:
        outer = ber.Reader(control.value)
        inner = outer.enter(ber.SEQUENCE)
        if control.oid == _CONTENT_SYNC:
            inner.integer(ber.ENUMERATED)
            return inner.peek_tag() == ber.OCTET_STRING and inner.octets() != b""
        # Flags, and octets per answer.
        inner.integer(low=-0x80000000)
        inner.integer(low=-0x80000000)
        return inner.octets() != b""
    except DecodeError:
        # The server will not understand it either.
        return False
