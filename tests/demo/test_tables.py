"""Long lines are broken where a DN, a filter or a list may be, and lose nothing."""

from __future__ import annotations

import pytest

from gateway.demo.tables import fold


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("", [""]),
        ("bind svc@demo", ["bind svc@demo"]),
        ("(&(mail=*)(objectClass=user))", ["(&(mail=*)", " (objectClass=user))"]),
        ("sub CN=A B,OU=Staff,DC=demo", ["sub CN=A B,OU=Staff,", " DC=demo"]),
        ("displayName, mail, cn, member", ["displayName, mail, cn,", " member"]),
        ("userPrincipalNameOfSomebody", ["userPrincipalNameOfSome", " body"]),
    ],
)
def test_lines_are_broken_at_23_characters(line: str, folded: list[str]) -> None:
    assert fold(line, 23) == folded


def test_no_character_is_lost_at_any_width() -> None:
    line = r"sub CN=O\, P (x),DC=a (|(a=1)(!(b=2))(c:1.2:=3)) a, b,, c (( ,)"
    for width in range(2, 80):
        folded = fold(line, width)
        assert max(map(len, folded)) <= width
        assert "".join("".join(folded).split()) == "".join(line.split())
