"""A large made-up tenant as a copy: people, groups and who is in which group, without holding any of it in memory."""

from collections.abc import Iterator
from uuid import UUID

from gateway.entra.published import PublishedEntry
from tests.entra.copies import BASE, GROUP_CATEGORY, GROUPS, PERSON_CATEGORY, USERS, containers

DOMAIN = "corp.example"
# Groups of each person.
_GROUPS_EACH = 10


class Tenant:
    """people: a multiple of groups / 10, so that all groups have as many members. generation: another one has other
    titles."""

    def __init__(self, people: int, groups: int) -> None:
        self.people = people
        self.groups = groups

    @property
    def memberships(self) -> int:
        return self.people * _GROUPS_EACH

    def entries(self, generation: int = 0) -> Iterator[PublishedEntry]:
        yield from containers()
        for number in range(self.people):
            yield self.person(number, generation)
        for number in range(self.groups):
            yield self.group(number)

    def person(self, number: int, generation: int = 0) -> PublishedEntry:
        id = UUID(int=(0xA5 << 120) + number)
        name = f"Given{number % 997} Family{number}"
        account = f"u{number:06}"
        first = number * _GROUPS_EACH
        values = {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "objectCategory": [PERSON_CATEGORY],
            "cn": [name, _rdn(name, number)],
            "name": [_rdn(name, number)],
            "displayName": [name],
            "givenName": [f"Given{number % 997}"],
            "sn": [f"Family{number}"],
            "mail": [f"{account}@{DOMAIN}"],
            "proxyAddresses": [f"SMTP:{account}@{DOMAIN}", f"smtp:{account}.alias@{DOMAIN}"],
            "mailNickname": [account],
            "userPrincipalName": [f"{account}@{DOMAIN}"],
            "sAMAccountName": [account],
            "userAccountControl": ["514" if number % 50 == 0 else "512"],
            "employeeID": [str(number)],
            "title": [f"Title {generation} of {number % 40}"],
            "department": [f"Department {number % 300}"],
            "company": ["Corp"],
            "telephoneNumber": [f"+49 30 {number:06}"],
            "mobile": [f"+49 170 {number:06}"],
            "physicalDeliveryOfficeName": [f"Office {number % 100}"],
            "l": ["Berlin"],
            "postalCode": ["10115"],
            "streetAddress": [f"Street {number % 200}"],
            "co": ["Germany"],
            "c": ["DE"],
            "preferredLanguage": ["de-DE"],
            "whenCreated": ["20260101000000.0Z"],
            "manager": [self.person_dn(number // 10)],
            "memberOf": [self.group_dn((first + each) % self.groups) for each in range(_GROUPS_EACH)],
        }
        return _entry(id, self.person_dn(number), values)

    def group(self, number: int) -> PublishedEntry:
        id = UUID(int=(0x5A << 120) + number)
        step = self.groups // _GROUPS_EACH
        members = range(number // _GROUPS_EACH, self.people, step)
        name = f"Group {number}"
        values = {
            "objectClass": ["top", "group"],
            "objectCategory": [GROUP_CATEGORY],
            "cn": [name],
            "name": [name],
            "displayName": [name],
            "mail": [f"g{number:06}@{DOMAIN}"],
            "proxyAddresses": [f"SMTP:g{number:06}@{DOMAIN}"],
            "groupType": ["8"],
            "member": [self.person_dn(each) for each in members],
        }
        return _entry(id, self.group_dn(number), values)

    def person_dn(self, number: int) -> str:
        return f"CN={_rdn(f'Given{number % 997} Family{number}', number)},{USERS}"

    def group_dn(self, number: int) -> str:
        return f"CN=Group {number},{GROUPS}"


def _rdn(name: str, number: int) -> str:
    return f"{name} ({number:08x})"


def _entry(id: UUID, dn: str, values: dict[str, list[str]]) -> PublishedEntry:
    octets = {name: [value.encode() for value in given] for name, given in values.items()}
    return PublishedEntry(str(id), dn, {"objectGUID": [id.bytes_le], **octets})


__all__ = ["BASE", "DOMAIN", "Tenant"]
