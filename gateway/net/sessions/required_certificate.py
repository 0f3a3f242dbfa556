"""Whether a client's certificate is one of those that it may have.

That it is issued by the client's CA, valid and for TLS clients, and that the client holds its key, is OpenSSL's job:
the context of such a client requires it. What is left is whose certificate it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from gateway.ldap.dn import DN, DNError, parse
from gateway.net.sessions.sources import parse_source

# The kinds of subject alternative names (RFC 5280 4.2.1.6) that can be listed, as OpenSSL writes them.
KINDS = ("DNS", "email", "URI", "IP")

# What the log shows of a name.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class RequiredCertificate:
    """The certificate that a client must show.

    ca_file: PEM, whoever issues the certificates. subjects, alt_names: any one of them is enough; the latter with their
    kind, like `DNS:sync.example.com`. No wildcards.
    """

    ca_file: Path
    subjects: tuple[DN, ...] = ()
    alt_names: tuple[str, ...] = ()

    def refusal(self, certificate: x509.Certificate | None) -> str | None:
        """Why this verified certificate is none of them; None where it is one."""
        if certificate is None:
            return "the client has shown no certificate"
        subject = certificate.subject.rfc4514_string()
        if _has_subject(subject, self.subjects):
            return None
        names = alternative_names(certificate)
        if set(map(fold_alt_name, self.alt_names)) & set(map(fold_alt_name, names)):
            return None
        shown = ", ".join([f"subject {subject}", *names])[:SHOWN]
        # A name may hold whatever its issuer let through, line ends too.
        return f"its certificate is for none of the listed names: {shown!a}"


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """Those of the known kinds, each with its kind; none of a certificate that has others which nobody can read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return []
    return [
        *(f"DNS:{name}" for name in extension.get_values_for_type(x509.DNSName)),
        *(f"email:{name}" for name in extension.get_values_for_type(x509.RFC822Name)),
        *(f"URI:{name}" for name in extension.get_values_for_type(x509.UniformResourceIdentifier)),
        *(f"IP:{address}" for address in extension.get_values_for_type(x509.IPAddress)),
    ]


def fold_alt_name(name: str) -> str:
    """Equal for names that are the same: DNS names without regard to case, IP addresses by their number, others as
    they are. Raises ValueError where it is no name of a known kind."""
    kind, _, value = name.partition(":")
    if kind not in KINDS or not value:
        raise ValueError(f"a name with its kind is expected, like DNS:sync.example.com; kinds: {', '.join(KINDS)}")
    if kind == "IP":
        return f"IP:{parse_source(value)}"
    return f"DNS:{value.lower()}" if kind == "DNS" else name


def _has_subject(text: str, subjects: tuple[DN, ...]) -> bool:
    try:
        subject = parse(text)
    except DNError:
        return False
    return any(subject.same(listed) for listed in subjects)
