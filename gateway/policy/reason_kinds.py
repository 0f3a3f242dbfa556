"""What must be known to tell whether a reason applies: the request and the configuration alone, or more than these."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.policy.reasons import Reason


class Kind(StrEnum):
    """What must be known to tell a reason.

    request: the request and the configuration tell, with the kind of server that it goes to. state: the state of the
    running gateway has it against a request. answer: what a server answers tells, or what is found when a password or
    the gateway's own account is tried. given_up: whoever asked ended the operation. session: a whole session ends for
    it. connection: a connection is closed that never becomes a session. notice: nothing is refused for it.
    """

    request = "request"
    state = "state"
    answer = "answer"
    given_up = "given-up"
    session = "session"
    connection = "connection"
    notice = "notice"


_BY_KIND: Final[dict[Kind, tuple[Reason, ...]]] = {
    Kind.request: (
        Reason.base_malformed,
        Reason.base_not_allowed,
        Reason.base_above_allowed,
        Reason.base_excluded,
        Reason.ambiguous_dn,
        Reason.attribute_not_allowed,
        Reason.filter_attribute_not_allowed,
        Reason.filter_untyped,
        Reason.filter_dn_attributes,
        Reason.matching_rule_not_allowed,
        Reason.filter_supertype,
        Reason.control_not_allowed,
        Reason.control_not_supported,
        Reason.sort_key_not_allowed,
        Reason.sort_over_several_bases,
        Reason.paging_not_supported,
        Reason.cookie_not_valid,
        Reason.control_malformed,
        Reason.not_bound,
        Reason.login_may_only_bind,
        Reason.operation_not_allowed,
        Reason.extended_not_allowed,
        Reason.starttls_required,
        Reason.starttls_out_of_order,
        Reason.version_not_3,
        Reason.sasl_not_allowed,
        Reason.anonymous_not_allowed,
        Reason.empty_password,
        Reason.bind_name_form_not_allowed,
        Reason.bind_dn_hex_value,
        Reason.account_spelling_not_listed,
        Reason.gateway_account,
        Reason.login_outside_base,
        Reason.login_domain_not_listed,
        Reason.request_malformed,
        Reason.request_too_large,
    ),
    Kind.state: (
        Reason.stopping,
        Reason.too_much_waiting,
        Reason.too_many_requests_of_source,
        Reason.too_many_requests_of_account,
        Reason.too_much_mending,
        Reason.account_guarded,
        Reason.password_known_wrong,
        Reason.source_guarded,
        Reason.too_many_guarded,
        Reason.too_many_attempts,
        Reason.too_many_verifications,
        Reason.gateway_account_guarded,
        Reason.gateway_account_replaced,
    ),
    Kind.answer: (
        Reason.secret_wrong,
        Reason.gateway_account_refused,
        Reason.login_identity_unknown,
        Reason.server_unreachable,
        Reason.server_lost,
        Reason.server_silent,
        Reason.server_wrong_response,
        Reason.server_undecodable,
        Reason.server_referral,
        Reason.narrowed_base_missing,
        Reason.base_spelled_otherwise,
        Reason.size_limit_reached,
        Reason.octet_limit_reached,
        Reason.response_too_large,
        Reason.search_timeout,
        Reason.expanded_entry_too_large,
        Reason.entry_changed,
        Reason.result_shrank,
    ),
    Kind.given_up: (
        Reason.client_gone,
        Reason.abandoned,
        Reason.superseded_by_bind,
    ),
    Kind.session: (
        Reason.message_malformed,
        Reason.message_timeout,
        Reason.first_request_timeout,
        Reason.unbound_timeout,
        Reason.idle,
        Reason.write_stalled,
        Reason.displaced,
        Reason.client_removed,
    ),
    Kind.connection: (
        Reason.source_not_listed,
        Reason.proxy_header_malformed,
        Reason.proxy_header_timeout,
        Reason.tls_failed,
        Reason.client_certificate_not_listed,
        Reason.tls_handshake_timeout,
        Reason.left_without_request,
        Reason.too_many_sessions,
        Reason.too_many_sessions_of_source,
    ),
    Kind.notice: (Reason.suspicious_escape,),
}
KINDS: Final[dict[Reason, Kind]] = {reason: kind for kind, reasons in _BY_KIND.items() for reason in reasons}
