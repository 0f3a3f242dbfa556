"""The authority that gives out access tokens for apps (RFC 6749 4.4), by certificate (RFC 7523) or by secret."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo.tenant.wire import Answer, Asked, json_answer

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Seconds that an access token is good for.
TOKEN_LIFE: Final = 3600


@dataclass(frozen=True, slots=True)
class App:
    """An app that is registered in the tenant. secret: empty where it has none. certificate: whose key signs its
    assertions."""

    tenant: str
    client_id: str
    secret: str = field(default="", repr=False)
    certificate: x509.Certificate | None = None


class Refusal(Exception):
    """Why an app gets no token: the number that Microsoft gives to it, and its words."""

    def __init__(self, number: int, words: str, *, error: str = "invalid_client") -> None:
        super().__init__(f"AADSTS{number}: {words}")
        self.number = number
        self.error = error


class Authority:
    """The stand-in for login.microsoftonline.com. given: how many tokens it gave out."""

    def __init__(self, app: App, now: Callable[[], float], random: Random, origin: str = "https://login.test") -> None:
        self.app = app
        self.origin = origin
        self.given = 0
        self._now = now
        self._random = random
        self._valid: dict[str, float] = {}

    def is_valid(self, token: str) -> bool:
        return self._valid.get(token, 0.0) > self._now()

    def revoke(self) -> None:
        """Makes all tokens invalid that were given out."""
        self._valid.clear()

    def answer(self, asked: Asked) -> Answer:
        base = f"/{self.app.tenant}"
        if asked.path == f"{base}/v2.0/.well-known/openid-configuration":
            return json_answer(200, self._configuration())
        if asked.path == f"{base}/oauth2/v2.0/token" and asked.method == "POST":
            try:
                return self._token(asked)
            except Refusal as refusal:
                return _refused(400 if refusal.number == _NO_APP else 401, refusal)
        return _refused(400, Refusal(90002, "Tenant not found.", error="invalid_tenant"))

    def _configuration(self) -> dict[str, str]:
        base = f"{self.origin}/{self.app.tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
        }

    def _token(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if form.get("client_id") != self.app.client_id:
            raise Refusal(_NO_APP, "Application was not found in the directory.", error="unauthorized_client")
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith("/.default"):
            raise Refusal(70011, "The provided value for scope is not valid.", error="invalid_scope")
        if "client_assertion" in form:
            self._check_assertion(form)
        elif not self.app.secret or not hmac.compare_digest(form.get("client_secret", ""), self.app.secret):
            raise Refusal(7000215, "Invalid client secret provided.")
        token = base64.urlsafe_b64encode(self._random.randbytes(48)).decode()
        self._valid[token] = self._now() + TOKEN_LIFE
        self.given += 1
        return json_answer(200, {"token_type": "Bearer", "expires_in": TOKEN_LIFE, "access_token": token})

    def _check_assertion(self, form: dict[str, str]) -> None:
        certificate = self.app.certificate
        if certificate is None or form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise Refusal(700027, "Client assertion failed signature validation.")
        signed, _, signature = form["client_assertion"].rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        # The library writes it with padding, which RFC 7515 has not, and Microsoft takes both.
        thumbprint = _encoded(sha256(certificate.public_bytes(Encoding.DER)).digest())
        if header.get("alg") != "PS256" or header.get("x5t#S256", "").rstrip("=") != thumbprint:
            raise Refusal(700027, "The certificate with this thumbprint is not registered for the application.")
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 - what the stand-in was made with
        pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        try:
            key.verify(_decoded(signature), signed.encode(), pss, SHA256())
        except InvalidSignature:
            raise Refusal(700027, "Client assertion failed signature validation.") from None
        self._check_claims(claims)

    def _check_claims(self, claims: dict[str, Any]) -> None:
        mine = self._configuration()["token_endpoint"]
        names = {claims.get("iss"), claims.get("sub")}
        if claims.get("aud") != mine or names != {self.app.client_id} or not claims.get("jti"):
            raise Refusal(700023, "Client assertion audience or issuer is not valid.")
        if not claims.get("exp", 0) > self._now():
            raise Refusal(700024, "Client assertion is not within its valid time range.")


_NO_APP: Final = 700016


def _refused(status: int, refusal: Refusal) -> Answer:
    told = {"error": refusal.error, "error_description": str(refusal), "error_codes": [refusal.number]}
    return json_answer(status, told)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
