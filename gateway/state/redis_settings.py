"""Where the counts of several gateways are kept, as compiled from `lockout_store`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REDIS_PORT: Final = 6379


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The Redis that wrong passwords are counted in.

    host, port: of the server; host is empty where it is reached by the Unix socket at path.

    database: its number. user, password: empty for none. tls: verified, by ca_file or, where that is None, by the
    system's authorities.
    """

    host: str = ""
    port: int = REDIS_PORT
    path: str = ""
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None

    @property
    def label(self) -> str:
        """Its URL for people, without user and password."""
        if self.path:
            return f"unix://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"
