import uuid

from gateway.ldap.kinds import Kind, kind_of
from gateway.ldap.messages import Attribute, SearchResultEntry
from gateway.policy.settings import ClientPolicy
from gateway.tools.preview.census import Census, Mark

BASE = "OU=Staff,DC=corp,DC=example"
ATTRIBUTES = ("objectClass", "objectGUID", "mail", "proxyAddresses", "userAccountControl", "member", "title")


def census(attributes=ATTRIBUTES):
    return Census(ClientPolicy("mimecast", (), (), (), tuple(attributes)))


def entry(name, **attributes):
    made = (
        Attribute(key, tuple(value.encode() if isinstance(value, str) else value for value in values))
        for key, values in attributes.items()
    )
    return SearchResultEntry(f"CN={name},{BASE}", tuple(made))


def marks(entry, kind, attributes=ATTRIBUTES):
    counted = census(attributes)
    counted.add(entry, kind, BASE)
    return counted.marks(counted.seen[0])


def test_kinds_as_active_directory_nests_its_classes():
    assert kind_of(["top", "person", "organizationalPerson", "user"]) is Kind.user
    assert kind_of(["top", "person", "organizationalPerson", "user", "computer"]) is Kind.computer
    assert kind_of(["top", "person", "organizationalPerson", "contact"]) is Kind.contact
    assert kind_of(["TOP", "GroupOfNames"]) is Kind.group
    assert kind_of(["top", "organizationalUnit"]) is Kind.container
    assert kind_of([]) is Kind.other


def test_marks_of_a_person():
    full = entry("a", mail=["a@x.example"], proxyAddresses=["SMTP:a@x.example"], userAccountControl=["512"])
    assert marks(full, Kind.user) == set()
    assert marks(entry("a", userAccountControl=["514"]), Kind.user) == {
        Mark.no_mail,
        Mark.no_proxy_addresses,
        Mark.disabled,
    }
    # What AD writes for an account that needs no password and no expiry either; bit 2 is not set.
    assert Mark.disabled not in marks(entry("a", userAccountControl=["66080"]), Kind.user)
    assert Mark.disabled not in marks(entry("a", userAccountControl=["x"]), Kind.user)


def test_an_attribute_without_values_is_not_filled():
    assert Mark.no_mail in marks(entry("a", mail=[]), Kind.user)


def test_a_group_with_a_range_of_members_has_members():
    assert Mark.no_members in marks(entry("g", mail=["g@x.example"]), Kind.group)
    # Windows sends an empty member beside the range.
    assert Mark.no_members not in marks(entry("g", **{"member": [], "member;range=0-1499": ["CN=a"]}), Kind.group)


def test_what_is_not_listed_is_not_told():
    counted = census(("objectClass", "mail"))
    counted.add(entry("a"), Kind.user, BASE)
    counted.add(entry("g"), Kind.group, BASE)
    counts = counted.counts()[BASE]
    assert counts[Kind.user].marks == {
        Mark.no_mail: 1,
        Mark.no_proxy_addresses: None,
        Mark.disabled: None,
        Mark.shared_address: 0,
        Mark.no_members: None,
    }
    assert counts[Kind.group].marks[Mark.no_members] is None


def test_an_address_is_shared_in_whatever_case_and_attribute():
    counted = census()
    counted.add(entry("a", mail=["Info@X.example"], proxyAddresses=["SMTP:info@x.example"]), Kind.user, BASE)
    counted.add(entry("b", proxyAddresses=["smtp:INFO@x.example", "X500:/o=x"]), Kind.contact, "OU=Contacts")
    counted.add(entry("c", mail=["c@x.example"], proxyAddresses=["X500:/o=x"]), Kind.user, BASE)
    assert counted.shared_addresses() == {"info@x.example": (f"CN=a,{BASE}", f"CN=b,{BASE}")}
    counts = counted.counts()
    assert counts[BASE][Kind.user].marks[Mark.shared_address] == 1
    assert counts["OU=Contacts"][Kind.contact].marks[Mark.shared_address] == 1


def test_the_same_address_twice_in_one_entry_is_not_shared():
    counted = census()
    counted.add(entry("a", mail=["a@x.example"], proxyAddresses=["SMTP:a@x.example"]), Kind.user, BASE)
    assert counted.shared_addresses() == {}


def test_guids_are_written_as_people_write_them():
    guid = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    counted = census((*ATTRIBUTES, "entryUUID"))
    counted.add(entry("a", objectGUID=[guid.bytes_le]), Kind.user, BASE)
    counted.add(entry("b", entryUUID=[str(guid).upper()]), Kind.user, BASE)
    counted.add(entry("c", objectGUID=[b"short"]), Kind.user, BASE)
    assert [each.guid for each in counted.seen] == [str(guid), str(guid), ""]


def test_attributes_are_counted_by_entries_and_kind():
    counted = census()
    counted.add(entry("a", mail=["a@x.example", "b@x.example"]), Kind.user, BASE)
    counted.add(entry("g", MAIL=["g@x.example"], pager=["1"]), Kind.group, BASE)
    used = {use.name: use.holders for use in counted.attributes()}
    assert list(used) == list(ATTRIBUTES)
    assert used["mail"] == {Kind.user: 1, Kind.group: 1}
    assert used["title"] == {}
