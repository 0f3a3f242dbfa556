"""What one client may do, as compiled from its block of the configuration. Immutable, shared by sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from gateway.ldap.controls import PAGED_RESULTS
from gateway.ldap.dn import DN
from gateway.ldap.filters import Filter
from gateway.policy.credentials import MappedAccount
from gateway.policy.lockout import LockoutSettings
from gateway.policy.shrink import ShrinkSettings

BIT_AND = "1.2.840.113556.1.4.803"
BIT_OR = "1.2.840.113556.1.4.804"

DEFAULT_FILTER_ATTRIBUTES = ("objectClass", "objectCategory", "sAMAccountType", "whenChanged", "uSNChanged")
DEFAULT_MATCHING_RULES = frozenset({BIT_AND, BIT_OR})
DEFAULT_CONTROLS = frozenset({PAGED_RESULTS})
# Half of AD's MaxPageSize: a page is at the client sooner, and less is open at once.
DEFAULT_PAGE_SIZE = 500


class Mode(StrEnum):
    """What becomes of a request for what is not listed.

    report lets attributes asked for, filter attributes and matching rules pass and records what enforce would refuse;
    everything else is enforced in both.
    """

    enforce = "enforce"
    report = "report"


class WhenDenied(Enum):
    """What happens to a search that asks for attributes that are not allowed: they are left out, or the
    search is refused."""

    strip = "strip"
    refuse = "refuse"


class Paging(StrEnum):
    """Whether the gateway reads in pages what the client did not ask to be paged. auto: where the server is an
    Active Directory, which stops unpaged searches at its MaxPageSize. never: the server cannot page at all."""

    auto = "auto"
    always = "always"
    never = "never"


class BaseAbove(StrEnum):
    """What becomes of a search whose base lies above allowed ones: it is answered from these, or refused. entry: the
    base entry may be read by itself, its DN and class as with narrow, and every other search is refused."""

    narrow = "narrow"
    entry = "entry"
    refuse = "refuse"


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """One client's block.

    name: the block's name. directory: the name of its directory's block.
    naming_contexts: of its directory, in the configured spelling.
    base_dns, excluded_base_dns, login_base_dns: parsed, in the configured spelling.
    sync_accounts: the listed spellings, as written; those of mapped_accounts where there are any.
    mapped_accounts: sync accounts whose secret the gateway itself verifies. decoy_hashes: argon2id hashes that no
    secret fits, as many as any of these has. gateway_accounts: as which the gateway itself binds at the directory, for
    this client or another one; nobody binds as one of them from outside.
    tells_identity: whoever asks "Who am I?" is told the name or DN that the session is bound as; else that is refused.
    login_domains: as written; compared without regard to case.
    attributes: names that may be asked for and returned, as written; filter_attributes: names that may only
    be used in filters.
    matching_rules: OIDs or names permitted in extensible matches. controls: OIDs.
    required_filter: ANDed to every search's filter.
    size_limit: entries per search, time_limit: seconds per search, octet_limit: octets of its entries as the client
    gets them; 0 is none of the client's own.
    paging: what its directory can do. page_size: entries, the most that a server is asked for in one page.
    expand_ranges: attributes that the server gives in ranges reach the client whole.
    root_dse: attributes of the server's root DSE that whoever may search gets besides the gateway's own.
    subschema: the entry with the directory's schema, where it may be read; in the configured spelling.
    mending: names without the escapes they need are put right.
    referral_hosts: in lower case; references to them pass, all others are dropped.
    """

    name: str
    naming_contexts: tuple[DN, ...]
    sync_accounts: tuple[str, ...]
    base_dns: tuple[DN, ...]
    attributes: tuple[str, ...]
    excluded_base_dns: tuple[DN, ...] = ()
    login_base_dns: tuple[DN, ...] = ()
    login_domains: tuple[str, ...] = ()
    filter_attributes: tuple[str, ...] = DEFAULT_FILTER_ATTRIBUTES
    matching_rules: frozenset[str] = DEFAULT_MATCHING_RULES
    controls: frozenset[str] = DEFAULT_CONTROLS
    required_filter: Filter | None = None
    mode: Mode = Mode.enforce
    when_denied: WhenDenied = WhenDenied.strip
    size_limit: int = 0
    time_limit: int = 0
    octet_limit: int = 0
    allow_anonymous: bool = False
    pass_diagnostics: bool = False
    base_above: BaseAbove = BaseAbove.narrow
    paging: Paging = Paging.auto
    page_size: int = DEFAULT_PAGE_SIZE
    expand_ranges: bool = True
    mending: bool = True
    root_dse: tuple[str, ...] = ()
    subschema: DN | None = None
    referral_hosts: frozenset[str] = frozenset()
    shrink: ShrinkSettings = field(default_factory=ShrinkSettings)
    directory: str = ""
    lockout: LockoutSettings = field(default_factory=LockoutSettings)
    mapped_accounts: tuple[MappedAccount, ...] = ()
    decoy_hashes: tuple[str, ...] = field(default=(), repr=False)
    gateway_accounts: tuple[DN, ...] = ()
    tells_identity: bool = False
    # Extended operations that the root DSE may name: StartTLS where a listener offers it.
    extensions: frozenset[str] = field(default_factory=frozenset)
