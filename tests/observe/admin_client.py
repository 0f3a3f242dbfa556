"""Asks the admin pages of a running gateway."""

import urllib.error
import urllib.request
from email.message import Message

from prometheus_client.parser import text_string_to_metric_families

from tests.emitted import EMITTED

PATIENCE = 30


def get(port: int, path: str = "/healthz", **headers: str) -> tuple[int, Message, str]:
    """Status, headers and text."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read().decode()
            EMITTED.note("admin page", text)
            return answer.status, answer.headers, text
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def samples(port: int) -> dict[tuple[str, ...], float]:
    """The value of each sample of /metrics by its name and the values of its labels, in the order of their names."""
    status, headers, text = get(port, "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
