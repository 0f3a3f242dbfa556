"""A copy with a few entries, and a bound conversation about it."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from gateway.entra.published import PublishedEntry
from tests.entra.copies import containers, make_copy
from tests.entra.talk import TOKEN, Talk


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "entra.token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture
def open_talk(tmp_path: Path, token_file: Path) -> Iterator[Callable[..., Talk]]:
    """A function that takes entries, beside which the containers are published, and gives a bound Talk."""
    opened = []

    def open_(entries: Iterable[PublishedEntry] = (), at: int | None = None) -> Talk:
        writer = make_copy(tmp_path / "copy.db", [*containers(), *entries], int(time.time()) if at is None else at)
        talk = Talk(tmp_path / "copy.db", token_file)
        opened.append((talk, writer))
        assert talk.bind().code == 0
        return talk

    yield open_
    for talk, writer in opened:
        talk.conversation.end()
        talk.readings.close()
        writer.close()
