"""What a directory is and permits, seen as the sync account: names, clock, schema, paging, lockout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from gateway.ask.attributes import texts
from gateway.ask.connection import Connection
from gateway.ask.findings import Section
from gateway.ask.root_dse import RootDse, read_root_dse
from gateway.ask.schema import Schema, read_schema
from gateway.ldap.attribute_types import TypeSet
from gateway.ldap.dn import DN, DNError, parse
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest
from gateway.ldap.supertypes import listed_open_supertypes
from gateway.policy.settings import DEFAULT_FILTER_ATTRIBUTES, ClientPolicy, Paging
from gateway.tools.doctor.lockout import check_lockout
from gateway.tools.doctor.worst_case import WorstCase

# Beyond it, times in logs of both sides do not fit each other; at 5 minutes AD's Kerberos fails as well.
CLOCK_TOLERANCE: Final = timedelta(seconds=60)

# MS-ADTS 3.1.1.3.4.6; below the configuration naming context.
_QUERY_POLICY: Final = "CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services"


async def check_directory(
    section: Section,
    connection: Connection,
    policy: ClientPolicy,
    worst_case: WorstCase,
    now: Callable[[], datetime],
) -> RootDse:
    """All that is asked once per directory. worst_case: of the whole configuration. Raises ConnectionFailed."""
    dse = await read_root_dse(connection) or RootDse()
    asked = now()
    check_contexts(section, dse, policy.naming_contexts)
    if dse.current_time is None:
        section.skipped("the server does not tell the time", "clock")
    else:
        check_clock(section, dse.current_time, asked)
    await _check_schema(section, connection, dse, policy)
    if policy.subschema is not None:
        check_subschema(section, dse, policy.subschema)
    await _check_paging(section, connection, dse, policy)
    await check_lockout(section, connection, dse, policy.directory, worst_case)
    return dse


def check_contexts(section: Section, dse: RootDse, configured: Iterable[DN]) -> None:
    there = [name for each in dse.naming_contexts if (name := _parsed(each)) is not None]
    if not there:
        section.skipped("the server does not name its naming contexts", "naming contexts")
        return
    for name in configured:
        said = str(name) or "the root"
        if any(name.same(each) for each in there):
            section.ok("naming contexts", f"{said} is one of the server's")
        elif any(name.is_inside(each) for each in there):
            section.ok("naming contexts", f"{said} lies in one of the server's")
        else:
            section.failed(
                "naming contexts",
                f"{said} is none of the server's",
                f"the server has: {'  '.join(str(each) or 'the root' for each in there[:4])}",
            )


def check_clock(section: Section, theirs: datetime, ours: datetime) -> None:
    """theirs: to the second."""
    ahead = theirs - ours
    seconds = abs(ahead.total_seconds())
    if abs(ahead) <= CLOCK_TOLERANCE:
        section.ok("clock", "the server's and this host's agree")
        return
    which = "ahead of" if ahead > timedelta(0) else "behind"
    section.warning("clock", f"the server is {seconds:.0f} s {which} this host", "set both by NTP")


async def _check_schema(section: Section, connection: Connection, dse: RootDse, policy: ClientPolicy) -> None:
    schema = await read_schema(connection, dse.subschema) if dse.subschema else None
    check_supertypes(section, dse, schema, policy)
    if schema is None:
        section.skipped("the account cannot read the schema", "schema")
        return
    own = tuple(name for name in policy.filter_attributes if name not in DEFAULT_FILTER_ATTRIBUTES)
    check_attributes(section, schema, (*policy.attributes, *own))


def check_subschema(section: Section, dse: RootDse, configured: DN) -> None:
    there = _parsed(dse.subschema) if dse.subschema else None
    if there is None:
        section.skipped("the server does not name its schema's entry", "subschema")
    elif there.same(configured):
        section.ok("subschema", f"{configured} is the entry with the server's schema")
    else:
        section.failed("subschema", f"{configured} is not the server's", f'write "{there}"')


def check_attributes(section: Section, schema: Schema, configured: tuple[str, ...]) -> None:
    unknown = [name for name in configured if not schema.knows(name)]
    for name in unknown:
        near = schema.nearest(name)
        section.warning(
            "schema",
            f"the directory knows no attribute {name}",
            f"did you mean {' or '.join(near)}?" if near else "take it out of the configuration",
        )
    if not unknown:
        section.ok("schema", f"it knows all {len(configured)} configured attributes")


def check_supertypes(section: Section, dse: RootDse, schema: Schema | None, policy: ClientPolicy) -> None:
    """Which listed attributes stand for unlisted ones as well, so that a filter finds these out. schema: None where the
    account cannot read it."""
    listed = (*policy.attributes, *policy.filter_attributes)
    refused = listed_open_supertypes(listed)
    if dse.is_active_directory:
        if refused:
            each = ", ".join(refused)
            section.ok("supertypes", f"at an Active Directory {each} stand for nothing else: filters on them pass")
        return
    for name, missing in refused.items():
        section.warning(
            "supertypes",
            f"{name} stands for {', '.join(missing)} as well, which are not listed: filters on it are refused",
            f"list in its place what is meant, or all of these in clients.{policy.name}.filter_attributes",
        )
    types = TypeSet(listed)
    for name in types.spellings():
        own = () if schema is None or name in refused else schema.subtypes(name)
        missing = tuple(each for each in own if types.find(each) is None)
        if missing:
            section.warning(
                "supertypes",
                f"this server's schema derives {', '.join(missing)} from {name}: a filter on {name} matches them too",
                f"take {name} out of clients.{policy.name} unless everybody may know them",
            )


async def _check_paging(section: Section, connection: Connection, dse: RootDse, policy: ClientPolicy) -> None:
    if not dse.can_page:
        advice = "set `paging: never` for this directory" if policy.paging is not Paging.never else ""
        say = section.warning if advice else section.ok
        say("paging", "the server cannot page", advice)
        return
    if policy.paging is Paging.never:
        section.ok(
            "paging",
            "the server can page, and `paging: never` forbids it",
            "`paging: auto`, unless the server's limits keep the account from reading in pages",
        )
        return
    limit = await _page_limit(connection, dse)
    if limit is None:
        section.ok("paging", "the server pages; its page limit is unknown")
    elif limit < policy.page_size:
        section.warning(
            "paging", f"the server gives {limit} entries a page, page_size is {policy.page_size}", f"page_size: {limit}"
        )
    else:
        section.ok("paging", f"the server pages, up to {limit} entries; page_size is {policy.page_size}")


async def _page_limit(connection: Connection, dse: RootDse) -> int | None:
    """AD's MaxPageSize (MS-ADTS 3.1.1.3.4.6), which Windows enforces and Samba only lists."""
    if not dse.configuration_context:
        return None
    limits = await _read(connection, f"{_QUERY_POLICY},{dse.configuration_context}", "lDAPAdminLimits")
    for limit in limits:
        name, _, value = limit.partition("=")
        if name.lower() == "maxpagesize" and value.isdigit():
            return int(value)
    return None


async def _read(connection: Connection, dn: str, attribute: str) -> tuple[str, ...]:
    answer = await connection.search(SearchRequest(dn, BASE_OBJECT, Present("objectClass"), (attribute,)))
    return texts(answer.entries[0], attribute) if answer.complete and answer.entries else ()


def _parsed(name: str) -> DN | None:
    try:
        return parse(name)
    except DNError:
        return None
