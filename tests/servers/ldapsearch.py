"""OpenLDAP's ldapsearch: a client that shares no code with the gateway."""

import subprocess
from pathlib import Path


def ldapsearch(
    url: str, ca_file: str | Path, account: tuple[str, str], *arguments: str
) -> "subprocess.CompletedProcess[bytes]":
    """account: name and password. Returns a CompletedProcess, whose output is LDIF without folded lines."""
    name, password = account
    options = ["-x", "-LLL", "-o", "ldif-wrap=no", "-H", url, "-D", name, "-w", password]
    return subprocess.run(
        ["ldapsearch", *options, *arguments],
        env={"PATH": "/usr/bin:/bin", "LDAPCONF": "/dev/null", "LDAPTLS_CACERT": str(ca_file)},
        capture_output=True,
        timeout=120,
    )
