"""A configuration on disk for the commands to read."""

from pathlib import Path

from gateway.demo.certificates import make_certificates

TEXT = """\
listeners:
  - address: "127.0.0.1:0"
    certificate: gateway.pem
    private_key: gateway.key
directories:
  corp:
    servers: [ldaps://dc1.corp.example]
    ca_file: gateway-ca.pem
    naming_contexts: ["DC=corp,DC=example"]
clients:
  mimecast:
    sources: [198.51.100.0/24]
    directory: corp
    sync_accounts: [svc@corp.example]
    login_base_dns: ["OU=Staff,DC=corp,DC=example"]
    login_domains: [corp.example]
    base_dns: ["OU=Staff,DC=corp,DC=example"]
    excluded_base_dns: ["OU=Board,OU=Staff,DC=corp,DC=example"]
    attributes: [mail, cn, member]
state_dir: .
"""


def write_configuration(directory: Path, *changes: tuple[str, str]) -> Path:
    """The path of a configuration that serves; changes: (old text, new text) pairs."""
    make_certificates(directory, "gateway")
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = directory / "gateway.yaml"
    path.write_text(text)
    return path
