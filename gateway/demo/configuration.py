"""The gateway's configuration file for the demo, as somebody would write it for the made-up directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from gateway.demo.certificates import CertificateFiles
from gateway.demo.people import CONTACTS, DOMAIN, GROUPS, SECRET_PROJECTS, STAFF, SUFFIX, SYNC_ACCOUNT

CLIENT: Final = "mimecast"
DIRECTORY: Final = "demo"
BASE_DNS: Final = (str(STAFF), str(GROUPS), str(CONTACTS))
EXCLUDED_BASE_DNS: tuple[str, ...] = (str(SECRET_PROJECTS),)
ATTRIBUTES: tuple[str, ...] = (
    "objectClass",
    "objectGUID",
    "mail",
    "proxyAddresses",
    "sAMAccountName",
    "userPrincipalName",
    "userAccountControl",
    "member",
    "memberOf",
    "cn",
    "displayName",
    "givenName",
    "sn",
)

_FILE: Final = """\
# What `ldap-gateway demo` serves.
listeners:
  - {{address: "127.0.0.1:0", certificate: {certificate}, private_key: {private_key}}}

directories:
  {directory}:
    servers: [{{url: "ldaps://127.0.0.1:{port}", server_name: localhost}}]
    ca_file: {ca_file}
    naming_contexts: [{suffix}]
    health: "off"                        # what the directory hears is the client's doing alone
    spares: 0

clients:
  {client}:
    sources: [127.0.0.1]
    directory: {directory}
    sync_accounts: [{account}, {account_dn}]
    login_base_dns: [{staff}]
    login_domains: [{domain}]
    base_dns: {base_dns}
    excluded_base_dns: {excluded}
    required_filter: "(mail=*)"          # nothing without a mail address leaves
    attributes: {attributes}

state_dir: .
admin: null
drain_timeout: 2
"""


def write_configuration(path: Path, gateway: CertificateFiles, server: CertificateFiles, server_port: int) -> None:
    """gateway: the listener's files; server: those of the embedded directory, which listens on server_port.
    Raises OSError."""
    # A JSON string is a YAML string too.
    path.write_text(
        _FILE.format(
            client=CLIENT,
            directory=DIRECTORY,
            certificate=json.dumps(str(gateway.certificate)),
            private_key=json.dumps(str(gateway.private_key)),
            port=server_port,
            ca_file=json.dumps(str(server.ca_file)),
            suffix=json.dumps(str(SUFFIX)),
            account=json.dumps(SYNC_ACCOUNT.user_principal_name),
            account_dn=json.dumps(str(SYNC_ACCOUNT.dn)),
            staff=json.dumps(str(STAFF)),
            domain=json.dumps(DOMAIN),
            base_dns=json.dumps(BASE_DNS),
            excluded=json.dumps(EXCLUDED_BASE_DNS),
            attributes=json.dumps(ATTRIBUTES),
        ),
        encoding="utf-8",
    )
