"""The simulated service: a directory sync, then everything it should not get, then people who sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ask.client import next_page, page_control
from gateway.demo.configuration import ATTRIBUTES
from gateway.demo.connection import ConnectionFailed, SearchAnswer, ServiceConnection
from gateway.demo.people import (
    CONTACTS,
    GROUPS,
    SECRET_PROJECTS,
    SERVICE_ACCOUNTS,
    STAFF,
    SUFFIX,
    SYNC_ACCOUNT,
    SignIn,
    a_hidden_person,
    a_person,
)
from gateway.demo.place import Place
from gateway.demo.proof import Claim, complete, sealed
from gateway.demo.stage import Account, Stage
from gateway.demo.steps import Expected, Happened, Part, Step
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import BASE_OBJECT, WHOLE_SUBTREE, SearchRequest, SearchResultEntry, UnbindRequest
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.net.transport.reactor import Reactor
from gateway.policy.reasons import Reason

PAGE_SIZE: Final = 100


def _search(base: str, text: str, *attributes: str, scope: int = WHOLE_SUBTREE) -> SearchRequest:
    return SearchRequest(base, scope, parse_filter(text), attributes)


# A client's own spelling of the base, and `*`: what reaches the directory is neither.
USERS: Final = Step(
    Part.sync,
    "Users",
    "search",
    Expected(),
    search=_search(str(STAFF).lower(), "(&(objectCategory=person)(objectClass=user))", "*"),
    page_size=PAGE_SIZE,
)
GROUP_SEARCH: Final = Step(
    Part.sync,
    "Groups",
    "search",
    Expected(),
    search=_search(
        str(GROUPS), "(objectClass=group)", "cn", "displayName", "mail", "member", "objectGUID", "description"
    ),
    page_size=PAGE_SIZE,
)
CONTACT_SEARCH: Final = Step(
    Part.sync,
    "Contacts",
    "search",
    Expected(),
    search=_search(
        str(CONTACTS), "(objectClass=contact)", "displayName", "mail", "proxyAddresses", "employeeID", "pager"
    ),
    page_size=PAGE_SIZE,
)
SYNC_SEARCHES: Final = (USERS, GROUP_SEARCH, CONTACT_SEARCH)

_REFUSED: Final = ResultCode.insufficientAccessRights

ROOT_DSE: Final = Step(
    Part.sync,
    "Root DSE",
    "search",
    Expected(reaches=False),
    search=_search("", "(objectClass=*)", "namingContexts", "supportedControl", "dnsHostName", scope=BASE_OBJECT),
)
BEYOND: Final = (
    Step(
        Part.beyond,
        "A hidden unit",
        "search",
        Expected(_REFUSED, Reason.base_excluded, reaches=False),
        search=_search(str(SECRET_PROJECTS), "(objectClass=user)", "cn", "mail"),
    ),
    Step(
        Part.beyond,
        "Guessing a hidden value",
        "search",
        Expected(_REFUSED, Reason.filter_attribute_not_allowed, reaches=False),
        search=_search(str(STAFF), "(&(objectClass=user)(employeeID=LEAK-10*))", "cn"),
    ),
    Step(
        Part.beyond,
        "The whole domain, which becomes the allowed parts of it",
        "search",
        Expected(),
        search=_search(str(SUFFIX), "(objectClass=*)", "*"),
    ),
    Step(
        Part.beyond,
        "Service accounts",
        "search",
        Expected(_REFUSED, Reason.base_not_allowed, reaches=False),
        search=_search(str(SERVICE_ACCOUNTS), "(objectClass=user)", "userPassword"),
    ),
    Step(
        Part.beyond,
        "Deleting somebody",
        "delete",
        Expected(ResultCode.unwillingToPerform, Reason.operation_not_allowed, reaches=False),
        name=str(a_person().dn),
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the demo came to. happened: in order. claims: what the demo proves."""

    happened: tuple[Happened, ...]
    claims: tuple[Claim, ...]

    @property
    def holds(self) -> bool:
        return all(claim.holds for claim in self.claims)


class SimulatedSync:
    """Runs once, on a stage that has started and that nobody else uses."""

    def __init__(self, stage: Stage, reactor: Reactor) -> None:
        self._stage = stage
        self._reactor = reactor
        self._through = bytearray()
        self._direct = bytearray()
        self._through_entries: list[SearchResultEntry] = []
        self._direct_entries: dict[Step, tuple[SearchResultEntry, ...]] = {}
        self._happened: list[Happened] = []

    async def run(self) -> Report:
        """Raises ConnectionFailed, DecodeError or TimeoutError where one side does not answer as LDAP has it."""
        await self._ask_directly()
        await self._sync()
        await self._ask_beyond()
        await self._sign_in()
        direct = [entry for entries in self._direct_entries.values() for entry in entries]
        claims = (
            complete(self._through_entries, direct, ATTRIBUTES, SECRET_PROJECTS),
            sealed(bytes(self._through), bytes(self._direct)),
            _as_expected(self._happened),
            *self._stage.claims(),
        )
        return Report(tuple(self._happened), claims)

    async def _ask_directly(self) -> None:
        """The searches of the sync without the gateway: what there is to be had."""
        connection = await self._bound(self._stage.directory, _account(SYNC_ACCOUNT), self._direct)
        for step in SYNC_SEARCHES:
            answers = await _pages(connection, step)
            self._direct_entries[step] = tuple(entry for answer in answers for entry in answer.entries)
        await self._end(connection)

    async def _sync(self) -> None:
        place = self._stage.gateway
        connection = await ServiceConnection.open(place, self._through, self._reactor)
        await self._note(Step(Part.sync, "Connect", "connect", Expected(None, reaches=False), place.url))
        await self._search(connection, ROOT_DSE)
        await self._bind(connection, "Bind", self._stage.account, Expected(), Part.sync)
        for step in SYNC_SEARCHES:
            self._through_entries.extend(await self._search(connection, step))
        await connection.unbind()
        await self._stage.settle()
        await self._note(Step(Part.sync, "Unbind", "unbind", Expected(None)))

    async def _ask_beyond(self) -> None:
        connection = await self._bound(self._stage.gateway, self._stage.account, self._through)
        for step in BEYOND:
            if step.search is not None:
                await self._search(connection, step)
            else:
                await self._note(step, await connection.delete(a_person().dn))
        await self._end(connection)

    async def _sign_in(self) -> None:
        connection = await ServiceConnection.open(self._stage.gateway, self._through, self._reactor)
        wrong = Expected(ResultCode.invalidCredentials)
        outside = Expected(ResultCode.invalidCredentials, Reason.login_outside_base)
        person, hidden = _account(a_person()), _account(a_hidden_person())
        await self._bind(connection, "The right password", person, Expected())
        only_bind = Expected(_REFUSED, Reason.login_may_only_bind, reaches=False)
        search = _search(str(STAFF), "(mail=*)", "mail")
        await self._search(
            connection, Step(Part.sign_in, "A search as that person", "search", only_bind, search=search)
        )
        await self._bind(connection, "A wrong password", Account(person.name, b"wrong"), wrong)
        await self._bind(connection, "A hidden person, also right", hidden, outside)
        await self._end(connection)

    async def _bound(self, place: Place, account: Account, received: bytearray) -> ServiceConnection:
        connection = await ServiceConnection.open(place, received, self._reactor)
        result = await connection.bind(account.name, account.password)
        if result.code != ResultCode.success:
            raise ConnectionFailed(f"{place.url}: the sync account cannot bind: {result.code} {result.diagnostic}")
        await self._stage.take_seen()
        return connection

    async def _end(self, connection: ServiceConnection) -> None:
        await connection.unbind()
        await self._stage.settle()
        await self._stage.take_seen()

    async def _bind(
        self,
        connection: ServiceConnection,
        title: str,
        who: Account,
        expected: Expected,
        part: Part = Part.sign_in,
    ) -> None:
        result = await connection.bind(who.name, who.password)
        await self._note(Step(part, title, "bind", expected, who.name), result)

    async def _search(self, connection: ServiceConnection, step: Step) -> tuple[SearchResultEntry, ...]:
        answers = await _pages(connection, step)
        entries = tuple(entry for answer in answers for entry in answer.entries)
        await self._note(step, answers[-1].done.result, entries, len(answers))
        return entries

    async def _note(
        self,
        step: Step,
        result: LDAPResult | None = None,
        entries: tuple[SearchResultEntry, ...] = (),
        pages: int = 0,
    ) -> None:
        seen = await self._stage.take_seen()
        # The gateway ends its connection to the directory after a refused bind, whenever that arrives.
        heard = [r for r in seen.heard if step.operation == "unbind" or not isinstance(r, UnbindRequest)]
        attributes = _types(entries)
        there = _types(self._direct_entries.get(step, ()))
        self._happened.append(
            Happened(
                step,
                None if result is None else result.code,
                "" if result is None else result.diagnostic,
                pages,
                len(entries),
                attributes,
                tuple(heard),
                seen.records,
                seen.inside,
                tuple(name for name in there if name not in attributes),
            )
        )


def _account(person: SignIn) -> Account:
    return Account(person.user_principal_name, person.password)


async def _pages(connection: ServiceConnection, step: Step) -> list[SearchAnswer]:
    """One answer a page; the last one says how the search ended."""
    if step.search is None:
        raise ValueError(f"{step.title} is not a search")
    if not step.page_size:
        return [await connection.search(step.search)]
    answers: list[SearchAnswer] = []
    cookie = b""
    while not answers or cookie:
        answers.append(await connection.search(step.search, (page_control(step.page_size, cookie),)))
        cookie = next_page(answers[-1].done)
    return answers


def _types(entries: tuple[SearchResultEntry, ...]) -> tuple[str, ...]:
    return tuple(sorted({attribute.type for entry in entries for attribute in entry.attributes}, key=str.lower))


def _as_expected(happened: list[Happened]) -> Claim:
    others = [found.step.title for found in happened if not found.as_expected]
    text = f"{len(happened) - len(others)} of {len(happened)} answers are what the policy says"
    return Claim("by the policy", not others, text + (f"; not: {', '.join(others)}" if others else ""))
