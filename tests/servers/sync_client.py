"""What a directory sync does, with ldap3: connect over LDAPS, bind, page through the bases."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import ldap3


def connect(host: str, port: int, ca_file: str | Path, name: str, password: str) -> ldap3.Connection:
    """A connection after its bind; result tells how that ended."""
    tls = ldap3.Tls(ca_certs_file=str(ca_file), validate=2, valid_names=["localhost", "dc1.corp.example"])
    server = ldap3.Server(host, port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(
        server, name, password, receive_timeout=60, auto_range=False, return_empty_attributes=False
    )
    connection.bind()
    return connection


def sync(
    connection: ldap3.Connection, bases: Iterable[str], attributes: Sequence[str], page: int = 100
) -> dict[bytes, dict[str, list[bytes]]]:
    """Every entry's raw values, sorted, by DN."""
    found: dict[bytes, dict[str, list[bytes]]] = {}
    for base in bases:
        for entry in connection.extend.standard.paged_search(
            base, "(objectClass=*)", attributes=attributes, paged_size=page, generator=True
        ):
            assert entry["type"] == "searchResEntry"
            values = {key: sorted(value) for key, value in entry["raw_attributes"].items() if value}
            assert found.setdefault(entry["raw_dn"], values) is values
    return found
