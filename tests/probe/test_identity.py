"""Whether doctor warns where the attribute is not listed by which services know people again."""

import pytest

from gateway.probe.findings import Area
from gateway.probe.identity import check_identity
from tests.policy.policies import policy
from tests.probe.said import Said


@pytest.mark.parametrize(
    "attributes, active_directory, status",
    [
        (("mail", "objectGUID"), True, "ok"),
        (("mail", "OBJECTGUID"), None, "ok"),
        (("mail", "1.2.840.113556.1.4.2"), True, "ok"),
        (("mail",), True, "warning"),
        (("mail", "entryUUID"), True, "warning"),
        (("mail", "objectGUID"), False, "warning"),
        (("mail", "entryUUID"), False, "ok"),
        (("mail",), None, "warning"),
    ],
)
def test_the_attribute_by_which_people_are_known_again(attributes, active_directory, status):
    said = Said(Area.policy)
    check_identity(said.section, policy(attributes=attributes), active_directory)
    (found,) = said.findings
    assert found.status == status
    if status == "warning":
        wanted = "entryUUID" if active_directory is False else "objectGUID"
        assert f"add {wanted} to clients.mimecast.attributes" in found.advice
