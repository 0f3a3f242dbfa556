"""Whether a service can know people again that are renamed or moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.ask.findings import Section
from gateway.ask.root_dse import RootDse
from gateway.ldap.attribute_types import TypeSet
from gateway.policy.settings import ClientPolicy

_STEP: Final = "identity"
# MS-ADA3 2.42: of Active Directory. RFC 4530: of OpenLDAP and others; Domino has neither.
_ACTIVE_DIRECTORY: Final = "objectGUID"
_OTHERS: Final = "entryUUID"


def check_identity(section: Section, policy: ClientPolicy, shown: Sequence[RootDse]) -> None:
    """shown: the root DSE of each server of the directory that could be asked."""
    listed = TypeSet(policy.attributes)
    wanted: tuple[str, ...] = (_ACTIVE_DIRECTORY, _OTHERS)
    if any(each.is_domino for each in shown):
        return
    if shown:
        wanted = (_ACTIVE_DIRECTORY,) if any(each.is_active_directory for each in shown) else (_OTHERS,)
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
