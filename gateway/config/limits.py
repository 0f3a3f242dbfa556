"""From the `limits` of the file to those of sessions and of connections."""

from __future__ import annotations

from gateway.config import models
from gateway.ldap.decoding import RequestLimits
from gateway.ldap.filters import FilterLimits
from gateway.net.sessions.settings import ConnectionLimits
from gateway.relay.settings import SessionLimits


def session_limits(limits: models.Limits) -> SessionLimits:
    return SessionLimits(
        message_before_bind=limits.message_before_bind,
        message_after_bind=limits.message_after_bind,
        response_message=limits.response_message,
        operations=limits.operations,
        waiting=limits.waiting,
        waiting_in_all=limits.waiting_in_all,
        request=RequestLimits(
            filter=FilterLimits(limits.filter_depth, limits.filter_elements, limits.assertion_value),
            attributes=limits.attributes,
            attribute_length=limits.attribute_length,
            dn_length=limits.dn_length,
            password_length=limits.password_length,
            controls=limits.controls,
        ),
        first_request=limits.first_request,
        message=limits.message,
        unbound=limits.unbound,
        idle=limits.idle,
        refusal_floor=limits.refusal_floor,
        bind=limits.bind,
        silence=limits.silence,
        search=limits.search,
        write_stall=limits.write_stall,
        write_window=limits.write_window,
        expanded_entry=limits.expanded_entry,
    )


def connection_limits(limits: models.Limits) -> ConnectionLimits:
    return ConnectionLimits(
        sessions=limits.sessions,
        sessions_per_source=limits.sessions_per_source,
        handshakes=limits.handshakes,
        tls_handshake=limits.tls_handshake,
        proxy_header=limits.proxy_header,
        requests_per_source=limits.requests_per_source,
        requests_per_account=limits.requests_per_account,
        mending_per_source=limits.mending_per_source,
        mending_per_account=limits.mending_per_account,
    )
