"""The configuration file as pydantic models: its keys, their types and their defaults, and nothing else."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.admin import ADMIN_ADDRESS
from gateway.config.networks import read_network
from gateway.entra.settings import GroupChoice, RoundSettings
from gateway.ldap.decoding import RequestLimits
from gateway.ldap.filters import FilterLimits
from gateway.net.servers.settings import HealthSettings
from gateway.net.sessions.settings import DEFAULT_SYNC_GAP, ConnectionLimits
from gateway.net.sessions.sources import Network
from gateway.observe.audit.settings import AuditSettings
from gateway.policy.lockout import LockoutSettings
from gateway.policy.settings import (
    DEFAULT_CONTROLS,
    DEFAULT_FILTER_ATTRIBUTES,
    DEFAULT_MATCHING_RULES,
    DEFAULT_PAGE_SIZE,
)
from gateway.policy.shrink import ShrinkSettings
from gateway.relay.settings import SessionLimits
from gateway.state.attempts import MAX_ACCOUNTS

_SESSION = SessionLimits()
_REQUEST = RequestLimits()
_FILTER = FilterLimits()
_CONNECTIONS = ConnectionLimits()
_HEALTH = HealthSettings()
_AUDIT = AuditSettings()
_SHRINK = ShrinkSettings()
_LOCKOUT = LockoutSettings()
_ROUNDS = RoundSettings()


# The kinds of what this module finds wrong itself: SAID has its words in `said`.
SAID: Final = "said"
NO_NETWORK: Final = "network_type"


def _wrong(said: str) -> PydanticCustomError:
    """What is raised for a value that is wrong; gateway/config/wrong_values.py says it as it is."""
    return PydanticCustomError(SAID, "{said}", {"said": said})


def _number(value: Any) -> Any:
    # pydantic takes true for 1, and YAML 1.1 on and yes for true.
    if isinstance(value, bool):
        raise _wrong("a number is expected")
    return value


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), BeforeValidator(_number)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
# Of memory. At least what a session may always hold (relay.load.ALWAYS): less would mean nothing.
HeldOctets = Annotated[int, Field(ge=2**16, le=2**40, strict=True)]


def _network(value: Any) -> Network:
    if not isinstance(value, str):
        # pydantic would take a number for an address.
        raise PydanticCustomError(NO_NETWORK, "a text is expected")
    try:
        return read_network(value)
    except ValueError as error:
        raise _wrong(str(error)) from None


def _percentage(value: Any) -> int:
    if not isinstance(value, str) or re.fullmatch("(100|[1-9][0-9]?)%", value) is None:
        raise _wrong("a whole percentage from 1% to 100% is expected, with its sign: 80%")
    return int(value[:-1])


def _off_as_written(value: Any) -> Any:
    # YAML 1.1 reads an unquoted off as false.
    return "off" if value is False else value


def _none_if_off(value: Any) -> Any:
    return None if value in (False, "off") else value


def _domain_alone(value: Any) -> Any:
    return {"domain": value} if isinstance(value, str) else value


def _duration(value: Any) -> float:
    """Seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise _wrong("a time like 45s, 30m or 2h is expected, or a number of seconds")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def _site(value: str) -> str:
    if re.fullmatch("[A-Za-z0-9_-]{1,63}", value) is None:
        raise _wrong("the name of a site is expected: 1 to 63 letters, digits, - and _")
    return value


Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
Percentage = Annotated[int, BeforeValidator(_percentage)]
ListedNetwork = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class Model(BaseModel):
    """What all models of the file have in common."""

    # Built once, as a whole, when the first file is read: that is a good part of the time that a start takes.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)


class Listener(Model):
    """One item of `listeners`."""

    address: str
    certificate: str
    private_key: str
    starttls: Annotated[Literal["off", "required"], BeforeValidator(_off_as_written)] = "off"


class Server(Model):
    """One server of a directory."""

    url: str
    server_name: str | None = None


class ClientCertificate(Model):
    """The certificate that the gateway shows to servers."""

    certificate: str
    private_key: str


class Health(Model):
    """The block `health` of a directory."""

    interval: Annotated[Duration, Field(ge=1)] = _HEALTH.interval
    timeout: Seconds = _HEALTH.timeout
    rise: Annotated[int, Field(ge=1, le=100, strict=True)] = _HEALTH.rise
    fall: Annotated[int, Field(ge=1, le=100, strict=True)] = _HEALTH.fall
    bind_dn: Annotated[str, Field(min_length=1)] | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None


class Discover(Model):
    """The block `discover` of a directory."""

    domain: str
    site: Annotated[str, AfterValidator(_site)] | None = None
    global_catalog: bool = False
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    resolver: str | None = None
    server_domains: list[str] = []


class Link(Model):
    """One block of `links`."""

    address: str | None = None
    call: list[str] = []
    sources: list[ListedNetwork] = []
    identity: ClientCertificate
    agents: dict[str, str] = {}
    hosts: dict[str, str] = {}
    parked: Annotated[int, Field(ge=1, le=64, strict=True)] = 4
    connections: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 500


class Entra(Model):
    """The block `entra` of a directory."""

    tenant: str
    client_id: str
    certificate: Annotated[str, Field(min_length=1)] | None = None
    private_key: Annotated[str, Field(min_length=1)] | None = None
    secret_file: Annotated[str, Field(min_length=1)] | None = None
    base_dn: str
    socket: Annotated[str, Field(min_length=1)]
    token_file: Annotated[str, Field(min_length=1)]
    store: Annotated[str, Field(min_length=1)]
    interval: Annotated[Duration, Field(ge=10)] = _ROUNDS.interval
    cloud: Literal["global", "us", "dod", "china"] = "global"
    login_url: str | None = None
    graph_url: str | None = None
    ca_file: Annotated[str, Field(min_length=1)] = "system"
    # Its URL may have a password in it.
    proxy: Annotated[str | None, Field(repr=False)] = None
    guests: bool = False
    contacts: bool = True
    groups: GroupChoice = GroupChoice.all
    hide_from_lists: bool = False
    refuse_after: Annotated[Duration, Field(ge=60)] = _ROUNDS.refuse_after
    keep_at_least: Percentage = _ROUNDS.keep_at_least
    sweep: Annotated[Duration, Field(ge=60)] = _ROUNDS.sweep
    full: Annotated[Duration, Field(ge=3600)] = _ROUNDS.full


class Directory(Model):
    """One block of `directories`."""

    link: str | None = None
    entra: Entra | None = None
    servers: list[str | Server] = []
    discover: Annotated[Discover | None, BeforeValidator(_domain_alone)] = None
    ca_file: str | None = None
    naming_contexts: Annotated[list[str], Field(min_length=1)]
    client_certificate: ClientCertificate | None = None
    connect_timeout: Seconds = 5
    connect_patience: Seconds = 15
    order: Literal["priority", "least-sessions"] = "priority"
    spares: Annotated[int, Field(ge=0, le=50, strict=True)] = 2
    health: Annotated[Health | None, BeforeValidator(_none_if_off)] = Health()
    paging: Literal["auto", "always", "never"] = "auto"
    page_size: Annotated[int, Field(ge=1, le=100_000, strict=True)] = DEFAULT_PAGE_SIZE

    @model_validator(mode="before")
    @classmethod
    def _contexts_of_a_copy(cls, written: Any) -> Any:
        """The copy of a tenant has one naming context, which is its base."""
        entra = written.get("entra") if isinstance(written, dict) else None
        if not isinstance(entra, dict) or not isinstance(entra.get("base_dn"), str):
            return written
        return {"naming_contexts": [entra["base_dn"]], **written}


class ShrinkGuard(Model):
    """The block `shrink_guard` of a client."""

    mode: Annotated[Literal["enforce", "report", "off"], BeforeValidator(_off_as_written)] = "enforce"
    keep_at_least: Percentage = _SHRINK.keep_at_least
    minimum: Count = _SHRINK.minimum


class RequiredCertificate(Model):
    """The block `required_certificate` of a client."""

    ca_file: str
    subjects: list[str] = []
    alt_names: list[str] = []


class Lockout(Model):
    """The block `lockout` of a client."""

    failures: Annotated[int, Field(ge=0, le=100, strict=True)] = _LOCKOUT.failures
    window: Duration = _LOCKOUT.window
    per_source: Annotated[int, Field(ge=0, le=10_000, strict=True)] = _LOCKOUT.per_source


class LockoutStore(Model):
    """The block `lockout_store`."""

    url: str
    password_file: Annotated[str, Field(min_length=1)] | None = None
    ca_file: Annotated[str, Field(min_length=1)] | None = None


class MappedAccount(Model):
    """One account of `credentials`."""

    hashes: Annotated[list[str], Field(max_length=4, repr=False)] = []
    hashes_file: Annotated[str, Field(min_length=1)] | None = None
    bind_dn: str | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None


class Credentials(Model):
    """The block `credentials` of a client."""

    mode: Literal["passthrough", "mapped"] = "passthrough"
    accounts: dict[str, MappedAccount] = {}


class Client(Model):
    """One block of `clients`."""

    links: list[str] = []
    sources: list[ListedNetwork] = []
    sources_file: Annotated[str, Field(min_length=1)] | None = None
    directory: str
    required_certificate: RequiredCertificate | None = None
    sync_accounts: list[str] = []
    base_dns: Annotated[list[str], Field(min_length=1)]
    attributes: Annotated[list[str], Field(min_length=1)]
    listeners: list[str] = []
    login_base_dns: list[str] = []
    login_domains: list[str] = []
    excluded_base_dns: list[str] = []
    filter_attributes: list[str] = list(DEFAULT_FILTER_ATTRIBUTES)
    matching_rules: list[str] = sorted(DEFAULT_MATCHING_RULES)
    controls: list[str] = sorted(DEFAULT_CONTROLS)
    required_filter: str | None = None
    mode: Literal["enforce", "report"] = "enforce"
    when_denied: Literal["strip", "refuse"] = "strip"
    size_limit: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = 0
    time_limit: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = 0
    octet_limit: Annotated[int, Field(ge=0, le=2**53, strict=True)] = 0
    allow_anonymous: bool = False
    pass_diagnostics: bool = False
    base_above: Literal["narrow", "entry", "refuse"] = "narrow"
    expand_ranges: bool = True
    # YAML 1.1 reads an unquoted `on` as true; pydantic reads "on" so.
    mending: bool = True
    root_dse: list[str] = []
    subschema: Annotated[str, Field(min_length=1)] | None = None
    referrals: Literal["drop", "pass"] = "drop"
    referral_hosts: list[str] = []
    shrink_guard: ShrinkGuard = ShrinkGuard()
    sync_gap: Seconds = DEFAULT_SYNC_GAP
    lockout: Lockout = Lockout()
    credentials: Credentials = Credentials()


class Limits(Model):
    """The block `limits`."""

    sessions: Count = _CONNECTIONS.sessions
    sessions_per_source: Count = _CONNECTIONS.sessions_per_source
    handshakes: Count = _CONNECTIONS.handshakes
    tls_handshake: Seconds = _CONNECTIONS.tls_handshake
    proxy_header: Seconds = _CONNECTIONS.proxy_header
    requests_per_source: Count = _CONNECTIONS.requests_per_source
    requests_per_account: Count = _CONNECTIONS.requests_per_account
    counted_accounts: Annotated[int, Field(ge=1000, le=10_000_000, strict=True)] = MAX_ACCOUNTS
    mending_per_source: Count = _CONNECTIONS.mending_per_source
    mending_per_account: Count = _CONNECTIONS.mending_per_account
    message_before_bind: Count = _SESSION.message_before_bind
    message_after_bind: Count = _SESSION.message_after_bind
    response_message: Count = _SESSION.response_message
    operations: Count = _SESSION.operations
    waiting: HeldOctets = _SESSION.waiting
    waiting_in_all: HeldOctets = _SESSION.waiting_in_all
    first_request: Seconds = _SESSION.first_request
    message: Seconds = _SESSION.message
    unbound: Seconds = _SESSION.unbound
    idle: Seconds = _SESSION.idle
    refusal_floor: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False), BeforeValidator(_number)] = (
        _SESSION.refusal_floor
    )
    bind: Seconds = _SESSION.bind
    silence: Seconds = _SESSION.silence
    search: Seconds = _SESSION.search
    write_stall: Seconds = _SESSION.write_stall
    write_window: Count = _SESSION.write_window
    expanded_entry: Count = _SESSION.expanded_entry
    filter_depth: Annotated[int, Field(ge=1, le=100, strict=True)] = _FILTER.depth
    filter_elements: Count = _FILTER.elements
    assertion_value: Count = _FILTER.value
    attributes: Count = _REQUEST.attributes
    attribute_length: Count = _REQUEST.attribute_length
    dn_length: Annotated[int, Field(ge=1, le=8192, strict=True)] = _REQUEST.dn_length
    password_length: Count = _REQUEST.password_length
    controls: Count = _REQUEST.controls


class Syslog(Model):
    """The block `audit.syslog`."""

    address: str = "/dev/log"
    facility: str = "local0"
    ca_file: str = "system"
    message_octets: Annotated[int, Field(ge=2048, le=65_000, strict=True)] = 8192


class Audit(Model):
    """The block `audit`."""

    file: Annotated[str, Field(min_length=1)] | None = None
    syslog: Syslog | None = None
    format: Literal["json", "text"] = "json"
    filter_values: bool = False
    buffer: Annotated[int, Field(ge=2**20, le=2**30, strict=True)] = _AUDIT.buffer


class Admin(Model):
    """The block `admin`."""

    address: str = ADMIN_ADDRESS


class File(Model):
    """The whole file."""

    listeners: list[Listener] = []
    links: dict[str, Link] = {}
    directories: Annotated[dict[str, Directory], Field(min_length=1)]
    clients: Annotated[dict[str, Client], Field(min_length=1)]
    trusted_proxies: list[ListedNetwork] = []
    limits: Limits = Limits()
    audit: Audit = Audit()
    admin: Admin | None = Admin()
    drain_timeout: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False), BeforeValidator(_number)] = 30
    state_dir: Annotated[str, Field(min_length=1)] | None = None
    lockout_store: str | LockoutStore = "memory"
