"""Asks a running gateway how it is, as the health check of a container does."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from gateway.host.system_errors import system_error

# The page is one short line; whatever else answers there need not be read to its end.
MOST_OCTETS: Final = 4096


@dataclass(frozen=True, slots=True)
class Health:
    """What the admin page of a running gateway says of its health.

    said: the page's own words, or why there are none.
    """

    serving: bool
    said: str


def ask_health(address: str, page: str = "/healthz", patience: float = 5.0, most: int = MOST_OCTETS) -> Health:
    """GET a page at `HOST:PORT` ([HOST]:PORT for IPv6). patience: seconds for each step. most: octets of the page that
    are read. Never raises for what is found
    there: no answer in time, or none that HTTP knows, is a gateway that does not serve."""
    try:
        place = urlsplit(f"//{address}")
        connection = HTTPConnection(place.hostname or "", place.port, timeout=patience)
    except ValueError:
        return Health(False, f"{address}: an address and a port are expected, like 127.0.0.1:8389")
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        body = answer.read(most).decode("utf-8", "replace").strip()
    except OSError as error:
        return Health(False, f"{address}: {system_error(error)}")
    except HTTPException:
        return Health(False, f"{address}: the answer is not HTTP")
    finally:
        connection.close()
    return Health(answer.status == 200, body)
