"""A made-up company as entries for slapadd: what Active Directory would hold of it, awkward names included."""

import hashlib
from collections.abc import Iterator, Sequence

# The values of an entry, by attribute; and an entry with its DN.
Attributes = dict[str, Sequence[str | bytes]]
Entry = tuple[str, Attributes]

SUFFIX = "DC=corp,DC=example"
STAFF = f"OU=Staff,{SUFFIX}"
BOARD = f"OU=Board,{STAFF}"
GROUPS = f"OU=Groups,{SUFFIX}"
CONTACTS = f"OU=Contacts,{SUFFIX}"
SERVICE = f"OU=Service Accounts,{SUFFIX}"
SYNC_ACCOUNT = f"CN=svc-sync,{SERVICE}"
SYNC_PASSWORD = "Sync-Account-Passw0rd"
USER_PASSWORD = "User-Passw0rd"

# Every value that must stay inside begins with one of these.
HIDDEN_MARKS = (b"LEAK-", b"SECRET-")

# As RFC 4514 writes them; slapd answers with its own spelling.
DEPARTMENTS = (
    "Sales\\, EMEA",
    "R\\+D",
    "\\#Ops",
    "\\ Leading",
    "Trailing\\ ",
    'The \\"A\\" Team',
    "Back\\\\slash",
    "A/B Testing",
    "Less\\<Than",
    "x\\=y",
    "Semi\\;Colon",
    "Müller",
    "日本",
    "(Paren)*theses*",
)


def make_tree(users: int = 500, contacts: int = 20, photo_every: int = 10, photo_octets: int = 3072) -> Iterator[Entry]:
    """Each entry, parents first.

    photo_every: which users have a thumbnailPhoto, of photo_octets octets.
    Every user's and contact's pager and every user's employeeID begin with LEAK-, every description with SECRET-.
    The department's OUs and BOARD lie below STAFF, and every 25th user in BOARD.
    """
    yield SUFFIX, {"objectClass": ["domain"], "dc": ["corp"]}
    for base in (STAFF, BOARD, GROUPS, CONTACTS, SERVICE):
        yield base, _unit()
    for department in DEPARTMENTS:
        yield f"OU={department},{STAFF}", _unit()
    yield SYNC_ACCOUNT, _person("svc-sync", "svc-sync", SYNC_PASSWORD)
    people = []
    for number in range(1, users + 1):
        dn, person = make_user(number)
        if number % photo_every == 0:
            person["thumbnailPhoto"] = [number.to_bytes(4, "big") * (photo_octets // 4)]
        people.append(dn)
        yield dn, person
    for number in range(1, contacts + 1):
        name = f"Contact {number:05}"
        yield (
            f"CN={name},{CONTACTS}",
            {
                "objectClass": ["contact"],
                "sn": [name],
                "mail": [f"c{number:05}@partner.example"],
                "proxyAddresses": [f"SMTP:c{number:05}@partner.example"],
                "objectGUID": [_guid(name)],
                "pager": ["LEAK-pager"],
                "description": ["SECRET-contact"],
            },
        )
    for name, members in (("GG-All", people), ("GG-Few", people[:3]), ("GG-None", [])):
        group: Attributes = {
            "objectClass": ["group"],
            "mail": [f"{name}@corp.example"],
            "objectGUID": [_guid(name)],
            "groupType": ["-2147483646"],
            "description": ["SECRET-group"],
        }
        if members:
            group["member"] = members
        yield f"CN={name},{GROUPS}", group


def user_dn(number: int) -> str:
    below = BOARD if number % 25 == 0 else f"OU={DEPARTMENTS[number % len(DEPARTMENTS)]},{STAFF}"
    name = f"Fámily\\, Given {number:05}" if number % 3 == 0 else f"User {number:05}"
    return f"CN={name},{below}"


def make_user(number: int) -> Entry:
    """The DN and attributes of a user; they can bind with USER_PASSWORD."""
    account = f"u{number:05}"
    person = _person(account, f"Family {number:05}", USER_PASSWORD)
    person["memberOf"] = [f"CN=GG-All,{GROUPS}"]
    return user_dn(number), person


def _person(account: str, family: str, password: str) -> Attributes:
    return {
        "objectClass": ["user"],
        "sn": [family],
        "displayName": [f"Ünïcode {family}"],
        "sAMAccountName": [account],
        "userPrincipalName": [f"{account}@corp.example"],
        "mail": [f"{account}@corp.example"],
        "proxyAddresses": [f"SMTP:{account}@corp.example", f"smtp:{account}.alias@corp.example"],
        "userAccountControl": ["512"],
        "objectGUID": [_guid(account)],
        "employeeID": [f"LEAK-{account}"],
        "pager": [f"LEAK-{account}"],
        "description": [f"SECRET-{account}"],
        "userPassword": [password],
    }


def _unit() -> Attributes:
    return {"objectClass": ["organizationalUnit"], "description": ["SECRET-unit"]}


def _guid(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]
