"""A new configuration file, as somebody would write it who knows the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from gateway.config.yaml_text import quoted

# Comment, and attributes. What does not leave unasked (description, homeMDB, legacyExchangeDN, msExch*, employeeID and
# all that is not known here) is not in it.
ATTRIBUTE_GROUPS: Final = (
    (
        "Without these there is no sync: what an entry is, who it is, and its addresses.",
        (
            *("objectClass", "objectGUID", "entryUUID", "mail", "proxyAddresses"),
            *("sAMAccountName", "userPrincipalName", "uid"),
        ),
    ),
    (
        "Decides who is disabled; people missing or disabled lose their directory status there.",
        ("userAccountControl",),
    ),
    ("Groups and who is in them.", ("member", "uniqueMember", "memberUid", "memberOf")),
    ("Names, for policies and signatures.", ("cn", "name", "displayName", "givenName", "sn")),
    (
        "Liked by signatures; leave out what need not go outside.",
        ("title", "department", "company", "telephoneNumber"),
    ),
)
# conf/domino.yaml says what they are.
DOMINO_GROUPS: Final = (
    ("Without these there is no sync: what an entry is, and its addresses.", ("objectClass", "mail", "mailAddress")),
    ("The short name, under LDAP's name for it and Domino's.", ("uid", "shortName")),
    ('"Foreign directory sync allowed" (1 or 0), for the service\'s option to honour it.', ("availableForDirSync",)),
    ("Who is in a group.", ("member",)),
    ("Names, for policies and signatures.", ("cn", "displayName", "givenName", "sn")),
    ("Liked by signatures; leave out what need not go outside.", ("title", "telephoneNumber")),
)
DOMINO_FILTER: Final = "(|(objectClass=dominoPerson)(objectClass=dominoGroup))"
# Active Directory's schema has these, and nothing in them.
_NOT_IN_ACTIVE_DIRECTORY: Final = frozenset({"entryUUID", "uid", "uniqueMember", "memberUid"})
_ONLY_IN_ACTIVE_DIRECTORY: Final = frozenset(
    {"objectGUID", "sAMAccountName", "userPrincipalName", "userAccountControl"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """Texts as they stand in the file. servers: URL and server_name, "" for the URL's host. test_pair: certificate and
    private_key were made for trying things out. attributes: comment and names, as attributes_of gives them. is_domino:
    whether only its people and groups are wanted of all that its root has."""

    listen: str
    certificate: str
    private_key: str
    test_pair: bool
    directory: str
    servers: tuple[tuple[str, str], ...]
    ca_file: str
    naming_contexts: tuple[str, ...]
    can_page: bool
    client: str
    sources: tuple[str, ...]
    sync_accounts: tuple[str, ...]
    base_dns: tuple[str, ...]
    login_base_dns: tuple[str, ...]
    login_domains: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    is_domino: bool = False


def attributes_of(
    knows: Callable[[str], bool] | None, is_active_directory: bool, is_domino: bool = False
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """knows: whether the directory's schema has a name; None where the schema cannot be read. Of Domino it is not
    asked: its schema has names of its own for some of these."""
    if is_domino:
        return DOMINO_GROUPS
    left_out = _NOT_IN_ACTIVE_DIRECTORY if is_active_directory else frozenset[str]()
    if knows is None:
        left_out = left_out or _ONLY_IN_ACTIVE_DIRECTORY
    kept = (
        (comment, tuple(name for name in names if name not in left_out and (knows is None or knows(name))))
        for comment, names in ATTRIBUTE_GROUPS
    )
    return tuple((comment, names) for comment, names in kept if names)


def draft_text(draft: Draft) -> str:
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterable[str]:
    yield "# Written by `ldap-gateway init`. conf/gateway.example.yaml has every key, with its default."
    yield "listeners:"
    yield f"  - address: {quoted(draft.listen)}"
    if draft.test_pair:
        yield "    # TEST PAIR, made by `ldap-gateway init`: no service trusts it. Replace it before the first sync."
    yield f"    certificate: {quoted(draft.certificate)}"
    yield f"    private_key: {quoted(draft.private_key)}"
    yield ""
    yield "directories:"
    yield f"  {quoted(draft.directory)}:"
    yield "    servers:"
    for url, name in draft.servers:
        yield f"      - {{url: {quoted(url)}, server_name: {quoted(name)}}}" if name else f"      - {quoted(url)}"
    yield f"    ca_file: {quoted(draft.ca_file)}"
    yield f"    naming_contexts: [{', '.join(map(quoted, draft.naming_contexts))}]"
    if not draft.can_page:
        yield "    # The server says that it cannot give its results in pages."
        yield "    paging: never"
    yield ""
    yield "# Where the shrink guard keeps the sizes of the last complete searches over restarts. The directory must"
    yield "# exist and belong to the account that the gateway runs as."
    yield "# state_dir: /var/lib/ldap-gateway"
    yield ""
    yield "clients:"
    yield f"  {quoted(draft.client)}:"
    yield "    # The addresses that the service connects from."
    yield from _list("sources", draft.sources)
    yield f"    directory: {quoted(draft.directory)}"
    yield "    # Every spelling that the service may bind with must be listed. With `credentials` instead, what the"
    yield "    # service holds is worth nothing inside: docs/mapped-credentials.md, `ldap-gateway hash-password`."
    yield from _list("sync_accounts", draft.sync_accounts)
    yield from _list("base_dns", draft.base_dns)
    if draft.login_base_dns:
        yield "    # People who may sign in with their password of the directory."
        yield from _list("login_base_dns", draft.login_base_dns)
        if draft.login_domains:
            yield "    # For DOMAIN\\name add the short name of the domain, such as CORP."
            yield from _list("login_domains", draft.login_domains)
    if draft.is_domino:
        yield "    # Of everything below the root only people and groups: servers and mail-in databases stay inside."
        yield f"    required_filter: {quoted(DOMINO_FILTER)}"
        yield "    # Domino knows nothing of Active Directory's, the default."
        yield "    filter_attributes: []"
        yield "    matching_rules: []"
    yield "    attributes:"
    for comment, names in draft.attributes:
        yield f"      # {comment}"
        yield from (f"      - {quoted(name)}" for name in names)


def _list(name: str, values: Iterable[str]) -> Iterable[str]:
    yield f"    {name}:"
    yield from (f"      - {quoted(value)}" for value in values)
