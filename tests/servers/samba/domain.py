"""The domain of a lab, open for writing while its domain controller does not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.sd_utils import SDUtils

# Bits of userAccountControl (MS-ADTS 2.2.16).
NORMAL, DISABLED, NO_EXPIRY, WORKSTATION = 0x200, 0x2, 0x10000, 0x1000
# Values of groupType (MS-ADTS 2.2.12): the security bit makes the number negative.
GLOBAL_SECURITY, UNIVERSAL_SECURITY, GLOBAL_DISTRIBUTION = -2147483646, -2147483640, 2


def unicode_password(password: str) -> bytes:
    """The form in which the attribute unicodePwd is set (MS-ADTS 3.1.1.3.1.5.1)."""
    return f'"{password}"'.encode("utf-16-le")


def rdn_value(value: str) -> str:
    """The value of an RDN as RFC 4514 2.4 writes it."""
    escaped = "".join(f"\\{character}" if character in ',+"\\<>;=' else character for character in value)
    if escaped.startswith(("#", " ")):
        escaped = f"\\{escaped}"
    if len(value) > 1 and escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return escaped


class Domain:
    """settings: those of the lab's lab.env. The methods whose names begin with `add_` return the DN of what they add.

    accounts: those that add_account has added, by sAMAccountName.
    """

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.dns = settings["LAB_DNSDOMAIN"]
        self.base = settings["LAB_BASE"]
        self.accounts: dict[str, dict[str, str | None]] = {}
        parameters = LoadParm()
        parameters.load(f"{settings['LAB_DIR']}/etc/smb.conf")
        self._database = SamDB(
            f"{settings['LAB_DIR']}/private/sam.ldb",
            lp=parameters,
            session_info=system_session(),
            # batch_mode saves a transaction within the transaction for each entry. The cache must hold every index
            # record that the one transaction touches, or 20,000 people take twice the time.
            options=["batch_mode:1", "transaction_index_cache_size:200000"],
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keeps everything that is written inside, or nothing where that raises."""
        self._database.transaction_start()
        try:
            yield
        except BaseException:
            self._database.transaction_cancel()
            raise
        self._database.transaction_commit()

    def add_entry(self, dn: str, object_class: str, **attributes: Any) -> str:
        """attributes: those without a value (None, an empty text or list) are left out."""
        entry = {name: value for name, value in attributes.items() if value not in (None, "", [])}
        self._database.add({"dn": dn, "objectClass": object_class, **entry})
        return dn

    def add_unit(self, name: str, parent: str | None = None) -> str:
        return self.add_entry(f"OU={rdn_value(name)},{parent or self.base}", "organizationalUnit")

    def add_account(
        self,
        common_name: str,
        name: str,
        unit: str,
        *,
        note: str,
        password: str | None = None,
        control: int = NORMAL | NO_EXPIRY,
        bind_data: str | None = None,
        **attributes: Any,
    ) -> str:
        """password: by default LAB_USER_PW. bind_data: the code behind `data` in the text of a failed bind with the
        right password, None where such a bind succeeds."""
        password = password or self.settings["LAB_USER_PW"]
        dn = self.add_entry(
            f"CN={rdn_value(common_name)},{unit}",
            "user",
            sAMAccountName=name,
            userPrincipalName=f"{name}@{self.dns}",
            displayName=common_name,
            userAccountControl=str(control),
            unicodePwd=unicode_password(password),
            **attributes,
        )
        self.accounts[name] = {
            "dn": dn,
            "upn": f"{name}@{self.dns}",
            "nt": f"{self.settings['LAB_DOMAIN']}\\{name}",
            "password": password,
            "bind_data": bind_data,
            "note": note,
        }
        return dn

    def add_group(
        self, name: str, members: list[str], *, account: str = "", kind: int = GLOBAL_SECURITY, **attributes: Any
    ) -> str:
        """Needs OU=Groups. account: the group's sAMAccountName, by default its name."""
        return self.add_entry(
            f"CN={rdn_value(name)},OU=Groups,{self.base}",
            "group",
            sAMAccountName=account or name,
            member=members,
            groupType=str(kind),
            **attributes,
        )

    def replace(self, dn: str, **attributes: str) -> None:
        """Sets attributes of an entry, those that only the system may set as well."""
        change = ldb.Message(ldb.Dn(self._database, dn))
        for name, value in attributes.items():
            change[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        self._database.modify(change)

    def add_member(self, group: str, member: str) -> None:
        self._database.modify_ldif(f"dn: {group}\nchangetype: modify\nadd: member\nmember: {member}\n")

    def add_ace(self, dn: str, ace: str) -> None:
        """ace: in SDDL (MS-DTYP 2.5.1), for the entry's DACL."""
        SDUtils(self._database).dacl_add_ace(dn, ace)
