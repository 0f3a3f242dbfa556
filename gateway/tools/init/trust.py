"""What there is to trust in a certificate chain that nobody has vouched for yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID

from gateway.ask.chain import chain_problem, names, shown


class NothingToTrust(Exception):
    """The text says why, and what to do instead."""


def authority_of(chain: Sequence[x509.Certificate], now: datetime) -> x509.Certificate:
    """The self-signed certificate that a server's chain ends in: trusted, it makes the chain a valid one. A server
    whose own certificate is self-signed is its own authority. chain: as the server sent it, its own first. Raises
    NothingToTrust."""
    top = chain[-1]
    if top.issuer != top.subject:
        where = _issuer_urls(top)
        raise NothingToTrust(
            f"the server does not send {shown(top.issuer)}, the authority that issued its certificate: get that one's "
            "certificate in PEM and give it with --ca-file (on a Windows CA: certutil -ca.cert)"
            + (f"; it is said to be at {'  '.join(where)}" if where else "")
        )
    problem = chain_problem(chain, (top,), now)
    if problem is not None:
        subject = shown(problem.certificate.subject)
        raise NothingToTrust(f"the server's certificate is of no use: {subject}: {problem.text}")
    return top


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256, as other programs show it: `AB:CD:...`."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def same_fingerprint(certificate: x509.Certificate, written: str) -> bool:
    """written: with or without colons and blanks, in any case."""
    return written.replace(":", "").replace(" ", "").lower() == certificate.fingerprint(hashes.SHA256()).hex()


def described(chain: Sequence[x509.Certificate], authority: x509.Certificate) -> list[tuple[str, str]]:
    """What somebody needs to see before trusting it."""
    leaf = chain[0]
    return [
        ("server", f"{shown(leaf.subject)}, for {', '.join(names(leaf)) or 'no name at all'}"),
        ("issued by", shown(leaf.issuer)),
        ("authority", shown(authority.subject) + (" (the server itself)" if authority == leaf else "")),
        ("valid", f"{authority.not_valid_before_utc:%Y-%m-%d} to {authority.not_valid_after_utc:%Y-%m-%d}"),
        ("SHA-256", fingerprint(authority)),
    ]


def _issuer_urls(certificate: x509.Certificate) -> list[str]:
    """RFC 5280 4.2.2.1: where the issuer's certificate is."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [
        each.access_location.value
        for each in access
        if each.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    ]
