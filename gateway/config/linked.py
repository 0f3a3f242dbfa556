"""What names a link in the file: directories that are reached by one, and clients whose sessions come over one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

from gateway.config import models
from gateway.config.links import end_of
from gateway.config.source import Location
from gateway.ldap.messages import WHOLE_SUBTREE, SearchRequest
from gateway.link.line import MOST_CLIENTS
from gateway.link.settings import LINKED_BIND, LINKED_PATIENCE
from gateway.policy.decision import Refuse
from gateway.policy.search import SearchJudge
from gateway.policy.settings import ClientPolicy, Mode

Block = TypeVar("Block", bound=models.Model)

# The defaults of a client with `links`. What would be put right or left out inside without a word would look whole
# outside; and the gateway outside knows the services and their addresses, so that it compares and counts. It narrows
# what it sends, but for the read of one entry above the allowed bases.
_STRICT: Final[dict[str, Any]] = {"mending": False, "when_denied": "refuse", "base_above": "entry"}
_STRICT_IN: Final[dict[str, dict[str, Any]]] = {"shrink_guard": {"mode": "off"}, "lockout": {"per_source": 0}}

# The keys of a client that say which connections from outside are its own.
_OF_SOURCES: Final = ("sources", "sources_file", "listeners", "required_certificate")

# Octets of a client's name, by which the two ends speak of it: gateway/link/strict_json.py takes no longer string.
_LONGEST_NAME: Final = 255


def with_linked_defaults(file: models.File) -> models.File:
    """The file, in which clients with `links` and their directories have the defaults that go with that. What is
    written stays as it is.

    A directory of such a client has LINKED_PATIENCE for all of its servers: with the usual default the gateway outside
    would give up first, and say that the directory was silent where this end knows better.
    """
    linked = {name: client for name, client in file.clients.items() if client.links}
    patient = {client.directory for client in linked.values()} & file.directories.keys()
    strict = {name: _strict(client) for name, client in linked.items()}
    nested = {name: _filled(file.directories[name], connect_patience=LINKED_PATIENCE) for name in patient}
    # In the order of the file.
    return file.model_copy(
        update={
            "clients": {name: strict.get(name, client) for name, client in file.clients.items()},
            "directories": {name: nested.get(name, directory) for name, directory in file.directories.items()},
        }
    )


def _strict(client: models.Client) -> models.Client:
    inner = {key: _filled(getattr(client, key), **defaults) for key, defaults in _STRICT_IN.items()}
    return _filled(client, **_STRICT).model_copy(update=inner)


def _filled(block: Block, **defaults: Any) -> Block:
    """The block with these values for keys that are not written."""
    return block.model_copy(update={key: value for key, value in defaults.items() if key not in block.model_fields_set})


def linked_problems(file: models.File) -> Iterator[tuple[Location, str]]:
    """What is wrong where a link is named."""
    for name, directory in file.directories.items():
        if directory.link is not None:
            said = _wrong_for_directory(file, directory.link)
            if said is not None:
                yield ("directories", name, "link"), said
    served: Counter[str] = Counter()
    for name, client in file.clients.items():
        if client.links:
            yield from _client_problems(("clients", name), client, file)
        over = _links_of(file, client)
        served.update(over)
        if over and not (name.isprintable() and 0 < len(name.encode()) <= _LONGEST_NAME):
            yield (
                ("clients", name),
                f"over a link a client needs a name of 1 to {_LONGEST_NAME} octets that can be printed",
            )
    for name, count in served.items():
        if count > MOST_CLIENTS and name in file.links:
            yield ("links", name), f"{count} clients go over this link; {MOST_CLIENTS} are the most"


def _links_of(file: models.File, client: models.Client) -> set[str]:
    """The links that a client's sessions come over, and that its directory is reached by."""
    directory = file.directories.get(client.directory)
    reached = set() if directory is None or directory.link is None else {directory.link}
    return reached | set(client.links)


def _client_problems(at: Location, client: models.Client, file: models.File) -> Iterator[tuple[Location, str]]:
    for i, link in enumerate(client.links):
        said = "the same link twice" if link in client.links[:i] else _wrong_for_client(file, link)
        if said is not None:
            yield (*at, "links", i), said
    for key in _OF_SOURCES:
        if key in client.model_fields_set:
            yield (*at, key), "only of use without `links`; make a client of its own for other sessions"
    if client.mode == "report":
        yield (*at, "mode"), "with `links` only enforce: what is only reported would leave the inside"
    if client.pass_diagnostics:
        yield (*at, "pass_diagnostics"), "with `links` no server's text may leave the inside"


def _wrong_for_directory(file: models.File, name: str) -> str | None:
    link = file.links.get(name)
    if link is None:
        return _no_such_link(file)
    wrong = end_of(link) == "call"
    return "this link is called from here; a directory needs one with `address`" if wrong else None


def _wrong_for_client(file: models.File, name: str) -> str | None:
    link = file.links.get(name)
    if link is None:
        return _no_such_link(file)
    wrong = end_of(link) == "address"
    return "this gateway waits on this link; a client needs one with `call`" if wrong else None


def _no_such_link(file: models.File) -> str:
    return f"no such link; there are: {', '.join(file.links) or 'none'}"


def linked_warnings(file: models.File) -> Iterator[tuple[Location, str]]:
    """What is permitted where a link is named, and probably not meant."""
    yield from _password_warnings(file)
    yield from _time_warnings(file)


def policy_warnings(policy: ClientPolicy) -> Iterator[tuple[Location, str]]:
    """What a gateway inside with the same lists would refuse, though this one permits it. policy: of a client whose
    directory is reached by a link, without mistakes."""
    at: Location = ("clients", policy.name)
    if policy.mode is Mode.report:
        yield (*at, "mode"), "what is only reported here is refused by the gateway inside, which enforces its policy"
    if policy.required_filter is not None and policy.base_dns:
        # As any other filter of whoever asks.
        judged = replace(policy, required_filter=None, mode=Mode.enforce, mending=False)
        asked = SearchRequest(str(policy.base_dns[0]), WHOLE_SUBTREE, policy.required_filter, ())
        decision = SearchJudge(judged).decide(asked, ())
        if isinstance(decision, Refuse):
            key = decision.setting_of(policy.name, policy.directory)
            yield (
                (*at, "required_filter"),
                f"the gateway inside judges it like a filter of the service, and refuses it with the same lists "
                f"({decision.text}); list what is in it in {key} at both ends, or have it at the inside alone",
            )


def _password_warnings(file: models.File) -> Iterator[tuple[Location, str]]:
    """Passwords of the directory that come to where nothing of it should be."""
    for name, client in file.clients.items():
        directory = file.directories.get(client.directory)
        if directory is None or directory.link is None:
            continue
        at: Location = ("clients", name, "credentials")
        if client.credentials.mode == "passthrough" and client.sync_accounts:
            yield at, "the directory's password passes this gateway; with `mode: mapped` it stays inside"
        for key, account in client.credentials.accounts.items():
            if account.password_file is not None:
                yield (
                    (*at, "accounts", key, "password_file"),
                    "a password of the directory at this end of the link; without bind_dn and password_file here the "
                    "gateway inside signs in with those that it has",
                )


def _time_warnings(file: models.File) -> Iterator[tuple[Location, str]]:
    """Times with which one gateway gives up before the one behind it: it says then that the directory was silent."""
    served = {client.directory for client in file.clients.values() if client.links}
    for name, directory in file.directories.items():
        if name in served and directory.connect_patience > LINKED_PATIENCE:
            yield (
                ("directories", name, "connect_patience"),
                f"more than {LINKED_PATIENCE:g} seconds, for clients with `links`: the gateway outside gives up first",
            )
    if served and "bind" in file.limits.model_fields_set and file.limits.bind > LINKED_BIND:
        yield ("limits", "bind"), f"sessions that come over a link have {LINKED_BIND:g} seconds, and no more"
    needed = LINKED_PATIENCE + LINKED_BIND
    if file.limits.bind < needed and any(directory.link is not None for directory in file.directories.values()):
        yield (
            ("limits", "bind"),
            f"less than {needed:g} seconds, which a gateway inside may need: this one may give up first",
        )
