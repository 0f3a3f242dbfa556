"""Whether doctor warns where the attribute is not listed by which services know people again."""

import pytest

from gateway.ask.findings import Area
from gateway.ask.root_dse import RootDse
from gateway.tools.doctor.identity import check_identity
from tests.policy.policies import policy
from tests.tools.said import Said

AD, OTHER = RootDse(is_active_directory=True), RootDse()


@pytest.mark.parametrize(
    "attributes, server, status",
    [
        (("mail", "objectGUID"), AD, "ok"),
        (("mail", "OBJECTGUID"), None, "ok"),
        (("mail", "1.2.840.113556.1.4.2"), AD, "ok"),
        (("mail",), AD, "warning"),
        (("mail", "entryUUID"), AD, "warning"),
        (("mail", "objectGUID"), OTHER, "warning"),
        (("mail", "entryUUID"), OTHER, "ok"),
        (("mail",), None, "warning"),
    ],
)
def test_the_attribute_by_which_people_are_known_again(attributes, server, status):
    said = Said(Area.policy)
    check_identity(said.section, policy(attributes=attributes), () if server is None else (server,))
    (found,) = said.findings
    assert found.status == status
    if status == "warning":
        wanted = "entryUUID" if server is OTHER else "objectGUID"
        assert f"add {wanted} to clients.mimecast.attributes" in found.advice


def test_domino_has_no_such_attribute():
    said = Said(Area.policy)
    check_identity(said.section, policy(attributes=("mail",)), (RootDse(is_domino=True),))
    assert said.findings == []
