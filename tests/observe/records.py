"""Audit records for the tests of what is made of them."""

from typing import Any

from gateway.ldap.filters import Present
from gateway.relay.audit import AuditRecord

STAFF = "OU=Staff,DC=corp,DC=example"


def record(operation: str = "search", *, client: str = "mimecast", code: int | None = 0, **fields: Any) -> AuditRecord:
    """A search of STAFF that a sync account made with success, unless fields say otherwise."""
    if operation == "search":
        whole = {"base": STAFF, "scope": "sub", "filter": Present("mail"), "asked": ("mail",), "forwarded": ("mail",)}
        fields = whole | fields
    account = fields.pop("account", "svc@corp.example")
    decision = fields.pop("decision", "permit")
    return AuditRecord("s1", client, "198.51.100.7", operation, 2, 0.0, account, decision=decision, code=code, **fields)
