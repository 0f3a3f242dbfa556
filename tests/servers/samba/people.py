"""The names, departments and units from which populate.py makes its people."""

from __future__ import annotations

# GIVEN and FAMILY have pairs of a name as it is displayed and as it stands in a mail address.
_GIVEN_IN_ASCII = """
    Alice Amir Anna Ben Carlos Chloe Clara David Dmitri Elena Emma Fatima Felix Grace Hans Hannah Ivan James Julia Karen
    Kofi Laura Liam Maria Mark Nadia Noah Olivia Omar Paul Priya Quentin Rachel Samuel Sofia Tariq Uma Victor Wendy Yuki
"""
GIVEN = [
    *((name, name.lower()) for name in _GIVEN_IN_ASCII.split()),
    ("Jürgen", "juergen"),
    ("Zoë", "zoe"),
    ("José", "jose"),
    ("Søren", "soeren"),
    ("Łukasz", "lukasz"),
    ("Ольга", "olga"),
    ("太郎", "taro"),
    ("François", "francois"),
    ("Jean-Luc", "jean-luc"),
    ("Mary Ann", "maryann"),
]
_FAMILY_IN_ASCII = """
    Adams Baker Brown Carter Cooper Davies Dubois Evans Fischer Fraser Garcia Green Hansen Harris Hughes Ito Jackson
    Johnson Kaur Khan King Kowalski Lee Lewis Lopez Martin Meyer Moore Morgan Nguyen Novak Patel Quinn Roberts Rossi
    Silva Smith Tanaka Taylor Turner Walker Weber White Young
"""
FAMILY = [
    *((name, name.lower()) for name in _FAMILY_IN_ASCII.split()),
    ("Müller", "mueller"),
    ("O'Brien", "obrien"),
    ("Núñez", "nunez"),
    ("Øster", "oester"),
    ("Иванова", "ivanova"),
    ("山田", "yamada"),
    ("van der Berg", "vanderberg"),
    ("Smith-Jones", "smith-jones"),
    ("D'Angelo", "dangelo"),
    ("Çelik", "celik"),
]
DEPARTMENTS = [
    "Sales",
    "Support",
    "Engineering",
    "Finance",
    "Legal",
    "Marketing",
    "HR",
    "Operations",
    "R+D",
    "Research & Development",
]
TITLES = ["Analyst", "Engineer", "Manager", "Director, EMEA", "Assistant", "VP (acting)", "Consultant", "Architect"]
CITIES = ["London", "Berlin", "Tokyo", "Johannesburg"]

# Names of organizational units below OU=Staff that RFC 4514 wants escaped, or that programs often mishandle though they
# need no escape.
SPECIAL_UNITS = [
    "Sales, EMEA",
    "R+D",
    "#Ops",
    " Leading space",
    "Trailing space ",
    'The "A" Team',
    "Back\\slash",
    # This one needs no escape in a DN, but one in an LDAP URL.
    "A/B Testing",
    "Less<Than",
    "Greater>Than",
    "x=y",
    "Semi;Colon",
    "Müller",
    "日本",
    # This one needs no escape in a DN, but several in a filter.
    "(Paren)*theses*",
]
# The unit below the first of these.
NESTED_UNIT = 'Key; "A" <Accounts>, #1'

# Common names of accounts that can sign in, with their sAMAccountName.
SPECIAL_NAMES = [
    ('Quote "Q" User', "t-quote"),
    ("Back\\slash User", "t-backslash"),
    ("#1 User", "t-hash"),
    ("A+B=C User", "t-plus"),
    ("<Angle>; User", "t-angle"),
    (" Leading User", "t-leading"),
    ("Trailing User ", "t-trailing"),
    ("Slash/User", "t-slash"),
    ("Jürgen Müller", "t-umlaut"),
    ("山田 太郎", "t-cjk"),
    ("Emoji 🙂 User", "t-emoji"),
    ("X" * 64, "t-long"),
]
