"""A page of a delta query or of a list: read strictly from the octets that Graph sent.

What is not as Graph may answer raises Refused, and what is no JSON, because it was cut or is not Graph's, raises
Passing. No text shows a value of the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.entra.identifiers import is_id
from gateway.entra.properties import PROPERTIES, Collection, Type, WrongType, checked
from gateway.entra.trouble import Passing, Refused

# Graph was seen to send 200 objects and 500 links.
MOST_OBJECTS: Final = 20_000
MOST_LINKS: Final = 100_000
# Characters of a link; its token is some hundred long.
_LONGEST_LINK: Final = 16_384

_NEXT: Final = "@odata.nextLink"
_DELTA: Final = "@odata.deltaLink"
VERSION: Final = "/v1.0"

# The relation of a collection that is followed.
RELATIONS: Final[Mapping[Collection, str]] = {Collection.users: "manager", Collection.groups: "members"}


@dataclass(frozen=True, slots=True)
class Told:
    """An object as a page tells it. document: its selected properties, None for what is null; properties that are not
    told are not in it. removed: whether it is gone, and `for_good` whether it cannot come back. links: of its relation,
    as (id, whether the link is there), in their order."""

    id: str
    document: Mapping[str, Any]
    links: tuple[tuple[str, bool], ...] = ()
    removed: bool = False
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a delta query. link: where it goes on. last: whether the round ends with it, and the link begins the
    next one."""

    told: tuple[Told, ...]
    link: str
    last: bool


def read_page(body: bytes, collection: Collection, select: Iterable[str], origin: str) -> Page:
    """The page that the octets are. select: what was asked for. origin: where links may lead. Raises
    Refused, or Passing for octets that are no JSON."""
    page = _object(body)
    link, last = _link(page, origin)
    names = frozenset(select)
    types = [(name, type) for name, type in PROPERTIES[collection].items() if name in names]
    relation = RELATIONS.get(collection)
    links = f"{relation}@delta" if relation in names else None
    told = tuple(_told(each, types, links) for each in _values(page))
    if sum(len(each.links) for each in told) > MOST_LINKS:
        raise _refused(f"has more than {MOST_LINKS} links")
    return Page(told, link, last)


def read_ids(body: bytes, origin: str) -> tuple[list[str], str | None]:
    """The ids of a page of a list, and the link to the next one. Raises as read_page."""
    page = _object(body)
    link = page.get(_NEXT)
    return [_id(each) for each in _values(page)], None if link is None else _checked_link(link, origin)


def read_count(body: bytes) -> int:
    """The number that an answer to `$count` is. Raises Refused."""
    # Graph begins it with a byte order mark.
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.isdigit() or len(text) > 10:
        raise Refused("Graph's count of people is no number; the round asks again")
    return int(text)


def origin_of(url: str) -> str | None:
    """Scheme, host and port of a URL; None where it is no HTTPS URL, or one with a user in it."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or parts.password is not None:
        return None
    return f"https://{parts.hostname.lower()}:{port}"


def _refused(what: str) -> Refused:
    return Refused(f"a page of Graph {what}, so it is not taken; the round asks for it again")


def _object(body: bytes) -> dict[str, Any]:
    try:
        page = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Passing(
            "a page of Graph is no JSON, or it ends early (a proxy that answers in its place?); the round asks again"
        ) from None
    if not isinstance(page, dict):
        raise _refused("is no object of JSON")
    return page


def _values(page: dict[str, Any]) -> list[Any]:
    found = page.get("value")
    if not isinstance(found, list):
        raise _refused("has no list `value`")
    if len(found) > MOST_OBJECTS:
        raise _refused(f"has more than {MOST_OBJECTS} objects")
    return found


def _link(page: dict[str, Any], origin: str) -> tuple[str, bool]:
    """The link behind the page, and whether the round ends here."""
    following, last = page.get(_NEXT), page.get(_DELTA)
    if following is not None and last is not None:
        raise _refused("has both a nextLink and a deltaLink")
    if following is None and last is None:
        raise _refused("has neither a nextLink nor a deltaLink")
    return _checked_link(following if last is None else last, origin), last is not None


def _checked_link(link: Any, origin: str) -> str:
    if not isinstance(link, str) or not link.isascii() or not link.isprintable() or len(link) > _LONGEST_LINK:
        raise _refused("has a link that is no URL")
    if origin_of(link) != origin_of(origin):
        raise _refused("has a link to another place than graph_url, which would carry the token away")
    if not urlsplit(link).path.startswith(f"{VERSION}/"):
        raise _refused(f"has a link to another version of Graph than {VERSION}")
    return link


def _id(found: Any) -> str:
    id = found.get("id") if isinstance(found, dict) else None
    if not isinstance(id, str) or not is_id(id := id.lower()):
        raise _refused("has an object without an id")
    return id


def _told(found: Any, types: Sequence[tuple[str, Type]], links: str | None) -> Told:
    id = _id(found)
    if "@removed" in found:
        reason = found["@removed"]
        if not isinstance(reason, dict):
            raise _refused(f"says in an odd way that {id} was removed")
        return Told(id, {}, removed=True, for_good=reason.get("reason") == "deleted")
    document = {}
    for name, type in types:
        if name in found:
            try:
                document[name] = checked(type, found[name])
            except WrongType as wrong:
                raise _refused(f"has {id} with a property {name} that is not {wrong}") from None
    return Told(id, document, () if links is None else _links(id, found.get(links, ())))


def _links(source: str, found: Any) -> tuple[tuple[str, bool], ...]:
    if not isinstance(found, list | tuple):
        raise _refused(f"has {source} with links that are no list")
    return tuple((_id(each), "@removed" not in each) for each in found)
