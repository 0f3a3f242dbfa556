from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.link.keys import write_pair
from tests.config.certificates import write_pair as write_certificate


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the pairs of an outside and of two insides, and a certificate for a listener."""
    directory = tmp_path_factory.mktemp("keys")
    for name in ("outside", "inside-1", "inside-2"):
        write_pair(directory, name, datetime.now(UTC))
    write_certificate(directory)
    return directory
