"""The loose form of values: what any server takes for the same is the same here, for all of Unicode, at little cost."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap.loose import LONGEST, loose_forms
from tests.examples import examples
from tests.spellings import spellings

ASSIGNED = [
    chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")
]


def same(one, other):
    return not set(loose_forms(one)).isdisjoint(loose_forms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "ＡＬＩＣＥ"),
        ("alice", "ⓐⓛⓘⓒⓔ"),
        ("alice", "𝖆𝖑𝖎𝖈𝖊"),
        ("alice", "🅐🅛🅘🅒🅔"),
        ("alice", "⒜⒧⒤⒞⒠"),
        ("alice", "a\u200bl\u00adi\u0301c\ufe0fe"),
        ("alice", " a l\u00a0i\u3000c\te "),
        ("alice", "alıce"),
        ("space person", "space  person"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("straße", "STRASSE"),
        ("straẞe", "strasse"),
        ("Łódź", "lodz"),
        ("Søren Ærø", "soren aero"),
        ("Þórður", "thordur"),
        ("Đặng", "dang"),
        ("Ħal Għargħur", "hal gharghur"),
        ("cœur", "coeur"),
        ("ﬁne", "fine"),
        ("ŀ", "l"),
        ("ŉ", "n"),
        ("ｶﾞｷﾞ", "がぎ"),
        ("カキ", "かき"),
        ("ｧ", "あ"),
        ("カー", "かあ"),
        ("あゝ", "ああ"),
        ("佐々木", "佐佐木"),
        ("user12", "user１２"),
        ("user12", "user١٢"),
        ("user12", "user①②"),
        ("user4", "user⑷"),
        ("user4", "user⒋"),
        ("user4", "userⅣ"),
        ("useriv", "userⅣ"),
        ("كتاب", "كـتـاب"),
        ("שלום", "שלומ"),
        ("svc-x", "svc－x"),
        ("svc-x", "svc⁻x"),
        ("ㄱ", "ᄀ"),
        ("가", "\u1100\u1161"),
        ("알", "ᄋ\u1161\u11af"),
        ("\ufdfa", "صلى الله عليه وسلم"),
    ],
)
def test_what_some_server_takes_for_the_same(one, other):
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "alicf"),
        ("alice", "alic"),
        ("а", "a"),
        ("user1", "user2"),
        ("j.smith", "jsmith"),
        ("svc-x", "svc_x"),
        ("山田", "山本"),
        ("さとう", "すとう"),
        ("김", "이"),
        ("Иванов", "Петров"),
        ("សុខ", "ចាន់"),
    ],
)
def test_what_no_server_takes_for_the_same(one, other):
    assert not same(one, other)


def test_a_value_of_characters_that_one_server_leaves_out_is_still_told_from_others():
    assert loose_forms("សុខ") == ("សខ",)
    assert loose_forms("x សុខ") == ("xសខ", "x")


def test_a_value_of_nothing_but_symbols_has_an_empty_form():
    assert loose_forms("★ \u200b") == ("",) == loose_forms(" ")


CHANGES = [
    str.lower,
    str.casefold,
    *(lambda text, form=form: unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    lambda text: text.upper() if len(text.upper()) == len(text) else text,
    lambda text: f"\u200b {text}\u3000 ",
]


def test_no_character_is_told_from_what_servers_make_of_it():
    told = []
    for character in ASSIGNED:
        # The character between others, since a server may leave it out at an end.
        forms = set(loose_forms(f"x{character}x"))
        for changed in {change(character) for change in CHANGES} - {character}:
            if forms.isdisjoint(loose_forms(f"x{changed}x")):
                told.append(character)
    # Read as a mark by Active Directory and as an iota by the others, but never as a mark and an iota.
    assert [c for c in told if "YPOGEGRAMMENI" not in unicodedata.name(c)] == []


@given(st.text(max_size=40))
def test_the_form_of_a_form_is_itself(text):
    for form in loose_forms(text):
        assert form in loose_forms(form)


@given(
    st.sampled_from(("alice", "Ola Nordmann", "user12", "svc-sync", "さとう たろう", "Ἀθηνᾶ")).flatmap(
        lambda name: st.tuples(st.just(name), spellings(name))
    )
)
@settings(max_examples=examples(500), deadline=None)
def test_every_spelling_has_a_form_of_the_name(spelt):
    assert same(*spelt), spelt


@pytest.mark.parametrize("unit", ["a", "\ufdfa", "é", "ｱ", "ー", "\u0301", "あゝ", "Ⅳ", "日", " ", "🅐"])
def test_a_form_is_bounded_whatever_the_value_expands_to(unit):
    for size in (8 * 1024, 16 * 1024):
        forms = loose_forms(unit * size)
        assert all(len(form) <= LONGEST for form in forms)


def steps(act):
    """Calls of Python's and of C's functions and lines, which depend on no clock."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += 1
        return count

    sys.settrace(count)
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.settrace(None)
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("unit", ["a", "\ufdfa", "é", "ー", "\u0301", "あゝ", "Ⅳ", "⑴", "日"])
def test_twice_the_length_is_at_most_twice_the_work(unit):
    loose_forms(unit * 16)
    once, twice = (steps(lambda size=size: loose_forms(unit * size)) for size in (20_000, 40_000))
    assert twice <= 2.2 * once


def test_characters_that_come_by_the_thousand_are_not_all_remembered():
    from gateway.ldap.loose import _FORMS, REMEMBERED

    for start in range(0x20000, 0x20000 + 2 * REMEMBERED, 1000):
        loose_forms("".join(map(chr, range(start, start + 1000))))
    assert len(_FORMS._known) <= REMEMBERED
    assert same("alice", "ａlice")
