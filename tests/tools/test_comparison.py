from gateway.tools.preview.comparison import Person, compare


def person(dn, guid="", disabled=False):
    return Person(f"CN={dn},DC=corp,DC=example", guid, "user", disabled)


def test_nothing_changes_where_only_the_spelling_does():
    before = (person("a"), person("b", "1"))
    now = (Person("cn=A, dc=corp,dc=example", "", "user", False), person("b", "1"))
    found = compare(before, now)
    assert (found.appear, found.vanish, found.moved, found.disabled) == ((), (), (), ())


def test_who_appears_and_who_vanishes():
    found = compare((person("a"), person("b", "1")), (person("a"), person("c", "2")))
    assert found.appear == (person("c", "2"),)
    assert found.vanish == (person("b", "1"),)


def test_another_name_with_the_same_guid_is_a_move():
    found = compare((person("a", "1"),), (person("b", "1"),))
    assert found.moved == ((person("a", "1"), person("b", "1")),)
    assert found.appear == found.vanish == ()


def test_the_same_name_with_another_guid_is_another_one():
    found = compare((person("a", "1"),), (person("a", "2"),))
    assert found.vanish == (person("a", "1"),)
    assert found.appear == (person("a", "2"),)


def test_a_guid_that_was_not_listed_before_makes_nobody_vanish():
    found = compare((person("a"),), (person("a", "1"),))
    assert found.appear == found.vanish == ()
    found = compare((person("a", "1"),), (person("a"),))
    assert found.appear == found.vanish == ()


def test_who_is_disabled_now_is_told_once():
    found = compare((person("a"), person("b", disabled=True)), (person("a", disabled=True), person("b", disabled=True)))
    assert found.disabled == (person("a", disabled=True),)
