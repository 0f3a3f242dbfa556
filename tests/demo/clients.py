"""ldap3 as a client that knows nothing of the project."""

from __future__ import annotations

import ssl
from pathlib import Path

import ldap3


def connect(port: int, ca_file: Path, name: str, password: str) -> ldap3.Connection:
    """To a port of 127.0.0.1 over verified LDAPS; neither opened nor bound yet."""
    # Without ssl.match_hostname, which Python 3.12 has no more, ldap3 compares DNS names alone.
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ca_file), valid_names=["localhost"])
    server = ldap3.Server("127.0.0.1", port, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=10)
    return ldap3.Connection(server, name, password, receive_timeout=20, return_empty_attributes=False)
