"""What the log says of operations, which are otherwise in the audit alone: a sync account that cannot sign in, without
which there is no sync at all, and a base DN that a server spells in a way that lets no sync of it be whole."""

from __future__ import annotations

from twisted.logger import Logger

from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.state.lockout_socket import release_command

log = Logger()


def log_record(label: str, record: AuditRecord) -> None:
    """Says what the log says of this operation, if anything. label: of the session."""
    if record.sync_bind:
        _log_bind(label, record)
    elif record.reason == Reason.base_spelled_otherwise:
        log.warn(
            "{label}: a search failed, because {server} has entries under a spelling of the base DN that it does not "
            "give for the base itself: {detail}. Compare clients.{client}.base_dns with it: `ldap-gateway doctor`",
            label=label,
            server=record.server,
            detail=record.detail,
            client=record.client,
        )


def _log_bind(label: str, record: AuditRecord) -> None:
    if record.reason == Reason.gateway_account_refused:
        log.critical(
            "{label}: ALERT: {server} refuses the gateway's own account {account}: {meaning}; "
            "no sync of this client until that is put right",
            label=label,
            server=record.server,
            account=record.mapped_to,
            meaning=record.server_meaning or "it does not say why",
        )
    elif record.reason == Reason.gateway_account_guarded:
        log.critical(
            "{label}: ALERT: the gateway's own account {account} is not tried for now: its password was wrong, and "
            "more tries would lock it in the directory; put password_file right and send SIGHUP",
            label=label,
            account=record.mapped_to,
        )
    elif record.reason == Reason.password_known_wrong:
        log.warn(
            "{label}: the sync account {account} came with a password that has proved wrong before; no server was "
            "asked. Put the password right at the service. If it was the directory's that was wrong, and is right now: "
            "`{command}`",
            label=label,
            account=record.account,
            command=release_command(record.account),
        )
    elif record.reason == Reason.secret_wrong:
        log.warn("{label}: the sync account {account} came with a wrong secret", label=label, account=record.account)
    elif record.server_meaning:
        log.warn(
            "{label}: the sync account {account} cannot sign in at {server}: {meaning}",
            label=label,
            account=record.account,
            server=record.server,
            meaning=record.server_meaning,
        )
