#!/usr/bin/python3
"""The making of an empty domain: provision.py SMB_CONF, called by provision.sh with the settings in its environment.

`samba-tool domain provision` calls the same function of Samba, but cannot leave out the NT ACLs of sysvol, which need
POSIX ACLs and extended attributes in the file system. Nothing here serves files, so the lab leaves them out.
"""

import inspect
import logging
import os
import sys
from typing import Any

from samba.auth import system_session
from samba.dcerpc import security
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.param import LoadParm
from samba.provision import FILL_FULL, provision


def main() -> None:
    smb_conf = sys.argv[1]
    settings = LoadParm()
    settings.load(smb_conf)
    logging.basicConfig(level=logging.INFO)
    # Samba 4.22 would make a domain for Windows 2016 with another schema than 4.17. Both shall make the same one.
    same_domain: dict[str, Any] = {"base_schema": "2012_R2"}
    if "adprep_level" in inspect.signature(provision).parameters:
        same_domain["adprep_level"] = None
    provision(
        logging.getLogger("provision"),
        system_session(),
        smbconf=smb_conf,
        lp=settings,
        realm=settings.get("realm"),
        domain=settings.get("workgroup"),
        hostname=settings.get("netbios name").lower(),
        hostip=os.environ["LAB_IP"],
        domainsid=security.dom_sid(os.environ["LAB_SID"]),
        adminpass=os.environ["LAB_ADMIN_PW"],
        serverrole="active directory domain controller",
        dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
        samdb_fill=FILL_FULL,
        # With a DNS backend there are the partitions DomainDnsZones and ForestDnsZones, and a search of the domain's
        # root gives three referrals, as on Windows.
        dns_backend="SAMBA_INTERNAL",
        skip_sysvolacl=True,
        **same_domain,
    )


if __name__ == "__main__":
    main()
