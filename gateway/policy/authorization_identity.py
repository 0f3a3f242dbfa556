"""The authorization identity (RFC 4513 5.2.1.8) that "Who am I?" (RFC 4532) is answered with: read and written."""

from __future__ import annotations

from gateway.ldap.dn import DN, DNError, parse
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import LoginName

_DN = "dn:"
_USER = "u:"


def read_identity(authzid: bytes) -> DN | str | None:
    """What a server answered: a DN, the bare name of a user, or None for nobody and for every other form."""
    text = authzid.decode("utf-8", "replace")
    if text.startswith(_DN):
        try:
            dn = parse(text[len(_DN) :])
        except DNError:
            return None
        return dn if dn.rdns else None
    if text.startswith(_USER):
        name = read_bind_name(text[len(_USER) :])
        return name.name if isinstance(name, LoginName) else None
    return None


def write_identity(name: str, dn: str) -> bytes:
    """What a client is answered that is bound as name, "" for anonymous. dn: of the entry that this name was found to
    be, "" where it was not looked up."""
    if not name:
        return b""
    found = dn or read_bind_name(name)
    return f"{_USER}{name}".encode() if found is None or isinstance(found, LoginName) else f"{_DN}{found}".encode()
