"""The gateway's configuration file for the demo, as somebody would write it for the made-up directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from gateway.demo.certificates import CertificateFiles
from gateway.demo.people import CONTACTS, DOMAIN, GROUPS, SECRET_PROJECTS, STAFF, SUFFIX, SYNC_ACCOUNT
from gateway.demo.place import Place
from gateway.link.keys import PairFiles

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

# Of a link, at its two ends.
LINK: Final = "inside"
CALLED: Final = "dmz"
AGENT: Final = "inside-1"
# The service's name at the gateway outside.
MAPPED_ACCOUNT: Final = "mimecast-sync"

_LISTENER: Final = """\
listeners:
  - {{address: "127.0.0.1:0", certificate: {certificate}, private_key: {private_key}}}
"""
_SERVER: Final = """\
    servers: [{{url: {url}, server_name: {server_name}}}]
    ca_file: {ca_file}
    health: "off"                        # what the directory hears is the client's doing alone
    spares: 0
"""
# What each gateway of a demo has in its file: what leads to the directory, where the client comes from, and how it
# signs in go between the lines.
_FILE: Final = """\
# What `ldap-gateway demo` serves.
{beginning}
directories:
  {directory}:
{way}    naming_contexts: [{suffix}]

clients:
  {client}:
    {origin}
    directory: {directory}
    {credentials}
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
_OUTSIDE: Final = """\
links:
  {link}:
    address: {address}
    sources: [127.0.0.1]
    identity: {identity}
    agents: {{{agent}: {pinned}}}
"""
_INSIDE: Final = """\
links:
  {link}:
    call: [{address}]
    identity: {identity}
    hosts: {{{address}: {pinned}}}
"""


def write_configuration(path: Path, gateway: CertificateFiles, directory: Place) -> None:
    """The file of a gateway before the directory. gateway: the listener's files. Raises OSError."""
    accounts = f"[{_text(SYNC_ACCOUNT.user_principal_name)}, {_text(SYNC_ACCOUNT.dn)}]"
    _write(path, _listener(gateway), _server(directory), "sources: [127.0.0.1]", f"sync_accounts: {accounts}")


def write_outside(path: Path, gateway: CertificateFiles, address: str, own: PairFiles, pinned: Path, hash: str) -> None:
    """The file of the gateway outside. address: where the inside calls. own, pinned: the keys. hash: of the service's
    secret. Raises OSError."""
    link = _OUTSIDE.format(
        link=LINK, address=_text(address), identity=_identity(own), agent=_text(AGENT), pinned=_text(pinned)
    )
    beginning = f"{_listener(gateway)}\n{link}"
    _write(path, beginning, f"    link: {LINK}\n", "sources: [127.0.0.1]", _mapped({"hashes": [hash]}))


def write_inside(
    path: Path, directory: Place, address: str, own: PairFiles, pinned: Path, hash: str, password_file: Path
) -> None:
    """The file of the gateway inside. address: where the outside is called. own, pinned: the keys. hash: of the
    service's secret. password_file: of the account in the directory. Raises OSError."""
    link = _INSIDE.format(link=CALLED, address=_text(address), identity=_identity(own), pinned=_text(pinned))
    account: dict[str, object] = {
        "hashes": [hash],
        "bind_dn": str(SYNC_ACCOUNT.dn),
        "password_file": str(password_file),
    }
    _write(path, link, _server(directory), f"links: [{CALLED}]", _mapped(account))


def _write(path: Path, beginning: str, way: str, origin: str, credentials: str) -> None:
    path.write_text(
        _FILE.format(
            beginning=beginning,
            way=way,
            origin=origin,
            credentials=credentials,
            client=CLIENT,
            directory=DIRECTORY,
            suffix=_text(SUFFIX),
            staff=_text(STAFF),
            domain=_text(DOMAIN),
            base_dns=json.dumps(BASE_DNS),
            excluded=json.dumps(EXCLUDED_BASE_DNS),
            attributes=json.dumps(ATTRIBUTES),
        ),
        encoding="utf-8",
    )


def _listener(gateway: CertificateFiles) -> str:
    return _LISTENER.format(certificate=_text(gateway.certificate), private_key=_text(gateway.private_key))


def _server(directory: Place) -> str:
    return _SERVER.format(url=_text(directory.url), server_name=_text(directory.name), ca_file=_text(directory.ca_file))


def _identity(own: PairFiles) -> str:
    return json.dumps({"certificate": str(own.certificate), "private_key": str(own.private_key)})


def _mapped(account: dict[str, object]) -> str:
    return f"credentials: {json.dumps({'mode': 'mapped', 'accounts': {MAPPED_ACCOUNT: account}})}"


def _text(value: object) -> str:
    """A JSON string, which is a YAML string too."""
    return json.dumps(str(value))
