"""HTTPS to Microsoft's hosts: verified, bounded, without redirects, and deaf to what the environment says of proxies
and authorities.

The library is told everything itself: with its defaults SSL_CERT_FILE or HTTPS_PROXY would decide who reads the tokens.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import httpx

from gateway.entra.settings import TenantSettings
from gateway.entra.trouble import Passing, Refused, Stopped
from gateway.host.file_errors import unreadable
from gateway.net.transport.certificates import der, read_certificates
from gateway.net.transport.failures import explain_error
from gateway.net.transport.tls_policy import client_context

# Octets of an answer, unpacked. A page of Graph has some hundred kilobytes.
MOST_OCTETS: Final = 64 * 1024 * 1024
# Seconds without an octet, and for a whole answer.
_SILENCE: Final = 60.0
_CONNECT: Final = 15.0
_WHOLE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of a host. headers: by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The TLS towards Microsoft's hosts. ca_file: None for the system's authorities, which are those that OpenSSL was
    built with; SSL_CERT_FILE and SSL_CERT_DIR count for nothing. Raises Stopped for an unusable file."""
    context = client_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cadata=der(read_certificates(ca_file)))
        except OSError as error:
            raise Stopped(f"ca_file {ca_file} {unreadable(ca_file, error)}") from None
        except ValueError as error:
            raise Stopped(f"ca_file: {error}") from None
        return context
    paths = ssl.get_default_verify_paths()
    file = paths.openssl_cafile if Path(paths.openssl_cafile).is_file() else None
    directory = paths.openssl_capath if Path(paths.openssl_capath).is_dir() else None
    if file is None and directory is None:
        raise Stopped(f"the system has no authorities ({paths.openssl_cafile}): install them, or set ca_file")
    context.load_verify_locations(file, directory)
    return context


class Web:
    """Asks Microsoft's hosts, one question after the other."""

    def __init__(
        self,
        settings: TenantSettings,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """transport: takes the place of the network. Raises Stopped for settings that cannot be used."""
        self._clock = clock
        # It would write each URL down, with Graph's tokens in it.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            self._client = httpx.Client(
                verify=True if transport is not None else trust(settings.ca_file),
                proxy=settings.proxy or None,
                transport=transport,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(_SILENCE, connect=_CONNECT),
                headers={"Accept": "application/json", "User-Agent": "ldap-gateway"},
            )
        except (ValueError, httpx.InvalidURL):
            # Its text shows the URL, and with it the password.
            raise Stopped("`proxy` is no URL of a proxy: http://HOST:PORT is expected") from None

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Raises Passing where no whole answer comes or it leads elsewhere, Refused for one that is too large."""
        return self._asked("GET", url, headers, None)

    def post(self, url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Reply:
        return self._asked("POST", url, headers, form)

    def close(self) -> None:
        self._client.close()

    def _asked(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Reply:
        with (
            _in_words(urlsplit(url).hostname or "the host"),
            self._client.stream(method, url, headers=headers, data=form) as response,
        ):
            if response.is_redirect:
                raise Passing(
                    f"{urlsplit(url).hostname} sends the question elsewhere, and the token does not go there; "
                    "a proxy that wants a sign-in?"
                )
            body = self._body(response)
            return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)

    def _body(self, response: httpx.Response) -> bytes:
        parts: list[bytes] = []
        octets, until = 0, self._clock() + _WHOLE
        for part in response.iter_bytes():
            parts.append(part)
            octets += len(part)
            if octets > MOST_OCTETS:
                raise Refused(f"an answer has more than {MOST_OCTETS} octets, so it is not taken")
            if self._clock() > until:
                raise Passing(f"an answer has not ended within {_WHOLE:.0f} seconds")
        return b"".join(parts)


@contextmanager
def _in_words(host: str) -> Iterator[None]:
    """Raises Passing for what the library raises, which may show the proxy's password."""
    try:
        yield
    except httpx.TimeoutException:
        raise Passing(f"{host} does not answer in time; the question is asked again") from None
    except httpx.ProxyError:
        raise Passing(f"the proxy does not connect to {host}; see `proxy`, and what the proxy says of it") from None
    except httpx.HTTPError as error:
        raise Passing(f"{host}: {_why(error)}; the question is asked again") from None
    except (httpx.InvalidURL, httpx.StreamError):
        raise Refused(f"{host}: the question cannot be asked as it is") from None


def _why(error: httpx.HTTPError) -> str:
    """What is below the library's own error."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, OSError):
        below = below.__cause__ or below.__context__
    if isinstance(below, ssl.SSLCertVerificationError):
        return f"{explain_error(below)} (a proxy that inspects TLS needs its authority in ca_file)"
    return "the connection broke" if below is None else explain_error(below)
