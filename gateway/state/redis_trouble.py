"""Why the lockout store in Redis cannot be used, in words: redis-py's own have numbers of the system in them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from redis import RedisError
from redis.exceptions import ConnectionError as NoConnection

from gateway.host.system_errors import system_error


def redis_trouble(error: BaseException) -> str:
    """What is to be said of an error that redis-py raised. Its answers hold no password."""
    below = next((found for found in _causes(error) if isinstance(found, OSError)), None)
    if isinstance(below, ssl.SSLCertVerificationError):
        seen = f"OpenSSL: certificate verify failed: {below.verify_message}"
        return f"TLS: its certificate is not accepted: see ca_file, and the name in the URL ({seen})"
    if below is not None:
        return system_error(below)
    if isinstance(error, NoConnection) and "closed by server" in str(error):
        return "Redis closed the connection"
    if isinstance(error, RedisError):
        return f"Redis says: {error}"
    return f"the gateway failed at it ({type(error).__name__}): please report it"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised for."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
