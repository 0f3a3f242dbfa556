"""The TLS of a link: the gateway's own policy, 1.3 alone, a certificate at either end, and only what is pinned.

The application protocol names the link and its version, so that the two ends agree on it before anything is parsed
(RFC 7301). A handshake without a common one succeeds all the same in OpenSSL, so it is looked at once TLS is up. No
session is resumed: that would carry a key past the moment when its pin was taken away.
"""

from __future__ import annotations

import ssl
from typing import Final

from gateway.link.keys import Identity
from gateway.link.pins import Pins
from gateway.net.transport.failures import explain_reason, openssl_reason
from gateway.net.transport.tls_layer import TlsLayer
from gateway.net.transport.tls_policy import client_context, server_context

PROTOCOL: Final = "ldap-gateway-link/1"


class Stranger(Exception):
    """TLS is up, and whoever is at the other end is none that the link is with. The text says why."""


def outside_context(identity: Identity, pins: Pins) -> ssl.SSLContext:
    """For connections that come. Raises ValueError where OpenSSL does not take the pair, and OSError where the process
    has no descriptor left."""
    return _pinned(server_context(), identity, pins)


def inside_context(identity: Identity, pins: Pins) -> ssl.SSLContext:
    """For connections that are called. Raises as outside_context does."""
    context = client_context()
    # Whose certificate it is says the pin, and no name in it.
    context.check_hostname = False
    context.options |= ssl.OP_NO_TICKET
    return _pinned(context, identity, pins)


def peer(layer: TlsLayer, pins: Pins) -> str:
    """The name of whoever is at the other end, once TLS is up. Raises Stranger, and ssl.SSLError for a certificate that
    only OpenSSL can read; the connection is to be closed then."""
    if layer.application_protocol != PROTOCOL:
        raise Stranger(
            f"it speaks no {PROTOCOL}: no gateway of a link, or one of another version; update the older one"
        )
    shown = layer.peer_certificate
    owner: str | None = None if shown is None else pins.owner(shown)
    if owner is None:
        raise Stranger("it shows a certificate that is not pinned")
    return owner


def explain_handshake(error: ssl.SSLError) -> str:
    """Why TLS with the other end of a link failed, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATION.get(error.verify_code, _OTHER_KEY)
    said = openssl_reason(error)
    for reason, meaning in _MEANINGS:
        if reason in said:
            return f"TLS: {meaning} (OpenSSL: {said})"
    return explain_reason(said)


def _pinned(context: ssl.SSLContext, identity: Identity, pins: Pins) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # Without any, no certificate is good.
    if pins:
        context.load_verify_locations(cadata=pins.anchors())
    context.set_alpn_protocols([PROTOCOL])
    identity.pair.use(context)
    return context


_OTHER_KEY: Final = (
    "it shows another key than the one that is pinned here: its key was changed, or something on the way looks into TLS"
)
# By the numbers of OpenSSL's x509_vfy.h (X509_V_ERR_...).
_VERIFICATION: Final = {
    9: "its certificate is not valid yet: are the clocks of both hosts right?",
    10: "its certificate has expired: make it a new key with `ldap-gateway link key` (or is this host's clock wrong?)",
    26: "its certificate is not for both ends of TLS (extendedKeyUsage): make it a key with `ldap-gateway link key`",
}
# OpenSSL's reasons, in lower case. What the other end says of us it says in alerts.
_OURS: Final = "the other end does not know the key that this one shows: put this end's certificate (.pem) there"
_MEANINGS: Final = (
    ("alert unknown ca", _OURS),
    ("alert certificate unknown", _OURS),
    ("alert bad certificate", _OURS),
    ("alert certificate expired", "the other end says that this one's certificate has expired: make a new key"),
    ("did not return a certificate", "it showed no certificate, so it is no gateway of this link"),
    ("certificate required", "the other end asks for a certificate, and this one showed none"),
    ("protocol version", "the two ends have no TLS 1.3 in common; a link needs it"),
    ("unsupported protocol", "the two ends have no TLS 1.3 in common; a link needs it"),
)
