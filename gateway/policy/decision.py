"""What the policy says of one request: a plan, or a refusal with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, final

from gateway.ldap.controls import Control, PagedResults
from gateway.ldap.messages import BindRequest, SearchRequest, SearchResultEntry
from gateway.policy.credentials import MappedBind
from gateway.policy.reasons import REASONS, Reason, named_setting


@dataclass(frozen=True, slots=True)
class Refuse:
    """The decision that a request is refused.

    code: what the client gets. text: the diagnostic message that it gets, "" where a stranger must not learn more than
    the code says. detail: what the audit record says besides the reason; never a value. controls: of the answer.
    setting: the one key that would allow this request, "" where none would; None where the reason alone tells it.
    """

    reason: Reason
    code: int
    text: str = ""
    detail: str = ""
    controls: tuple[Control, ...] = ()
    setting: str | None = None

    def setting_of(self, client: str, directory: str) -> str:
        """The key with the names of these blocks, "" where none would allow the request."""
        setting = REASONS[self.reason].setting if self.setting is None else self.setting
        return named_setting(setting, client, directory)


@dataclass(frozen=True, slots=True)
class Mended:
    """A name that came without the escapes it needs. where: `base`, `name` (of a bind), or the attribute whose
    value in the filter it was. received: as it came. meant: what it was read as, and forwarded."""

    where: str
    received: str
    meant: str


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class SearchPlan:
    """A permitted search, written anew.

    parts: what the server is sent, one after another, as one result; the bases in the configured spelling.
    asked: what the client meant, before narrowing and required_filter, in canonical spelling.
    page: the page that the client wants, its size clamped; None for all of it in one. page_critical: as it said.
    controls: sent with each part to a server that supports them; paged results are not among them.
    answers: controls of the result that are known before a server is asked.
    drops_references: no reference of a server goes to the client.
    size_limit: entries that the client may get over all parts and pages; 0 for any number.
    held_back: attributes that the client asked for and does not get, as it wrote them.
    reported: what `mode: report` let pass and enforce would refuse.
    mended: names in base and filter that were put right.
    suspicious: what looks escaped twice and is forwarded all the same: `base`, or the attribute whose value in the
    filter it is.
    supertypes: attributes of the filter that may stand for unlisted ones too, unless the server is an Active Directory;
    sort_supertype: the same of a sort key, "" for none.
    """

    parts: Final[tuple[SearchRequest, ...]]
    asked: Final[SearchRequest]
    page: Final[PagedResults | None]
    page_critical: Final[bool]
    controls: Final[tuple[Control, ...]]
    size_limit: Final[int]
    held_back: Final[tuple[str, ...]]
    reported: Final[tuple[Reason, ...]]
    narrowed: Final[bool]
    mended: Final[tuple[Mended, ...]]
    suspicious: Final[tuple[str, ...]]
    answers: Final[tuple[Control, ...]]
    drops_references: Final[bool]
    supertypes: Final[tuple[str, ...]]
    sort_supertype: Final[str]

    def __init__(
        self,
        parts: tuple[SearchRequest, ...],
        asked: SearchRequest,
        page: PagedResults | None = None,
        page_critical: bool = False,
        controls: tuple[Control, ...] = (),
        size_limit: int = 0,
        held_back: tuple[str, ...] = (),
        reported: tuple[Reason, ...] = (),
        narrowed: bool = False,
        mended: tuple[Mended, ...] = (),
        suspicious: tuple[str, ...] = (),
        answers: tuple[Control, ...] = (),
        drops_references: bool = False,
        supertypes: tuple[str, ...] = (),
        sort_supertype: str = "",
    ) -> None:
        self.parts = parts
        self.asked = asked
        self.page = page
        self.page_critical = page_critical
        self.controls = controls
        self.size_limit = size_limit
        self.held_back = held_back
        self.reported = reported
        self.narrowed = narrowed
        self.mended = mended
        self.suspicious = suspicious
        self.answers = answers
        self.drops_references = drops_references
        self.supertypes = supertypes
        self.sort_supertype = sort_supertype


@dataclass(frozen=True, slots=True)
class AncestorPlan:
    """The entry above allowed bases, read by itself: the client gets its DN, and objectClass if it asked for it.

    Test buttons of services read the one base that they are configured with. controls: sent to a server that supports
    them. answers: controls of the result.
    """

    request: SearchRequest
    held_back: tuple[str, ...] = ()
    mended: tuple[Mended, ...] = ()
    controls: tuple[Control, ...] = ()
    answers: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class RootDsePlan:
    """The gateway answers by itself with this entry; None where the filter does not match it.

    more: asks the server for what root_dse lists besides, for a session that may search; None where nothing of that is
    wanted. held_back: attributes that nobody gets here. answers: controls of the result.
    """

    entry: SearchResultEntry | None
    held_back: tuple[str, ...] = ()
    more: SearchRequest | None = None
    answers: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class SubschemaPlan:
    """The entry with the directory's schema, read by itself. answers: controls of the result."""

    request: SearchRequest
    held_back: tuple[str, ...] = ()
    mended: tuple[Mended, ...] = ()
    answers: tuple[Control, ...] = ()


class AccountKind(StrEnum):
    """A sync account may bind and search; a login may only bind."""

    sync = "sync"
    login = "login"
    anonymous = "anonymous"


@dataclass(frozen=True, slots=True)
class BindPlan:
    """A permitted bind.

    request: what the server is sent; the name in the configured or the canonical spelling. Of a mapped account that
    has an own account of the gateway it is this one's bind, and holds nothing of the client's.
    kind: what the session becomes once the server accepts it.
    look_up: the person must be found, as the identity that the server bound, inside login_base_dns before
    the client is told of a success; the name by which the person signed in, None where nothing is left to
    prove.
    mended: the name, where it was put right.
    mapped: what the gateway itself must verify first, None for nothing.
    controls: sent with the bind.
    """

    request: BindRequest
    kind: AccountKind
    look_up: LoginName | None = None
    mended: tuple[Mended, ...] = ()
    mapped: MappedBind | None = None
    controls: tuple[Control, ...] = ()

    @property
    def account(self) -> str:
        """The name that the client binds as."""
        return self.request.name if self.mapped is None else self.mapped.account.name


@dataclass(frozen=True, slots=True)
class LoginName:
    """A bind name of the form name@domain or DOMAIN\\name; domain as the person wrote it."""

    text: str
    name: str
    domain: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class StartTlsPlan:
    """A permitted StartTLS (RFC 4511 4.14)."""


@dataclass(frozen=True, slots=True)
class WhoAmIPlan:
    """A permitted "Who am I?" (RFC 4532): the gateway answers by itself with whom it has bound."""


Plan: TypeAlias = SearchPlan | AncestorPlan | RootDsePlan | SubschemaPlan | BindPlan | StartTlsPlan | WhoAmIPlan
# A request is permitted where there is a plan for it.
Decision: TypeAlias = Plan | Refuse
