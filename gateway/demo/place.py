"""Where the servers of a demo listen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one side listens, and the name and the CA file by which it is verified."""

    host: str
    port: int
    name: str
    ca_file: Path

    @property
    def url(self) -> str:
        return f"ldaps://{self.host}:{self.port}"
