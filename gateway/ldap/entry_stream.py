"""What is known of one search while its entries pass: under which message ID, within which limits, and how many."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from gateway.ldap import ber

if TYPE_CHECKING:
    from mypy_extensions import i64


@final
class AttributeTally:
    """What one search has sent of one attribute. entries: that had the attribute. values: sent of it in all."""

    __slots__ = ("entries", "values")

    def __init__(self) -> None:
        self.entries: i64 = 0
        self.values: i64 = 0


@final
class Tally:
    """What one search has sent. sent: entries in all. octets: of the messages that they were sent in.
    attributes: by the number that the policy gives them."""

    __slots__ = ("attributes", "octets", "sent")

    def __init__(self, attributes: int) -> None:
        self.sent: i64 = 0
        self.octets: i64 = 0
        self.attributes: list[AttributeTally] = [AttributeTally() for _ in range(attributes)]

    def count(self, number: i64, values: i64) -> None:
        """One entry more that has so many values of an attribute."""
        if values:
            attribute = self.attributes[number]
            attribute.entries += 1
            attribute.values += values


@final
class EntryStream:
    """The entries of one request to the server, on their way to the client.

    message_id: the client's, encoded. tally: of the whole search, which may take several requests. ranges: attributes
    in ranges of their values pass as they are. most: entries that may pass, -1 for any number. page: of these, those
    that the client's page has room for, -1 for any number; the others are carried to its next page. in_order: no entry
    may pass one that came before it; waits: one has been set apart, so all behind it are too. octet_limit: of the
    whole search, 0 for none. received: entries that came; passed: those of them that were sent or set apart; carried:
    those of these that the page had no room for; sent: those that were sent, and octets: of the messages that they were
    sent in; referred: whether a reference was sent.
    """

    __slots__ = (
        "carried",
        "in_order",
        "message_id",
        "most",
        "octet_limit",
        "octets",
        "page",
        "passed",
        "ranges",
        "received",
        "referred",
        "sent",
        "tally",
        "waits",
    )

    def __init__(
        self,
        message_id: int,
        tally: Tally,
        ranges: bool,
        most: int = -1,
        octet_limit: int = 0,
        page: int = -1,
        in_order: bool = False,
    ) -> None:
        self.message_id: bytes = ber.integer(message_id)
        self.tally: Tally = tally
        self.ranges: bool = ranges
        self.in_order: bool = in_order
        self.waits: bool = False
        self.most: i64 = most
        self.octet_limit: i64 = octet_limit
        self.page: i64 = page
        self.carried: i64 = 0
        self.received: i64 = 0
        self.referred: bool = False
        self.passed: i64 = 0
        self.sent: i64 = 0
        self.octets: i64 = 0
