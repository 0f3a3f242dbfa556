"""Whether a service can know people again that are renamed or moved."""

from __future__ import annotations

from typing import Final

from gateway.ldap.attribute_types import TypeSet
from gateway.policy.settings import ClientPolicy
from gateway.probe.findings import Section

_STEP: Final = "identity"
# MS-ADA3 2.42: of Active Directory. RFC 4530: of OpenLDAP and others.
_ACTIVE_DIRECTORY: Final = "objectGUID"
_OTHERS: Final = "entryUUID"


def check_identity(section: Section, policy: ClientPolicy, active_directory: bool | None) -> None:
    """active_directory: None where no server has said what it is."""
    listed = TypeSet(policy.attributes)
    wanted = {True: (_ACTIVE_DIRECTORY,), False: (_OTHERS,), None: (_ACTIVE_DIRECTORY, _OTHERS)}[active_directory]
    found = [name for name in wanted if listed.find(name) is not None]
    if found:
        section.ok(_STEP, f"{found[0]} may be read: a renamed person stays the same one")
        return
    section.warning(
        _STEP,
        f"{' or '.join(wanted)} is not listed: many services take a person who is renamed or moved for a new one then, "
        "and delete the one from before",
        f"add {wanted[0]} to clients.{policy.name}.attributes, unless your service knows people by another attribute",
    )
