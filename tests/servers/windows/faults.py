"""What a test can have go wrong. All counts are per connection, and begin anew when faults are set."""

from dataclasses import dataclass, fields
from typing import Any

# Response types that can stand where a searchResultDone belongs.
RESPONSE_TAGS = {"bindResponse": 0x61, "modifyResponse": 0x67, "extendedResponse": 0x78}


@dataclass(frozen=True)
class Faults:
    """drop_after, silent_after, garble_after: after so many entries the connection is closed, nothing more is sent,
        or the next entry is one that cannot be decoded.
    done_as: a key of RESPONSE_TAGS.
    fail_page: this page of a paged search (the first is 1) is answered with fail_code and without entries.
    forget_cookies: no cookie is known any more.
    vanish_after_range: an entry that was sent with a range unasked is deleted once that search is answered.
    hidden_subtrees (DNs), hidden_attributes: not readable any more.
    """

    drop_after: int | None = None
    silent_after: int | None = None
    garble_after: int | None = None
    done_as: str | None = None
    fail_page: int | None = None
    fail_code: int = 51
    forget_cookies: bool = False
    vanish_after_range: bool = False
    hidden_subtrees: tuple[str, ...] = ()
    hidden_attributes: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: dict[str, Any]) -> "Faults":
        """Raises ValueError for a name that is no fault."""
        unknown = set(given) - {item.name for item in fields(cls)}
        if unknown or given.get("done_as") not in (None, *RESPONSE_TAGS):
            raise ValueError(f"no such fault: {given}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return cls(**values)
