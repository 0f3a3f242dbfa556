"""Entries that wait: for the rest of their ranged attributes, or for the client's next page; and the room that a
session has for them."""

from __future__ import annotations

from collections import deque


class Room:
    """The memory that searches of one session share for entries that wait.

    limit: octets that all searches of one session may put aside together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0

    def take(self, octets: int) -> bool:
        """False where that is too much; nothing is taken then."""
        if self._used + octets > self.limit:
            return False
        self._used += octets
        return True

    def give_back(self, octets: int) -> None:
        self._used -= octets


class PutAside:
    """What one search has put aside, or carries to the next page. messages: whole SearchResultEntry messages as the
    server sent them."""

    def __init__(self, room: Room) -> None:
        self.messages: deque[bytes] = deque()
        self._room = room
        self._octets = 0

    def add(self, message: bytes) -> bool:
        """False where the session has no room for it."""
        if not self.grow(len(message)):
            return False
        self.messages.append(message)
        return True

    def grow(self, octets: int) -> bool:
        """Room for more values of what was put aside; False where there is none."""
        if not self._room.take(octets):
            return False
        self._octets += octets
        return True

    def take(self) -> bytes:
        """The first message, whose room is free again."""
        message = self.messages.popleft()
        self._room.give_back(len(message))
        self._octets -= len(message)
        return message

    def clear(self) -> None:
        self.messages.clear()
        self._room.give_back(self._octets)
        self._octets = 0
