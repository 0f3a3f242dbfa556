import io

import pytest
from rich.console import Console

from gateway.ldap.dn import parse
from gateway.ldap.kinds import Kind
from gateway.tools.init.container_tree import chosen, drawn_trees, in_order, tree_lines
from gateway.tools.init.containers import Tree

ROOT = "DC=corp,DC=example"


@pytest.fixture
def tree():
    made = Tree(parse(ROOT))
    for name, kind in (
        ("CN=a,OU=Sales\\, EMEA,OU=Staff", Kind.user),
        ("CN=b,ou=sales\\2c emea,OU=Staff", Kind.user),
        ("CN=c,OU=Staff", Kind.user),
        ("CN=g,OU=Groups", Kind.group),
        ("CN=x\\[bold],OU=[red]Contacts", Kind.contact),
    ):
        made.add(parse(f"{name.replace(chr(92) + '[', '[')},{ROOT}"), kind)
    return made.sorted()


def test_everybody_is_counted_in_each_container_above(tree):
    counted = {str(each.dn): dict(each.total()) for each in tree.walk()}
    assert counted == {
        ROOT: {Kind.user: 3, Kind.group: 1, Kind.contact: 1},
        f"OU=[red]Contacts,{ROOT}": {Kind.contact: 1},
        f"OU=Groups,{ROOT}": {Kind.group: 1},
        f"OU=Staff,{ROOT}": {Kind.user: 3},
        f"OU=Sales\\, EMEA,OU=Staff,{ROOT}": {Kind.user: 2},
    }


def test_a_tree_shows_names_as_they_are_written(tree):
    assert list(tree_lines([tree])) == [
        "   1  DC=corp,DC=example  3 users, 1 group, 1 contact",
        "   2    OU=[red]Contacts  1 contact",
        "   3    OU=Groups  1 group",
        "   4    OU=Staff  3 users",
        "   5      OU=Sales\\, EMEA  2 users  escaped",
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    for each in drawn_trees([tree]):
        console.print(each)
    drawn = console.export_text()
    assert "2 OU=[red]Contacts  1 contact" in drawn
    assert "    └── 5 OU=Sales\\, EMEA  2 users  escaped" in drawn


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("2", ["OU=[red]Contacts"]),
        ("2-3", ["OU=[red]Contacts", "OU=Groups"]),
        (" 4, 2 ", ["OU=Staff", "OU=[red]Contacts"]),
        ("5,4", ["OU=Staff"]),
        ("5 5", ["OU=Sales\\, EMEA,OU=Staff"]),
    ],
)
def test_what_is_chosen_by_number(tree, text, wanted):
    assert [str(dn) for dn in chosen(text, in_order([tree]))] == [f"{name},{ROOT}" for name in wanted]


@pytest.mark.parametrize(
    "text, words",
    [("", "at least one"), ("0", "from 1 to 5"), ("6", "from 1 to 5"), ("2-9999999999", "from 1 to 5"),
     ("x", "numbers"), ("2-", "numbers"), ("-2", "numbers"), ("3-2", "lower one first"), ("²", "numbers")],
)  # fmt: skip
def test_what_is_no_choice(tree, text, words):
    with pytest.raises(ValueError, match=words):
        chosen(text, in_order([tree]))


def test_of_the_root_it_is_told_what_lies_right_in_it():
    made = Tree(parse(""))
    for name, kind in (
        ("CN=a,OU=Sales,O=Acme", Kind.user),
        ("CN=b,O=Acme", Kind.user),
        ("CN=Flat Name", Kind.user),
        ("CN=Everybody", Kind.group),
    ):
        made.add(parse(name), kind)
    assert list(tree_lines([made.sorted()])) == [
        '   1  "" (the root)  3 users, 1 group (1 user, 1 group right in it)',
        "   2    O=Acme  2 users",
        "   3      OU=Sales  1 user",
    ]
    assert [str(dn) for dn in chosen("1-3", in_order([made.sorted()]))] == [""]
