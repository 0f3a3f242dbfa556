"""DNs as keys for comparison (RFC 4514): unescaped and in lower case."""

import re

DnKey = tuple[str, ...]

_PART = re.compile(r"\\[0-9a-fA-F]{2}|\\.|[^\\]", re.DOTALL)


class BadName(Exception):
    """Not a DN."""


def dn_key(text: str) -> DnKey:
    """The RDNs, leaf first; the empty DN has none. Raises BadName."""
    if not text:
        return ()
    rdns, octets, escaped_end = [], bytearray(), 0
    for part in _parts(text):
        if part == ",":
            rdns.append(_rdn_key(octets, escaped_end))
            octets, escaped_end = bytearray(), 0
        elif part == " " and not octets:
            continue
        elif part[0] == "\\":
            octets += bytes.fromhex(part[1:]) if len(part) == 3 else part[1:].encode()
            escaped_end = len(octets)
        else:
            octets += part.encode()
    return (*rdns, _rdn_key(octets, escaped_end))


def is_inside(key: DnKey, base: DnKey) -> bool:
    return key[len(key) - len(base) :] == base if len(key) >= len(base) else False


def escape(value: str) -> str:
    """A value as it stands in a DN, the way AD writes it."""
    escaped = re.sub(r'([,+"\\<>;=])', r"\\\1", value)
    return re.sub(r"^([ #])", r"\\\1", escaped)


def _parts(text: str) -> list[str]:
    parts = _PART.findall(text)
    if sum(map(len, parts)) != len(text):
        raise BadName("ends in a backslash")
    return parts


def _rdn_key(octets: bytearray, escaped_end: int) -> str:
    # Spaces before a comma are insignificant, unless escaped.
    end = max(len(octets.rstrip(b" ")), escaped_end)
    try:
        text = octets[:end].decode()
    except UnicodeDecodeError:
        raise BadName("not UTF-8") from None
    kind, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+", kind) or not value:
        raise BadName("an RDN is not TYPE=VALUE")
    return f"{kind}={value}".lower()
