"""A small company as a copy: a few people, groups that are members of groups (some in a circle), a contact."""

from gateway.entra.published import PublishedEntry
from tests.entra.copies import BASE, CONTACTS, GROUPS, PERSON_CATEGORY, USERS, containers, entry, group, person

# The id of the design's example, with its octets.
ANN_ID = "f82d79af-1278-4894-ac01-d90e30875cf8"
ANN_GUID = bytes.fromhex("af792df878129448ac01d90e30875cf8")
ANN_SID = "S-1-12-1-4163729839-1217663608-249102764-4166813488"
ANN_SID_OCTETS = bytes.fromhex("010500000000000c01000000") + ANN_GUID

ANN, BOB, CENEK, DOE = (f"CN={name},{USERS}" for name in ("Ann", "Bob", "Čenek", "Doe\\, Jo"))
STAFF, TEAM, RING1, RING2, EMPTY = (f"CN={name},{GROUPS}" for name in ("Staff", "Team", "Ring 1", "Ring 2", "Empty"))
PARTNER = f"CN=Partner,{CONTACTS}"


def company() -> list[PublishedEntry]:
    return [*containers(), *people(), *groups(), contact()]


def people() -> list[PublishedEntry]:
    ann = person(
        "Ann",
        displayName=["Ann  Ash"],
        givenName=["Ann"],
        sn=["Ash"],
        mail=["Ann.Ash@corp.example"],
        proxyAddresses=["SMTP:Ann.Ash@corp.example", "smtp:aa@corp.example"],
        userPrincipalName=["ann@corp.example"],
        sAMAccountName=["ann"],
        userAccountControl=["512"],
        objectGUID=[ANN_GUID],
        objectSid=[ANN_SID_OCTETS],
        manager=[BOB],
        memberOf=[STAFF],
        whenCreated=["20261130102030.0Z"],
        msExchHideFromAddressLists=["TRUE"],
    )._replace(id=ANN_ID)
    bob = person(
        "Bob",
        displayName=["Bob Müller"],
        sn=["Müller"],
        mail=["bob@corp.example"],
        sAMAccountName=["bob"],
        userAccountControl=["514"],
        manager=[CENEK],
        memberOf=[TEAM],
        whenCreated=["20261201000000.0Z"],
        msExchHideFromAddressLists=["FALSE"],
    )
    cenek = person("Čenek", displayName=["Čenek*(Boss)\\"], sn=["Č"], userAccountControl=["66048"])
    doe = person("Doe\\, Jo")._replace(
        attributes={
            "objectClass": [b"top", b"person", b"organizationalPerson", b"user"],
            "objectCategory": [PERSON_CATEGORY.encode()],
            "cn": [b"Doe, Jo"],
            "objectGUID": [b"\x00\x01\x02\xff" * 4],
            "department": [b"R+D"],
        }
    )
    return [ann, bob, cenek, doe]


def groups() -> list[PublishedEntry]:
    return [
        group("Staff", member=[ANN, TEAM], groupType=["-2147483640"], mail=["staff@corp.example"]),
        group("Team", member=[BOB], memberOf=[STAFF], groupType=["8"]),
        group("Ring 1", member=[RING2, DOE], memberOf=[RING2], groupType=["8"]),
        group("Ring 2", member=[RING1], memberOf=[RING1], groupType=["8"]),
        group("Empty", groupType=["8"]),
    ]


def contact() -> PublishedEntry:
    return entry(
        PARTNER,
        objectClass=["top", "person", "organizationalPerson", "contact"],
        objectCategory=[PERSON_CATEGORY],
        cn=["Partner"],
        mail=["Partner@elsewhere.example"],
    )


PEOPLE = (ANN, BOB, CENEK, DOE)
ALL_GROUPS = (STAFF, TEAM, RING1, RING2, EMPTY)
UNITS = (USERS, GROUPS, CONTACTS)
EVERYTHING = (BASE, *UNITS, *PEOPLE, *ALL_GROUPS, PARTNER)
