"""Access tokens for the app, by Microsoft's own library.

The library gets its HTTP from gateway/entra/web.py: with its default the environment would say which proxy and which
authorities count. It signs with the certificate (a client assertion, PS256, named by the certificate's SHA-256), or
shows the secret. Its texts do not come out; the numbers of Microsoft's errors do, with what they mean here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msal
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.entra.settings import CertificateFiles, TenantSettings
from gateway.entra.trouble import Passing, Stopped
from gateway.entra.web import Reply, Web
from gateway.host.file_errors import unreadable

# Seconds before its end from which on a token is not used any more.
_SPARE: Final = 300.0

# What Microsoft's numbers mean to whoever has set this up, and what to do.
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_MEANINGS: Final[Mapping[int, str]] = {
    7000215: "the secret is not that of the app: put its value, not its id, into secret_file",
    7000222: "the secret of the app has expired: make a new one, or better a certificate",
    700016: "there is no app with this client_id in the tenant: compare both with the app's overview page",
    700027: "the certificate is not registered for the app: upload it under `Certificates & secrets`",
    700024: "the clock of this host is wrong: Microsoft takes the signature for one of another time",
    90002: "there is no such tenant at this cloud: compare `tenant` and `cloud` with the app's overview page",
    7000112: "the app is disabled in the tenant: enable it under `Enterprise applications`",
    700030: "the certificate of the app is not valid any more: make a new one and upload it",
    53003: "a conditional access policy of the tenant blocks the app from this address",
}
_NUMBER: Final = re.compile(r"AADSTS(\d{5,8})")


class Credential:
    """What the app signs in with, read from its files. ends: when its certificate ends; None for a secret, whose end
    only Microsoft knows. Raises Stopped where the files cannot be used."""

    def __init__(self, settings: CertificateFiles | Path) -> None:
        self.ends: datetime | None = None
        self.shown: str | dict[str, str]
        if isinstance(settings, Path):
            self.shown = _read(settings, "secret_file").strip()
            if not self.shown:
                raise Stopped(f"secret_file {settings} is empty: put the app's secret into it")
            return
        certificate, key = _read(settings.certificate, "certificate"), _read(settings.private_key, "private_key")
        self.ends = _checked(settings, certificate, key).not_valid_after_utc
        self.shown = {"private_key": key, "public_certificate": certificate}


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Stopped(f"{setting} {path} {unreadable(path, error)}") from None
    except UnicodeDecodeError:
        raise Stopped(f"{setting} {path} is no text: a PEM file is expected, or the secret alone") from None


def _checked(settings: CertificateFiles, certificate: str, key: str) -> x509.Certificate:
    """The certificate, where the key is its own and one that the library can sign with."""
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise Stopped(f"certificate {settings.certificate} is no certificate in PEM form") from None
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise Stopped(f"private_key {settings.private_key} is no key in PEM form, or it is encrypted") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise Stopped(f"private_key {settings.private_key} is no RSA key, and Microsoft takes no other")
    if private.public_key() != read.public_key():
        raise Stopped(f"private_key {settings.private_key} does not belong to certificate {settings.certificate}")
    return read


class Tokens:
    """The access token for Graph, renewed when it is about to end."""

    def __init__(self, settings: TenantSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._token = ""
        self._until = 0.0

    def token(self, web: Web) -> str:
        """Raises Passing, or Stopped where the authority refuses the app."""
        if self._now() >= self._until:
            self._renew(web)
        return self._token

    def forget(self) -> None:
        """The next question needs a new token: Graph does not take this one."""
        self._token, self._until = "", 0.0

    def _renew(self, web: Web) -> None:
        asked = self._now()
        # Read anew each time: a renewed certificate counts without a restart. A new app has no cache of its own.
        credential = Credential(self._settings.credential)
        try:
            app = msal.ConfidentialClientApplication(
                self._settings.client_id,
                client_credential=credential.shown,
                authority=f"{self._settings.cloud.login_url}/{self._settings.tenant}",
                instance_discovery=False,
                azure_region=False,
                http_client=_Adapter(web),
                enable_pii_log=False,
            )
            found = app.acquire_token_for_client([f"{self._settings.cloud.graph_url}/.default"])
        except ValueError:
            # The library's own, for an answer that is no JSON, and for a key that it cannot use.
            raise Passing(
                "the authority's answer is not to be understood (a proxy that answers in its place?)"
            ) from None
        token, life = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str) or not isinstance(life, int | float):
            raise _refusal(found)
        self._token, self._until = token, asked + life - min(_SPARE, life / 2)


def _refusal(found: Mapping[str, Any]) -> Passing | Stopped:
    number = _number(found)
    if found.get("error") in ("temporarily_unavailable", "server_error"):
        return Passing("the authority cannot give a token now; it is asked again")
    said = _MEANINGS.get(number, "see Microsoft's list of AADSTS error codes")
    code = f" (AADSTS{number})" if number else ""
    return Stopped(f"the authority gives the app no token{code}: {said}")


def _number(found: Mapping[str, Any]) -> int:
    match = _NUMBER.search(str(found.get("error_description", "")))
    return int(match[1]) if match is not None else 0


class _Adapter:
    """HTTP as the library wants it, over the one way that there is. Answers that say `later` raise here, before the
    library can remember them."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def get(self, url: str, params: Any = None, headers: Any = None, **others: Any) -> _Response:
        reply = self._web.get(url, headers or {})
        if 400 <= reply.status < 500 and reply.status != 429:
            raise _refusal(_object(reply.body))
        return _taken(reply)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **others: Any) -> _Response:
        # The library gives the assertion as octets.
        form = {name: value.decode() if isinstance(value, bytes) else value for name, value in (data or {}).items()}
        return _taken(self._web.post(url, headers or {}, form))

    def close(self) -> None:
        """The way stays open: it is not the library's."""


class _Response:
    """An answer as the library wants it."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.text = reply.body.decode("utf-8", "replace")
        self.headers = dict(reply.headers)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise Passing(f"the authority answers with the HTTP status {self.status_code}")


def _taken(reply: Reply) -> _Response:
    if reply.status == 429 or reply.status >= 500:
        raise Passing(f"the authority answers with the HTTP status {reply.status}", retry_after(reply.headers))
    return _Response(reply)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the other side wants to be left alone; None where it does not say. Graph was seen to say it with
    decimals."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    # Not a number compares with nothing.
    return seconds if 0 <= seconds < float("inf") else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
