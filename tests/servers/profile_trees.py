"""The companies that the shipped profiles other than Active Directory's are made for, as entries for slapadd.

In each, hundreds of people, some groups and things that must stay inside; every hidden value begins with one of
slapd_tree.HIDDEN_MARKS. Passwords are slapd_tree's.
"""

from collections.abc import Iterator

from tests.servers.slapd_tree import SYNC_PASSWORD, USER_PASSWORD, Attributes, Entry

# More than slapd gives without being told to.
PEOPLE = 520
CONTACTS = 20


def domino_tree() -> Iterator[Entry]:
    """Names with and without an organizational unit, flat ones, and groups with nothing above them.

    Every tenth person is not for foreign directories.
    """
    yield "O=Acme", {"objectClass": ["organization"]}
    for unit in ("OU=Sales,O=Acme", "OU=East,OU=Sales,O=Acme"):
        yield unit, {"objectClass": ["organizationalUnit"], "description": ["SECRET-unit"]}
    yield "CN=Mimecast Sync,O=Acme", _domino_person("Mimecast Sync", "sync", "sync@acme.example", SYNC_PASSWORD)
    server: Attributes = {
        "objectClass": ["dominoServer"],
        "mail": ["mail1@acme.example"],
        "description": ["SECRET-server"],
    }
    yield "CN=mail1,O=Acme", server
    people = [f"CN=Jürgen O'Neil {number:05},{_domino_unit(number)}" for number in range(1, PEOPLE + 1)]
    for number, dn in enumerate(people, 1):
        name = f"Jürgen O'Neil {number:05}"
        person = _domino_person(name, f"u{number:05}", f"u{number:05}@acme.example", USER_PASSWORD)
        yield dn, person | {"availableForDirSync": ["0" if number % 10 == 0 else "1"]}
    for number in range(1, CONTACTS + 1):
        name = f"Partner {number:05}"
        contact = _domino_person(name, f"p{number:05}", f"p{number:05}@partner.example", USER_PASSWORD)
        yield f"CN={name}", contact | {"mailAddress": [f"p{number:05}@partner.example"]}
    for name, members in (("Everybody", people), ("Few", [*people[:3], "CN=Partner 00001"]), ("Nobody", ["O=Acme"])):
        yield (
            f"CN={name}",
            {
                "objectClass": ["dominoGroup"],
                "mail": [f"{name}@acme.example"],
                "availableForDirSync": ["1"],
                "member": members,
                "listOwner": ["LEAK-owner"],
                "description": ["SECRET-group"],
            },
        )


def _domino_unit(number: int) -> str:
    return ("O=Acme", "OU=Sales,O=Acme", "OU=East,OU=Sales,O=Acme")[number % 3]


def _domino_person(name: str, short: str, mail: str, password: str) -> Attributes:
    return {
        "objectClass": ["dominoPerson"],
        "sn": [name.split()[-1]],
        "displayName": [name],
        "mail": [mail],
        "uid": [short],
        "shortName": [short],
        "availableForDirSync": ["1"],
        "mailFile": [f"LEAK-{short}.nsf"],
        "httpPassword": [f"LEAK-{short}"],
        "description": [f"SECRET-{short}"],
        "userPassword": [password],
    }


def openldap_tree() -> Iterator[Entry]:
    top = "dc=acme,dc=example"
    yield top, {"objectClass": ["domain"]}
    for unit in ("People", "Groups", "Contacts", "Services"):
        yield f"ou={unit},{top}", {"objectClass": ["organizationalUnit"], "description": ["SECRET-unit"]}
    yield f"cn=mimecast,ou=Services,{top}", _person("mimecast", "services", SYNC_PASSWORD)
    groups = [f"cn=everybody,ou=Groups,{top}", f"cn=few,ou=Groups,{top}"]
    people = [f"uid=u{number:05},ou=People,{top}" for number in range(1, PEOPLE + 1)]
    for number, dn in enumerate(people, 1):
        yield dn, _person(f"Jürgen {number:05}", f"u{number:05}", USER_PASSWORD) | {"memberOf": groups[:1]}
    for number in range(1, CONTACTS + 1):
        yield f"cn=Partner {number:05},ou=Contacts,{top}", _person("Partner", f"p{number:05}", USER_PASSWORD)
    for dn, members in zip(groups, (people, people[:3]), strict=True):
        yield dn, {"objectClass": ["groupOfNames"], "member": members, "description": ["SECRET-group"]}


def google_tree() -> Iterator[Entry]:
    top = "dc=example,dc=com"
    yield top, {"objectClass": ["domain"]}
    for unit in ("ou=Users", "ou=Sales,ou=Users", "ou=Services,ou=Users", "ou=Groups"):
        yield f"{unit},{top}", {"objectClass": ["organizationalUnit"], "description": ["SECRET-unit"]}
    yield f"uid=ldap-sync,ou=Services,ou=Users,{top}", _person("Sync", "ldap-sync", SYNC_PASSWORD)
    group = f"cn=everybody,ou=Groups,{top}"
    people = [f"uid=u{number:05},{'ou=Sales,' if number % 2 else ''}ou=Users,{top}" for number in range(1, PEOPLE + 1)]
    for number, dn in enumerate(people, 1):
        # Google's schema has memberOf, slapd's inetOrgPerson has not.
        person = _person(f"Jürgen {number:05}", f"u{number:05}", USER_PASSWORD)
        yield dn, person | {"objectClass": ["inetOrgPerson", "extensibleObject"], "memberOf": [group]}
    yield group, {"objectClass": ["groupOfNames"], "member": people, "description": ["SECRET-group"]}


def _person(name: str, uid: str, password: str) -> Attributes:
    return {
        "objectClass": ["inetOrgPerson"],
        "cn": [name],
        "sn": [name.split()[-1]],
        "displayName": [name],
        "uid": [uid],
        "mail": [f"{uid}@acme.example"],
        "employeeNumber": [f"LEAK-{uid}"],
        "description": [f"SECRET-{uid}"],
        "userPassword": [password],
    }
