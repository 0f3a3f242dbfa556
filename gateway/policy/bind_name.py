"""The forms of a bind name that are served (MS-ADTS 5.1.1.1.1 has many more): DN, name@domain, DOMAIN\\name.

A bare name is served as the name of a mapped account only, which no server is asked about.
"""

from __future__ import annotations

import re

from gateway.ldap.dn import DN, DNError, parse
from gateway.policy.decision import LoginName

# No character that another form of name is made of (canonical name, SPN, SID, DN), and no control character.
_FORBIDDEN = r"\x00-\x1f\x7f\"/\\\[\]:;|=,*?<>@"
_NAME = rf"[^{_FORBIDDEN} ](?:[^{_FORBIDDEN}]{{0,254}}[^{_FORBIDDEN} ])?"
_BARE = re.compile(rf"{_NAME}\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_AT_DOMAIN = re.compile(rf"(?P<name>{_NAME})@(?P<domain>{_LABEL}(?:\.{_LABEL})*)\Z")
_DOWN_LEVEL = re.compile(rf"(?P<domain>{_LABEL}(?:\.{_LABEL})*)\\(?P<name>{_NAME})\Z")


def read_bind_name(text: str) -> DN | LoginName | None:
    """None for every other form; the empty name (anonymous) is one of these."""
    for form in (_AT_DOMAIN, _DOWN_LEVEL):
        match = form.match(text)
        if match is not None:
            return LoginName(text, match["name"], match["domain"])
    try:
        dn = parse(text)
    except DNError:
        return None
    return dn if dn.rdns else None


def read_bare_name(text: str) -> str | None:
    """The name by itself, 1 to 256 characters; None for every other form."""
    return text if _BARE.match(text) else None
