"""Which controls (RFC 4511 4.1.11) are understood: how each is judged, what a server is sent of it, and what of its
answer goes on to the client.

A control changes what an operation means, so one that is not understood can pass by everything that the policy lists.
Hence the table is closed: what is not in it cannot be configured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from gateway.ldap.attribute_types import TypeSet, split_description
from gateway.ldap.controls import (
    DOMAIN_SCOPE,
    MANAGE_DSA_IT,
    PAGED_RESULTS,
    PASSWORD_POLICY,
    SORT,
    SORT_RESULT,
    Control,
    PagedResults,
    paged_results,
)
from gateway.ldap.errors import DecodeError
from gateway.ldap.password_policy import password_policy_answer
from gateway.ldap.results import ResultCode
from gateway.ldap.sorting import SortKey, SortResult, sort_control, sort_keys, sort_result
from gateway.ldap.supertypes import OpenSupertypes
from gateway.policy.decision import Refuse
from gateway.policy.reasons import Reason
from gateway.policy.search_refusal import refuse_search
from gateway.policy.settings import ClientPolicy, Paging

# What may be listed in `controls`, by OID: the name of each.
UNDERSTOOD: Final[dict[str, str]] = {
    PAGED_RESULTS: "paged results",
    SORT: "sort",
    MANAGE_DSA_IT: "manageDsaIT",
    DOMAIN_SCOPE: "domain scope",
    PASSWORD_POLICY: "password policy",
}

# Of a bind. All others are of a search.
_OF_A_BIND: Final = frozenset({PASSWORD_POLICY})

_PAST_ATTRIBUTES: Final = "brings what `attributes` does not list"
_OTHER_SHAPE: Final = "changes the DNs of entries, which are then held against no base"
_BEYOND: Final = "shows entries that a search within base_dns does not have"
_ANOTHER_FILTER: Final = "is a filter on any attribute, past the attributes that are listed"
_WRITES: Final = "is of a write or a compare, and these are never served"
_GOES_ON: Final = "never ends, and a sync is complete only where its search ends"
_IDENTITY: Final = "acts as somebody else than the account that signed in"

# Controls that others serve and that are known not to fit here: name and why, by OID.
NOT_UNDERSTOOD: Final[dict[str, tuple[str, str]]] = {
    "1.3.6.1.4.1.4203.666.5.16": ("dereference", f"{_PAST_ATTRIBUTES}, of entries outside base_dns as well"),
    "1.3.6.1.1.12": ("assertion", _ANOTHER_FILTER),
    "1.2.826.0.1.3344810.2.3": ("matched values", _ANOTHER_FILTER),
    "2.16.840.1.113730.3.4.9": ("virtual list view", "counts and skips entries that the client may not see"),
    "1.2.840.113556.1.4.841": ("DirSync", f"{_BEYOND}, in the server's own order and with a cookie of its own"),
    "1.2.840.113556.1.4.529": ("extended DN", _OTHER_SHAPE),
    "1.2.840.113556.1.4.417": ("show deleted", _BEYOND),
    "1.2.840.113556.1.4.2064": ("show recycled", _BEYOND),
    "1.2.840.113556.1.4.2065": ("show deactivated links", _PAST_ATTRIBUTES),
    "1.2.840.113556.1.4.801": ("security descriptor flags", "is about access rights, which are no part of a sync"),
    "1.2.840.113556.1.4.1504": ("attribute scoped query", _BEYOND),
    "1.2.840.113556.1.4.1340": ("search options", f"{_BEYOND}: those of all naming contexts"),
    "1.2.840.113556.1.4.528": ("notification", _GOES_ON),
    "2.16.840.1.113730.3.4.3": ("persistent search", _GOES_ON),
    "1.3.6.1.4.1.4203.1.9.1.1": ("content synchronization", f"{_GOES_ON}; its cookie tells of hidden entries too"),
    "1.3.6.1.1.13.1": ("pre-read", _WRITES),
    "1.3.6.1.1.13.2": ("post-read", _WRITES),
    "1.2.840.113556.1.4.805": ("tree delete", _WRITES),
    "1.2.840.113556.1.4.1413": ("permissive modify", _WRITES),
    "2.16.840.1.113730.3.4.18": ("proxied authorization", _IDENTITY),
    "2.16.840.1.113730.3.4.12": ("proxied authorization, old form", _IDENTITY),
    "2.16.840.1.113730.3.4.16": ("authorization identity", "tells the server's name of the account"),
    "1.3.6.1.4.1.4203.1.10.1": ("subentries", _BEYOND),
    "1.3.6.1.4.1.4203.666.5.2": ("no-op", _WRITES),
    "1.3.6.1.1.22": ("don't use copy", "chooses among servers, which the gateway does"),
    SORT_RESULT: ("the answer to sort", f"is an answer and no request: list {SORT}"),
}


def why_not_understood(oid: str) -> str:
    """What `check` says of an OID in `controls` that is none of UNDERSTOOD."""
    known = ", ".join(f"{each} ({name})" for each, name in UNDERSTOOD.items())
    if oid not in NOT_UNDERSTOOD:
        return f"the gateway does not understand this control, so it cannot judge it; understood are {known}"
    name, why = NOT_UNDERSTOOD[oid]
    return f"{name} {why}; take it out. Understood are {known}"


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class SearchControls:
    """What a search's controls ask for.

    page, page_critical: the page that is wanted, its size clamped. forwarded: written anew, for servers that support
    them. sort_supertype: a supertype that is a sort key, "" for none. drops_references: no reference goes to the
    client. answers: what is known of the answer before a server is asked.
    """

    page: Final[PagedResults | None]
    page_critical: Final[bool]
    forwarded: Final[tuple[Control, ...]]
    sort_supertype: Final[str]
    drops_references: Final[bool]
    answers: Final[tuple[Control, ...]]

    def __init__(
        self,
        page: PagedResults | None = None,
        page_critical: bool = False,
        forwarded: tuple[Control, ...] = (),
        sort_supertype: str = "",
        drops_references: bool = False,
        answers: tuple[Control, ...] = (),
    ) -> None:
        self.page = page
        self.page_critical = page_critical
        self.forwarded = forwarded
        self.sort_supertype = sort_supertype
        self.drops_references = drops_references
        self.answers = answers

    def over(self, parts: int) -> SearchControls | Refuse:
        """These controls for a search that is sent as several parts. The server sorts each part alone, so that several
        parts together are not sorted."""
        sort = next((control for control in self.forwarded if control.oid == SORT), None)
        if parts < 2 or sort is None:
            return self
        answer = SortResult(ResultCode.unwillingToPerform).to_control()
        if sort.critical:
            return refuse_search(Reason.sort_over_several_bases, controls=(answer,))
        forwarded = tuple(control for control in self.forwarded if control is not sort)
        return SearchControls(
            self.page, self.page_critical, forwarded, "", self.drops_references, (*self.answers, answer)
        )

    def of_one_entry(self) -> SearchControls | Refuse:
        """These controls for an answer of one entry, which is its own only page and is sorted."""
        if self.page is not None and self.page.cookie:
            return refuse_search(Reason.cookie_not_valid)
        answers = self.answers
        if self.page is not None:
            answers = (last_page(), *answers)
        if any(control.oid == SORT for control in self.forwarded):
            answers = (*answers, SortResult(ResultCode.success).to_control())
        forwarded = tuple(control for control in self.forwarded if control.oid != SORT)
        return SearchControls(None, False, forwarded, "", self.drops_references, answers)


def last_page() -> Control:
    """The answer to paged results where nothing more is to come (RFC 2696 3)."""
    return PagedResults(0).to_control(critical=False)


_NONE: Final = SearchControls()


class _SortRefused(Exception):
    """The error of a sort that cannot be done.

    code: of the answer (RFC 2891 1.2). name: of the sort key's attribute or rule, as the client wrote it. setting:
    where that would have to be listed, "" where it cannot be.
    """

    def __init__(self, code: int, name: str, setting: str) -> None:
        super().__init__(code)
        self.code = code
        self.name = name
        self.setting = setting


class ControlJudge:
    """Judges the controls of one client's requests, and those of the servers' answers to them."""

    def __init__(self, policy: ClientPolicy) -> None:
        self._policy = policy
        listed = (*policy.attributes, *policy.filter_attributes)
        self._types = TypeSet(listed)
        self._supertypes = OpenSupertypes(listed)
        self._rules = {rule.lower() for rule in policy.matching_rules}

    def of_search(self, controls: tuple[Control, ...]) -> SearchControls | Refuse:
        if not controls:
            return _NONE
        refusal = self._refuse(controls, of_a_bind=False)
        if refusal is not None:
            return refusal
        page: PagedResults | None = None
        page_critical = drops_references = False
        forwarded: list[Control] = []
        answers: list[Control] = []
        sort_supertype = ""
        for control in controls:
            if not self._serves(control.oid, of_a_bind=False):
                continue
            if control.oid == PAGED_RESULTS:
                judged = self._page(control)
                if isinstance(judged, Refuse):
                    return judged
                page, page_critical = judged, judged is not None and control.critical
            elif control.oid == SORT:
                try:
                    keys = self._sort_keys(control)
                except DecodeError as error:
                    return _malformed(control, str(error))
                except _SortRefused as refused:
                    answer = SortResult(refused.code).to_control()
                    if control.critical:
                        return refuse_search(
                            Reason.sort_key_not_allowed,
                            detail=refused.name,
                            controls=(answer,),
                            setting=refused.setting,
                        )
                    answers.append(answer)
                    continue
                forwarded.append(sort_control(keys, control.critical))
                found = (self._supertypes.find(key.attribute) for key in keys)
                sort_supertype = next((name for name in found if name is not None), "")
            elif control.oid == MANAGE_DSA_IT:
                forwarded.append(Control(MANAGE_DSA_IT, control.critical))
            elif control.oid == DOMAIN_SCOPE:
                drops_references = True
        return SearchControls(page, page_critical, tuple(forwarded), sort_supertype, drops_references, tuple(answers))

    def of_bind(self, controls: tuple[Control, ...]) -> tuple[Control, ...] | Refuse:
        """What a server is sent with a bind. It is judged before the name is, so that it tells nothing of the name."""
        refusal = self._refuse(controls, of_a_bind=True)
        if refusal is not None:
            return refusal
        asked = any(self._serves(control.oid, of_a_bind=True) for control in controls)
        return (Control(PASSWORD_POLICY),) if asked else ()

    def sort_answer(self, controls: tuple[Control, ...]) -> tuple[Control, ...]:
        """The controls of the answer to a search that was to be sorted. controls: the server's. Raises DecodeError."""
        for control in controls:
            if control.oid == SORT_RESULT:
                result = sort_result(control)
                name = None if result.attribute is None else self._types.find(result.attribute)
                return (SortResult(result.code, name).to_control(),)
        return ()

    def bind_answer(self, controls: tuple[Control, ...]) -> tuple[Control, ...]:
        """The controls of the answer to a bind that server and gateway accept. controls: the server's. Raises
        DecodeError."""
        for control in controls:
            if control.oid == PASSWORD_POLICY:
                return (password_policy_answer(control).to_control(),)
        return ()

    def _serves(self, oid: str, of_a_bind: bool) -> bool:
        return oid in self._policy.controls and oid in UNDERSTOOD and (oid in _OF_A_BIND) is of_a_bind

    def _refuse(self, controls: tuple[Control, ...], of_a_bind: bool) -> Refuse | None:
        """What holds for every control, whatever it means."""
        if len({control.oid for control in controls}) != len(controls):
            return refuse_search(Reason.control_malformed, "control-malformed: the same control twice")
        served = [control for control in controls if self._serves(control.oid, of_a_bind)]
        for control in controls:
            # Whether a server has a password policy is not known before it is asked, and its refusal would tell which
            # names it was asked about: so with a bind nothing is served that is critical.
            if control.critical and (of_a_bind or control not in served):
                served_if_listed = not of_a_bind and control.oid in UNDERSTOOD and control.oid not in _OF_A_BIND
                setting = None if served_if_listed else ""
                return refuse_search(Reason.control_not_allowed, detail=control.oid, setting=setting)
        for control in served:
            if control.oid not in (PAGED_RESULTS, SORT) and control.value:
                return _malformed(control, "it has no value")
        return None

    def _page(self, control: Control) -> PagedResults | Refuse | None:
        """None where the whole comes in one."""
        try:
            asked = paged_results(control)
        except DecodeError as error:
            return _malformed(control, str(error))
        if self._policy.paging is Paging.never:
            if control.critical:
                return refuse_search(Reason.paging_not_supported)
            return refuse_search(Reason.cookie_not_valid) if asked.cookie else None
        # RFC 2696 3: fewer entries than asked for may come; a size of 0 gives up a search that has a cookie.
        most = self._policy.page_size
        size = min(asked.size, most) if asked.size or asked.cookie else most
        return PagedResults(size, asked.cookie)

    def _sort_keys(self, control: Control) -> tuple[SortKey, ...]:
        """The keys of the control in the configured spelling. An order tells of hidden values what a filter would.
        Raises DecodeError and _SortRefused."""
        keys: list[SortKey] = []
        for key in sort_keys(control):
            parts = split_description(key.attribute)
            spelling = None if parts is None else self._types.find(parts[0])
            if parts is None or any("=" in option for option in parts[1]):
                raise _SortRefused(ResultCode.insufficientAccessRights, key.attribute, "")
            if spelling is None:
                raise _SortRefused(ResultCode.insufficientAccessRights, key.attribute, "clients.X.filter_attributes")
            if key.rule is not None and key.rule.lower() not in self._rules:
                raise _SortRefused(ResultCode.inappropriateMatching, key.rule, "clients.X.matching_rules")
            keys.append(SortKey(";".join((spelling, *parts[1])), key.rule, key.reverse))
        return tuple(keys)


def _malformed(control: Control, what: str) -> Refuse:
    return refuse_search(Reason.control_malformed, f"control-malformed: {UNDERSTOOD[control.oid]}: {what}")
