"""A request and its answer, as the stand-in's parts pass them on, over HTTPS or without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. target: path and query. headers: by their names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. cut_after: how many octets of the body come before the connection breaks; None where it does not
    break, and -1 where not even the status comes."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Answer(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as Graph writes one."""
    return json_answer(status, {"error": {"code": code, "message": message, "innerError": {}}}, headers)
