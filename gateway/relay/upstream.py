"""The server side of one session: its stream of messages and the message IDs that the gateway gives out."""

from __future__ import annotations

from typing import Generic, TypeVar

from gateway.ldap.ber import MAX_INT
from gateway.ldap.entry_stream import EntryStream
from gateway.ldap.framing import Framer

Owner = TypeVar("Owner")


class Upstream(Generic[Owner]):
    """One connection to a server. IDs are never used twice on it, so an answer that comes late, to a request
    that was given up, belongs to nobody and is dropped.

    url: of the server, once it is known; session: what the server calls the session, "" for nothing. patience: seconds
    for the first answer, where the connection was opened before it was needed; None once an octet has come. bound_at:
    when the server accepted a bind, on the session's clock, None for never; served: whether it has answered anything
    behind that. streams: of the requests whose entries go to the client as they come, by their message IDs.
    """

    def __init__(self, response_limit: int) -> None:
        self.framer = Framer(response_limit)
        self.url = ""
        self.session = ""
        self.connected = False
        self.patience: float | None = None
        self.bound_at: float | None = None
        self.served = False
        self.streams: dict[int, EntryStream] = {}
        self._owners: dict[int, Owner] = {}
        self._last_id = 0

    def new_id(self) -> int:
        """A message ID (1 to 2^31-1) for a request that has no answer."""
        if self._last_id == MAX_INT:
            raise OverflowError("all message IDs of this server connection are used up")
        self._last_id += 1
        return self._last_id

    def register(self, owner: Owner) -> int:
        """A message ID whose answers are the owner's."""
        message_id = self.new_id()
        self._owners[message_id] = owner
        return message_id

    def owner(self, message_id: int) -> Owner | None:
        return self._owners.get(message_id)

    def release(self, message_id: int) -> None:
        self._owners.pop(message_id, None)
        self.streams.pop(message_id, None)
