"""Names of containers that matter for RFC 4514, as the Samba lab has them, and the ways in which people mistype DNs."""

import unicodedata
from collections.abc import Callable

from gateway.ldap.dn import DN, HexValue, escape_value, parse, portable

STAFF = "OU=Staff,DC=corp,DC=example"
NAMES = [
    "Sales, EMEA",
    "R+D",
    "#Ops",
    " Leading space",
    "Trailing space ",
    'The "A" Team',
    "Back\\slash",
    "A/B Testing",
    "Less<Than",
    "Greater>Than",
    "x=y",
    "Semi;Colon",
    "Müller",
    "日本",
    "(Paren)*theses*",
    'Key; "A" <Accounts>, #1',
]


def right(name: str) -> str:
    """The DN of the container; the last one lies below the first."""
    above = rf"OU=Sales\, EMEA,{STAFF}" if name == NAMES[-1] else STAFF
    return f"OU={escape_value(name)},{above}"


def _rdns(dn: DN) -> list[tuple[str, str]]:
    """The types and values of a DN whose RDNs have one value each, in no hexadecimal digits."""
    found = []
    for (ava,) in dn.rdns:
        assert not isinstance(ava.value, HexValue)
        found.append((ava.type, ava.value))
    return found


def _bare(dn: DN) -> str:
    return ",".join(f"{kind}={value}" for kind, value in _rdns(dn))


def _each(dn: DN, write: Callable[[str], str]) -> str:
    return ",".join(f"{kind}={write(value)}" for kind, value in _rdns(dn))


_LONG = {"OU": "organizationalUnitName", "DC": "domainComponent", "CN": "commonName"}
_FILTER = str.maketrans({"(": "\\28", ")": "\\29", "*": "\\2a", "\\": "\\5c"})
# Each takes a DN and gives it as somebody typed it.
WAYS: dict[str, Callable[[DN], str]] = {
    "nothing escaped": _bare,
    "nothing escaped, in capitals": lambda dn: _bare(dn).upper(),
    "nothing escaped, blanks around separators": lambda dn: " , ".join(f"{k} = {v}" for k, v in _rdns(dn)),
    "nothing escaped, semicolons between": lambda dn: ";".join(f"{k}={v}" for k, v in _rdns(dn)),
    "nothing escaped, types written out": lambda dn: ",".join(f"{_LONG[k]}={v}" for k, v in _rdns(dn)),
    "nothing escaped, white space around": lambda dn: f"\t{_bare(dn)}\r\n",
    "nothing escaped, decomposed": lambda dn: unicodedata.normalize("NFD", _bare(dn)),
    "LDAPv2 quotes": lambda dn: _each(dn, lambda v: '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    "quotes, nothing escaped in them": lambda dn: _each(dn, lambda v: f'"{v}"'),
    "escapes doubled": lambda dn: str(dn).replace("\\", "\\\\"),
    "escapes doubled as hexadecimal pairs": lambda dn: str(dn).replace("\\", "\\5c"),
    "hexadecimal pairs doubled": lambda dn: portable(dn).replace("\\", "\\\\"),
    "hexadecimal pairs doubled as such": lambda dn: portable(dn).replace("\\", "\\5c"),
    "as ADSI has it": lambda dn: str(dn).replace("/", "\\/"),
    "escaped as for a filter": lambda dn: _each(dn, lambda v: v.translate(_FILTER)),
    "parentheses escaped": lambda dn: str(dn).replace("(", "\\(").replace(")", "\\)").replace("*", "\\*"),
}


def typed(way: str, dn: DN | str) -> str:
    """A right DN in one of the WAYS."""
    return WAYS[way](dn if isinstance(dn, DN) else parse(dn))
