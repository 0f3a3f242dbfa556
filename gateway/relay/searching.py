"""The steps of a search: its parts and pages, ranged attributes made whole, and the comparison with last time."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Final, final

from gateway.ldap.controls import SORT, Control, PagedResults
from gateway.ldap.dn import DN
from gateway.ldap.entry_stream import Tally
from gateway.ldap.errors import DecodeError
from gateway.ldap.messages import BASE_OBJECT
from gateway.ldap.results import LDAPResult, ResultCode
from gateway.policy.at_server import Features
from gateway.policy.decision import AncestorPlan, Refuse, SearchPlan
from gateway.policy.one_entry import as_asked
from gateway.policy.policy import Policy
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import Paging
from gateway.policy.shrink import ShrinkMode
from gateway.relay.aside import PutAside, Room
from gateway.relay.base_reading import BaseReader, said_apart
from gateway.relay.features import features
from gateway.relay.made_whole import deliver_whole
from gateway.relay.paging import PagedSearches, Search, ServerFacts, next_cookie, page_response
from gateway.relay.questions import Recalled, RecallSizes
from gateway.relay.ranges import has_range
from gateway.relay.results import relayed
from gateway.relay.search_failed import SearchFailed
from gateway.relay.shrinking import compared
from gateway.relay.steps import (
    Answer,
    AwaitTurn,
    Deliver,
    Found,
    Look,
    Outcome,
    Resume,
    Step,
    Steps,
    Stream,
    Streamed,
)

# Entries that a server is asked for at once where the client's page needs fewer: all of them may have to be carried.
_MOST_AHEAD: Final = 64


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class SearchContext:
    """What a session's searches share. server: the URL of the server that the session is connected to. account: that
    the session is bound as, as the audit has it; "" for an anonymous session."""

    paged: Final[PagedSearches]
    room: Final[Room]
    facts: Final[ServerFacts]
    server: Final[str]
    account: Final[str]
    weight: Final[int]

    def __init__(
        self, paged: PagedSearches, room: Room, facts: ServerFacts, server: str, account: str, weight: int
    ) -> None:
        self.paged = paged
        self.room = room
        self.facts = facts
        self.server = server
        self.account = account
        self.weight = weight


def search_steps(policy: Policy, plan: SearchPlan, context: SearchContext) -> Steps:
    """One operation of a search: all of it, or the page that the client asked for."""
    if plan.page is not None and plan.page.cookie:
        return _next_page(policy, plan, plan.page, context)
    search = Search(plan, len(policy.entries.attribute_names), PutAside(context.room), context.weight)
    return _RunningSearch(policy, plan, context, search).steps()


def _next_page(policy: Policy, plan: SearchPlan, page: PagedResults, context: SearchContext) -> Steps:
    search = context.paged.take(page.cookie, plan)
    if search is None:
        return _refused(refuse_search(Reason.cookie_not_valid))
    if page.size == 0:
        return (yield from _give_up(search))
    return (yield from _RunningSearch(policy, plan, context, search).steps())


def ancestor_steps(policy: Policy, plan: AncestorPlan, context: SearchContext) -> Steps:
    """The entry above the allowed bases, if the server has it."""
    controls: tuple[Control, ...] = ()
    if plan.controls:
        known = yield from features(context.facts, context.server)
        decision = policy.decide_at_server(plan, known)
        if isinstance(decision, Refuse):
            return _refused(decision)
        controls = decision.controls
    answer = yield Look(plan.request, 1, controls)
    if not isinstance(answer, Found):
        raise TypeError("a search was answered by something else")
    if answer.result.code == ResultCode.success and answer.entries:
        entry = as_asked(answer.entries[0], plan.request)
        if entry is None:
            return wrong_entry()
        yield Deliver(entry, Tally(0))
    result, reason = relayed(answer.result, policy)
    return Outcome(result, plan.answers if result.code == ResultCode.success else (), reason=reason)


def _refused(refusal: Refuse) -> Outcome:
    """The end of an operation that is refused once the server is known."""
    result = LDAPResult(refusal.code, "", refusal.text)
    return Outcome(result, refusal.controls, reason=refusal.reason, detail=refusal.detail)


def wrong_entry() -> Outcome:
    """The end of a read of one entry that the server answered with another one: an empty success would say that there
    is none."""
    text = f"{Reason.server_wrong_response}: the directory answered with another entry than the one asked for"
    return Outcome(LDAPResult(ResultCode.unavailable, "", text), reason=Reason.server_wrong_response)


def _give_up(search: Search) -> Steps:
    """RFC 2696 3: a size of 0 with a cookie; the server is told as well, so that it can free the pages."""
    search.carried.clear()
    if search.cookie:
        yield AwaitTurn()
        part = search.plan.parts[search.part]
        control = PagedResults(0, search.cookie).to_control(critical=True)
        yield Stream(part, search.tally, (*search.controls, control), most=0)
    return Outcome(LDAPResult(ResultCode.success), (page_response(b""),), more=True)


class _RunningSearch:
    """One operation of a search."""

    def __init__(self, policy: Policy, plan: SearchPlan, context: SearchContext, search: Search) -> None:
        self._policy = policy
        self._plan = plan
        self._context = context
        self._search = search
        self._aside = PutAside(context.room)
        # Those of the request that the server was sent last.
        self._controls: tuple[Control, ...] = ()
        # A client that asks for ranges itself gets ranges.
        self._expands = policy.settings.expand_ranges and not any(has_range(name) for name in plan.asked.attributes)
        # What enforce would refuse at this server.
        self._reported: tuple[Reason, ...] = ()
        self._allowed = policy.search.bases
        self._bases = BaseReader(context.facts.bases, (context.server, context.account))

    def steps(self) -> Steps:
        outcome = yield from self._steps()
        if self._reported:
            outcome = replace(outcome, reported=(*self._reported, *outcome.reported))
        if self._bases.learnt:
            said = dict.fromkeys((*self._bases.learnt, outcome.detail))
            outcome = replace(outcome, detail="; ".join(filter(None, said)))
        return outcome

    def _steps(self) -> Steps:
        kept = False
        try:
            plan = self._plan
            if plan.controls or plan.supertypes:
                refusal = self._judge_server((yield from features(self._context.facts, self._context.server)))
                if refusal is not None:
                    return _refused(refusal)
            if self._allowed.beyond_ascii:
                for part in plan.parts:
                    yield from self._bases.read_first(self._allowed.around(part.base))
            outcome = yield from (self._page_of_the_visible() if self._fills_pages() else self._as_it_comes())
            kept = outcome.more
            return outcome
        except SearchFailed as failed:
            return failed.outcome
        finally:
            self._aside.clear()
            if not kept:
                self._search.carried.clear()

    def _fills_pages(self) -> bool:
        """Whether the client's pages are filled by the gateway. By the server's own pages a client could count entries
        that it may not see, and so try out what is in them."""
        return self._plan.page is not None and bool(self._policy.settings.excluded_base_dns)

    def _as_it_comes(self) -> Steps:
        """All of the search, or the server's page of it."""
        plan, search = self._plan, self._search
        # Entries that may still come in the client's page.
        left = 0 if plan.page is None else plan.page.size
        by_gateway = False if plan.page is not None else self._must_page()
        if by_gateway is None:
            known = yield from features(self._context.facts, self._context.server)
            by_gateway = known.is_active_directory
        if by_gateway or plan.page is not None:
            # Servers keep one paging state per connection, or few: a client's page would end the gateway's own.
            yield AwaitTurn()
        controls: tuple[Control, ...] = ()
        while search.part < len(plan.parts):
            streamed = yield from self._taken((yield self._request(left, by_gateway)), left, by_gateway)
            if streamed.result.code != ResultCode.success:
                return self._ended(streamed)
            controls = streamed.controls
            search.cookie = self._cookie(controls)
            if search.cookie and plan.page is None and not by_gateway:
                # There is more, and asking once more without pages would give the same again.
                text = "the directory sent a page of a result that nobody wanted in pages"
                raise SearchFailed(Reason.server_wrong_response, ResultCode.unavailable, text)
            if not search.cookie:
                search.part += 1
            if plan.page is None or search.part == len(plan.parts):
                continue
            left -= streamed.received
            if search.cookie or left <= 0:
                return self._success(controls, self._context.paged.keep(search))
        return (yield from self._whole(controls))

    def _page_of_the_visible(self) -> Steps:
        """A page of entries that the client may see. It has a cookie only where a further one is known, which is
        carried then. How many the server is asked for shows in nothing but the time."""
        plan, search = self._plan, self._search
        left = 0 if plan.page is None else plan.page.size
        yield AwaitTurn()
        if search.carried.messages:
            aside = self._aside if self._expands else None
            resume = Resume(search.tally, search.carried, left, search.entries_left(), aside, self._is_sorted())
            streamed = yield from self._taken((yield resume))
            if streamed.result.code != ResultCode.success:
                return self._ended(streamed)
            left -= streamed.taken
        size = left + 1
        while not search.carried.messages and search.part < len(plan.parts):
            streamed = yield from self._taken((yield self._request(size, False, left)), size, False, left)
            if streamed.result.code != ResultCode.success:
                return self._ended(streamed)
            left -= streamed.taken
            search.said = streamed.controls
            search.cookie = self._cookie(search.said)
            if not search.cookie:
                search.part += 1
            # Among many that are hidden the next one may be far away.
            size = left + 1 if streamed.taken else max(size, min(2 * size, _MOST_AHEAD))
        if search.carried.messages:
            return self._success(search.said, self._context.paged.keep(search))
        return (yield from self._whole(search.said))

    def _base(self) -> str:
        """The base DN of the current part."""
        return self._plan.parts[self._search.part].base

    def _spelled_otherwise(self, stray: DN) -> SearchFailed:
        """The end of a search at an entry of this name. The audit gets both spellings of the base, and not the name."""
        configured = self._allowed.around(self._base())[0]
        theirs = DN(stray.rdns[len(stray.rdns) - len(configured.rdns) :])
        reason = Reason.base_spelled_otherwise
        text = REASONS[reason].meaning
        return SearchFailed(reason, ResultCode.unavailable, text, said_apart(configured, theirs))

    def _taken(
        self, answer: Answer, left: int = 0, by_gateway: bool = False, room: int | None = None
    ) -> Generator[Step, Answer, Streamed]:
        """The end of a stream, once the entries that were put aside have been sent whole. left, by_gateway, room: of
        _request, which is asked once more where the server turns out to spell the base in a way that was not known."""
        if not isinstance(answer, Streamed):
            raise TypeError("a search was answered by something else")
        if answer.stray is not None:
            found = yield from self._bases.read_anew(self._allowed.around(self._base()), answer.stray)
            # What the client has got would come twice. A server's cookie may be good for one page only.
            if not found or not answer.untouched or self._search.cookie:
                raise self._spelled_otherwise(answer.stray)
            answer = yield self._request(left, by_gateway, room)
            if not isinstance(answer, Streamed):
                raise TypeError("a search was answered by something else")
            if answer.stray is not None:
                raise self._spelled_otherwise(answer.stray)
        if self._aside.messages and answer.result.code in (ResultCode.success, ResultCode.sizeLimitExceeded):
            most = self._context.room.limit
            yield from deliver_whole(self._policy, self._aside, most, self._search.tally)
        return answer

    def _whole(self, controls: tuple[Control, ...]) -> Steps:
        """The end of a search of which everything was sent."""
        outcome = self._success(controls, b"")
        if self._policy.settings.shrink.mode is ShrinkMode.off or self._plan.asked.scope == BASE_OBJECT:
            return outcome
        # As it began: a client may write its later pages otherwise.
        first = self._search.plan
        shape = self._policy.shapes.of(first.asked, self._context.account, first.controls)
        if shape is None:
            return outcome
        recalled = yield RecallSizes(shape)
        if not isinstance(recalled, Recalled):
            raise TypeError("sizes were answered by something else")
        return compared(self._policy, self._search.tally, outcome, shape, recalled.remembered)

    def _must_page(self) -> bool | None:
        """Whether the gateway pages what the client wants in one: the server would stop before the end. None where
        it is not known yet whether it would."""
        paging = self._policy.settings.paging
        if paging is Paging.never or all(part.scope == BASE_OBJECT for part in self._plan.parts):
            return False
        if paging is Paging.always:
            return True
        return self._context.facts.is_active_directory.get(self._context.server)

    def _judge_server(self, known: Features) -> Refuse | None:
        """None where the search may go on at this server."""
        decision = self._policy.decide_at_server(self._plan, known)
        if isinstance(decision, Refuse):
            return decision
        self._search.controls = decision.controls
        if decision.answers != self._plan.answers:
            self._search.answers = decision.answers
        self._reported = decision.reported
        return None

    def _request(self, left: int, by_gateway: bool, room: int | None = None) -> Stream:
        """For the next page of the current part, or all of it. left: entries that the server is asked for, 0 for all.
        room: entries that the client's page has room for; None for as many as come."""
        plan, search = self._plan, self._search
        request, controls = plan.parts[search.part], search.controls
        most = search.entries_left()
        size = left
        if by_gateway:
            size = self._policy.settings.page_size if most is None else min(self._policy.settings.page_size, most + 1)
        if size:
            page = PagedResults(size, search.cookie)
            # Critical, so that no server can take a page of the gateway's for the whole.
            controls = (*controls, page.to_control(critical=by_gateway or plan.page_critical))
        if size or (request.size_limit and self._policy.settings.excluded_base_dns):
            # The server would count entries that the client may not see.
            request = replace(request, size_limit=0)
        self._controls = controls
        return Stream(
            request,
            search.tally,
            controls,
            most,
            self._aside if self._expands else None,
            room,
            None if room is None else search.carried,
            self._is_sorted(),
            plan.drops_references,
        )

    def _is_sorted(self) -> bool:
        return any(control.oid == SORT for control in self._search.controls)

    def _cookie(self, controls: tuple[Control, ...]) -> bytes:
        try:
            return next_cookie(controls)
        except DecodeError as error:
            detail = str(error)
        text = "the directory sent an answer that cannot be read"
        raise SearchFailed(Reason.server_undecodable, ResultCode.unavailable, text, detail)

    def _ended(self, answer: Streamed) -> Outcome:
        """A part that did not end in success ends the whole search."""
        if answer.result.code == ResultCode.noSuchObject:
            reader = (self._context.server, self._context.account)
            self._context.facts.bases.contradicted(reader, self._base())
        if self._plan.narrowed and answer.result.code == ResultCode.noSuchObject:
            base = self._base()
            text = f"{Reason.narrowed_base_missing}: {base} does not exist in the directory; the result is not complete"
            result = LDAPResult(ResultCode.unwillingToPerform, "", text)
            return Outcome(result, reason=Reason.narrowed_base_missing, detail=base)
        if answer.over_limit:
            text = f"{Reason.size_limit_reached}: there are more than {self._plan.size_limit} entries"
            return Outcome(LDAPResult(ResultCode.sizeLimitExceeded, "", text), reason=Reason.size_limit_reached)
        result, reason = relayed(answer.result, self._policy)
        return Outcome(result, self._others(answer.controls), reason, self._unknown_controls(answer.result))

    def _unknown_controls(self, result: LDAPResult) -> str:
        """What the audit says besides of a server that does not know a critical control, or not its value."""
        if result.code != ResultCode.unavailableCriticalExtension:
            return ""
        critical = ", ".join(control.oid for control in self._controls if control.critical)
        return f"critical controls: {critical}" if critical else ""

    def _success(self, controls: tuple[Control, ...], cookie: bytes) -> Outcome:
        page = () if self._plan.page is None else (page_response(cookie),)
        return Outcome(LDAPResult(ResultCode.success), (*page, *self._others(controls)), more=bool(cookie))

    def _others(self, controls: tuple[Control, ...]) -> tuple[Control, ...]:
        """Controls of the result, but for paged results. controls: of the server's."""
        if not self._is_sorted():
            return self._search.answers
        try:
            return (*self._search.answers, *self._policy.controls.sort_answer(controls))
        except DecodeError as error:
            detail = str(error)
        text = "the directory sent an answer that cannot be read"
        raise SearchFailed(Reason.server_undecodable, ResultCode.unavailable, text, detail)
