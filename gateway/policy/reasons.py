"""Why something was refused or failed: one closed set of words for logs, audit, explain and docs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a request is refused, or why an operation or a session ends."""

    base_malformed = "base-malformed"
    base_not_allowed = "base-not-allowed"
    base_above_allowed = "base-above-allowed"
    base_excluded = "base-excluded"
    ambiguous_dn = "ambiguous-dn"
    suspicious_escape = "suspicious-escape"
    attribute_not_allowed = "attribute-not-allowed"
    filter_attribute_not_allowed = "filter-attribute-not-allowed"
    filter_untyped = "filter-untyped"
    filter_dn_attributes = "filter-dn-attributes"
    matching_rule_not_allowed = "matching-rule-not-allowed"
    filter_supertype = "filter-supertype"
    control_not_allowed = "control-not-allowed"
    control_not_supported = "control-not-supported"
    sort_key_not_allowed = "sort-key-not-allowed"
    sort_over_several_bases = "sort-over-several-bases"
    paging_not_supported = "paging-not-supported"
    cookie_not_valid = "cookie-not-valid"
    control_malformed = "control-malformed"
    not_bound = "not-bound"
    login_may_only_bind = "login-may-only-bind"
    operation_not_allowed = "operation-not-allowed"
    extended_not_allowed = "extended-not-allowed"
    starttls_required = "starttls-required"
    starttls_out_of_order = "starttls-out-of-order"
    version_not_3 = "version-not-3"
    sasl_not_allowed = "sasl-not-allowed"
    anonymous_not_allowed = "anonymous-not-allowed"
    empty_password = "empty-password"  # noqa: S105 - a reason, not a password
    bind_name_form_not_allowed = "bind-name-form-not-allowed"
    bind_dn_hex_value = "bind-dn-hex-value"
    account_spelling_not_listed = "account-spelling-not-listed"
    account_guarded = "account-guarded"
    password_known_wrong = "password-known-wrong"  # noqa: S105 - a reason, not a password
    source_guarded = "source-guarded"
    too_many_guarded = "too-many-guarded"
    too_many_attempts = "too-many-attempts"
    secret_wrong = "secret-wrong"  # noqa: S105 - a reason, not a secret
    too_many_verifications = "too-many-verifications"
    gateway_account = "gateway-account"
    gateway_account_refused = "gateway-account-refused"
    gateway_account_guarded = "gateway-account-guarded"
    gateway_account_replaced = "gateway-account-replaced"
    login_outside_base = "login-outside-base"
    login_domain_not_listed = "login-domain-not-listed"
    login_identity_unknown = "login-identity-unknown"
    source_not_listed = "source-not-listed"
    proxy_header_malformed = "proxy-header-malformed"
    proxy_header_timeout = "proxy-header-timeout"
    tls_failed = "tls-failed"
    client_certificate_not_listed = "client-certificate-not-listed"
    tls_handshake_timeout = "tls-handshake-timeout"
    left_without_request = "left-without-request"
    too_many_sessions = "too-many-sessions"
    too_many_sessions_of_source = "too-many-sessions-of-source"
    displaced = "displaced"
    too_much_waiting = "too-much-waiting"
    too_many_requests_of_source = "too-many-requests-of-source"
    too_many_requests_of_account = "too-many-requests-of-account"
    too_much_mending = "too-much-mending"
    request_malformed = "request-malformed"
    request_too_large = "request-too-large"
    message_malformed = "message-malformed"
    message_timeout = "message-timeout"
    first_request_timeout = "first-request-timeout"
    unbound_timeout = "unbound-timeout"
    idle = "idle"
    write_stalled = "write-stalled"
    stopping = "stopping"
    client_removed = "client-removed"
    client_gone = "client-gone"
    abandoned = "abandoned"
    superseded_by_bind = "superseded-by-bind"
    server_unreachable = "server-unreachable"
    server_lost = "server-lost"
    server_silent = "server-silent"
    server_wrong_response = "server-wrong-response"
    server_undecodable = "server-undecodable"
    server_referral = "server-referral"
    narrowed_base_missing = "narrowed-base-missing"
    base_spelled_otherwise = "base-spelled-otherwise"
    size_limit_reached = "size-limit-reached"
    octet_limit_reached = "octet-limit-reached"
    response_too_large = "response-too-large"
    search_timeout = "search-timeout"
    expanded_entry_too_large = "expanded-entry-too-large"
    entry_changed = "entry-changed"
    result_shrank = "result-shrank"


@dataclass(frozen=True, slots=True)
class ReasonDoc:
    """What the documentation says of a reason.

    meaning: one line. setting: the configuration key that would allow it, "" where none does; X is the name of a
    client's or a directory's block.
    """

    meaning: str
    setting: str = ""

    def setting_of(self, client: str, directory: str) -> str:
        """The key with the names of these blocks."""
        return named_setting(self.setting, client, directory)

    def meaning_of(self, client: str, directory: str) -> str:
        """The meaning with the names of these blocks in the keys that it mentions."""
        return named_setting(self.meaning, client, directory)


def named_setting(text: str, client: str, directory: str) -> str:
    """A key, or a text with keys in it, with the names of these blocks in the place of each X."""
    return text.replace("clients.X.", f"clients.{client}.").replace("directories.X.", f"directories.{directory}.")


REASONS: dict[Reason, ReasonDoc] = {
    Reason.base_malformed: ReasonDoc("the base DN is not a DN as RFC 4514 writes it"),
    Reason.base_not_allowed: ReasonDoc("the base DN is not inside an allowed one", "clients.X.base_dns"),
    Reason.base_above_allowed: ReasonDoc(
        "the base DN is above the allowed ones, and not of use there", "clients.X.base_dns or clients.X.base_above"
    ),
    Reason.base_excluded: ReasonDoc("the base DN is inside an excluded one", "clients.X.excluded_base_dns"),
    Reason.ambiguous_dn: ReasonDoc("a name without the escapes it needs can be read in more than one way"),
    Reason.suspicious_escape: ReasonDoc(
        "noticed, not refused: the base DN or a value in the filter looks escaped twice; it was forwarded as it is"
    ),
    Reason.attribute_not_allowed: ReasonDoc("an attribute asked for is not listed", "clients.X.attributes"),
    Reason.filter_attribute_not_allowed: ReasonDoc(
        "the filter uses an attribute that is not listed", "clients.X.filter_attributes"
    ),
    Reason.filter_untyped: ReasonDoc("an extensible match names no attribute, so it means all of them"),
    Reason.filter_dn_attributes: ReasonDoc("an extensible match with :dn: looks into entry names"),
    Reason.matching_rule_not_allowed: ReasonDoc(
        "the filter uses a matching rule that is not listed", "clients.X.matching_rules"
    ),
    Reason.filter_supertype: ReasonDoc(
        "the filter uses an attribute that stands for others too, which are not all listed, and the server is not "
        "known as an Active Directory",
        "clients.X.filter_attributes",
    ),
    Reason.control_not_allowed: ReasonDoc(
        "a critical control is not listed, or not served with this operation", "clients.X.controls"
    ),
    Reason.control_not_supported: ReasonDoc("a critical control is listed here, and the server does not support it"),
    Reason.sort_key_not_allowed: ReasonDoc(
        "a critical sort by an attribute or a matching rule that is not listed",
        "clients.X.filter_attributes or clients.X.matching_rules",
    ),
    Reason.sort_over_several_bases: ReasonDoc(
        "a critical sort of a search that is answered from several allowed bases, each in an order of its own",
        "clients.X.base_dns",
    ),
    Reason.control_malformed: ReasonDoc("a control came twice, or its value cannot be read"),
    Reason.paging_not_supported: ReasonDoc(
        "paged results are demanded and the directory cannot page", "directories.X.paging"
    ),
    Reason.cookie_not_valid: ReasonDoc(
        "the cookie of a paged search is not of this session and search, or has been used"
    ),
    Reason.not_bound: ReasonDoc("a search before a successful bind"),
    Reason.login_may_only_bind: ReasonDoc("a person who may sign in may not search", "clients.X.sync_accounts"),
    Reason.operation_not_allowed: ReasonDoc("add, delete, modify, modifyDN and compare are never served"),
    Reason.extended_not_allowed: ReasonDoc("the extended operation is not served; StartTLS is"),
    Reason.starttls_required: ReasonDoc("the listener serves nothing else before StartTLS", "listeners.starttls"),
    Reason.starttls_out_of_order: ReasonDoc("StartTLS on a connection with TLS, or with operations open"),
    Reason.version_not_3: ReasonDoc("a bind with an LDAP version other than 3"),
    Reason.sasl_not_allowed: ReasonDoc("a SASL bind; only simple binds are served"),
    Reason.anonymous_not_allowed: ReasonDoc("an anonymous bind", "clients.X.allow_anonymous"),
    Reason.empty_password: ReasonDoc("a name with an empty password, which a server may take for anonymous"),
    Reason.bind_name_form_not_allowed: ReasonDoc(
        "the bind name is neither a DN, name@domain, DOMAIN\\name nor the name of a mapped account"
    ),
    Reason.bind_dn_hex_value: ReasonDoc(
        "the bind DN has a value written as #hex, which servers do not all read alike; write it as text"
    ),
    Reason.account_spelling_not_listed: ReasonDoc(
        "a sync account in a spelling that is not listed", "clients.X.sync_accounts or clients.X.credentials.accounts"
    ),
    Reason.account_guarded: ReasonDoc(
        "too many wrong passwords of this account; nothing is sent to a server for a while", "clients.X.lockout"
    ),
    Reason.password_known_wrong: ReasonDoc(
        "this password of the sync account has proved wrong before, so no server was asked again", "clients.X.lockout"
    ),
    Reason.source_guarded: ReasonDoc(
        "too many wrong passwords from this address; nothing is sent to a server for a while",
        "clients.X.lockout.per_source",
    ),
    Reason.too_many_guarded: ReasonDoc(
        "the gateway cannot count wrong passwords of one more account, because as many as it can count are guarded",
        "limits.counted_accounts",
    ),
    Reason.too_many_attempts: ReasonDoc(
        "other sign-ins of this account were under way for too long, which leave no try if they all fail", "limits.bind"
    ),
    Reason.secret_wrong: ReasonDoc(
        "the secret of a mapped sync account fits none of its hashes", "clients.X.credentials.accounts"
    ),
    Reason.too_many_verifications: ReasonDoc("the secret could not be verified now, for too many others wait"),
    Reason.gateway_account: ReasonDoc("an account of the gateway itself, as which nobody binds from outside"),
    Reason.gateway_account_refused: ReasonDoc(
        "the directory refuses the account that the gateway signs in with", "clients.X.credentials.accounts"
    ),
    Reason.gateway_account_guarded: ReasonDoc(
        "the account that the gateway signs in with is not tried for a while, because its password has proved wrong",
        "clients.X.lockout",
    ),
    Reason.gateway_account_replaced: ReasonDoc(
        "the gateway's own account has a new password since the session began; a new session uses it"
    ),
    Reason.login_outside_base: ReasonDoc("the person is outside login_base_dns", "clients.X.login_base_dns"),
    Reason.login_domain_not_listed: ReasonDoc("the domain of the bind name is not listed", "clients.X.login_domains"),
    Reason.login_identity_unknown: ReasonDoc("the server accepted the bind, but whom it bound cannot be told"),
    Reason.source_not_listed: ReasonDoc("the source address belongs to no client", "clients.X.sources"),
    Reason.proxy_header_malformed: ReasonDoc(
        "a connection from a trusted proxy does not begin with a PROXY header that can be served", "trusted_proxies"
    ),
    Reason.proxy_header_timeout: ReasonDoc("a trusted proxy sent no PROXY header in time", "limits.proxy_header"),
    Reason.tls_failed: ReasonDoc("TLS with a client could not be established"),
    Reason.client_certificate_not_listed: ReasonDoc(
        "the client's certificate is for none of the listed names", "clients.X.required_certificate"
    ),
    Reason.tls_handshake_timeout: ReasonDoc("TLS with a client was not established in time", "limits.tls_handshake"),
    Reason.left_without_request: ReasonDoc(
        "the client established TLS and left without a request: mostly it does not trust the certificate, or the name "
        "that it connects to is not in it",
        "listeners.certificate",
    ),
    Reason.too_many_sessions: ReasonDoc("too many sessions are open", "limits.sessions"),
    Reason.too_many_sessions_of_source: ReasonDoc(
        "too many sessions of one source address are open", "limits.sessions_per_source"
    ),
    Reason.displaced: ReasonDoc(
        "no bind had succeeded on the connection, and a new one needed its place",
        "limits.sessions_per_source, limits.handshakes or limits.sessions",
    ),
    Reason.too_much_waiting: ReasonDoc(
        "the open and waiting operations of all sessions hold as much memory as they may together",
        "limits.waiting_in_all",
    ),
    Reason.too_many_requests_of_source: ReasonDoc(
        "too many requests in a second from one source address", "limits.requests_per_source"
    ),
    Reason.too_many_requests_of_account: ReasonDoc(
        "too many requests in a second from one account", "limits.requests_per_account"
    ),
    Reason.too_much_mending: ReasonDoc(
        "too many names without their escapes in a second, from one source before a bind or one account after it; "
        "this one was not put right",
        "limits.mending_per_source or limits.mending_per_account",
    ),
    Reason.request_malformed: ReasonDoc("the request has a value that LDAP does not permit there; detail names it"),
    Reason.request_too_large: ReasonDoc("the request has more than is permitted; detail names the limit", "limits"),
    Reason.message_malformed: ReasonDoc("what came is not LDAP as RFC 4511 has it, or is beyond a limit", "limits"),
    Reason.message_timeout: ReasonDoc("a message was begun and not finished in time", "limits.message"),
    Reason.unbound_timeout: ReasonDoc("no bind succeeded in time", "limits.unbound"),
    Reason.first_request_timeout: ReasonDoc("no request came in time", "limits.first_request"),
    Reason.idle: ReasonDoc("no request came for a long time", "limits.idle"),
    Reason.write_stalled: ReasonDoc("a peer took none of what waited for it", "limits.write_stall"),
    Reason.stopping: ReasonDoc("the gateway is stopping"),
    Reason.client_removed: ReasonDoc(
        "a reload removed the client, or the source from it; its sessions end after drain_timeout", "clients.X.sources"
    ),
    Reason.client_gone: ReasonDoc("the client unbound or closed its connection first"),
    Reason.abandoned: ReasonDoc("the client abandoned the operation"),
    Reason.superseded_by_bind: ReasonDoc("a bind on the same connection ended the operation"),
    Reason.server_unreachable: ReasonDoc(
        "no server of the directory could be reached", "directories.X.servers or directories.X.discover"
    ),
    Reason.server_lost: ReasonDoc("the connection to the server was lost"),
    Reason.server_silent: ReasonDoc("the server did not answer in time", "limits.silence"),
    Reason.server_wrong_response: ReasonDoc("the server's answer does not belong to the request"),
    Reason.server_undecodable: ReasonDoc("the server sent what cannot be read"),
    Reason.server_referral: ReasonDoc(
        "the server refers elsewhere; no referral is followed", "clients.X.referral_hosts"
    ),
    Reason.narrowed_base_missing: ReasonDoc(
        "an allowed base that a wider search was narrowed to does not exist", "clients.X.base_dns"
    ),
    Reason.base_spelled_otherwise: ReasonDoc(
        "the server has entries under a spelling of the base DN that is neither the configured one nor the one that it "
        "gives for the base itself",
        "clients.X.base_dns",
    ),
    Reason.size_limit_reached: ReasonDoc(
        "the search has more entries than the client or size_limit permits", "clients.X.size_limit"
    ),
    Reason.octet_limit_reached: ReasonDoc(
        "the entries of the search have more octets than the client may get", "clients.X.octet_limit"
    ),
    Reason.response_too_large: ReasonDoc(
        "one response of the server is larger than may be held", "limits.response_message"
    ),
    Reason.search_timeout: ReasonDoc("the search took too long", "limits.search or clients.X.time_limit"),
    Reason.expanded_entry_too_large: ReasonDoc(
        "entries with ranged attributes are larger than may be put aside", "limits.expanded_entry"
    ),
    Reason.entry_changed: ReasonDoc(
        "an entry changed or vanished, or another one came, while its ranged attributes were read"
    ),
    Reason.result_shrank: ReasonDoc(
        "the result lost more than clients.X.shrink_guard permits: ldap-gateway shrink accept",
        "clients.X.shrink_guard",
    ),
}
