"""What a client has been sent, in the words of the cases: results and entries."""

from collections.abc import Iterable

from gateway.ldap import messages as m

# A message ID, and a result code.
Result = tuple[int, int]
# A message ID, and the types of an entry's attributes.
Entry = tuple[int, tuple[str, ...]]


def results(messages: Iterable[m.LDAPMessage]) -> tuple[Result, ...]:
    """Of the final responses."""
    return tuple((x.message_id, x.operation.result.code) for x in messages if isinstance(x.operation, m.FinalResponse))


def entries(messages: Iterable[m.LDAPMessage]) -> tuple[Entry, ...]:
    return tuple(
        (x.message_id, tuple(attribute.type for attribute in x.operation.attributes))
        for x in messages
        if isinstance(x.operation, m.SearchResultEntry)
    )
