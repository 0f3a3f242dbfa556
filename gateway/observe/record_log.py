"""What the log says of operations, which are otherwise in the audit alone: a sync account that cannot sign in, without
which there is no sync at all, and a base DN that a server spells in a way that lets no sync of it be whole."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

from twisted.logger import Logger

from gateway.policy.reasons import Reason
from gateway.relay.audit import AuditRecord
from gateway.state.lockout_socket import release_command

log = Logger(__name__)

# The same is said once in so many seconds, so that who repeats a wrong password fills no disk.
QUIET_SECONDS: Final = 60.0
# What was said is remembered of so many accounts and reasons; more than a configuration has.
REMEMBERED: Final = 1_000

_ALERT: Final = "ALERT: "
# What becomes of a mapped account's bind behind its right secret.
_BEHIND_SECRET: Final = frozenset({Reason.gateway_account_refused.value, Reason.gateway_account_guarded.value})


class _Said(NamedTuple):
    """A sentence that was said. since: when, in seconds. left_out: how often it was not said since."""

    since: float
    left_out: int


class RecordLog:
    """The lines of the log about operations. clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._said: dict[tuple[str, str], _Said] = {}

    def add(self, record: AuditRecord) -> None:
        """Says what the log says of this operation, if anything."""
        sentence = _sentence(record)
        if not sentence:
            return
        now, key = self._clock(), (record.client, sentence)
        said = self._said.pop(key, None)
        if said is not None and now - said.since < QUIET_SECONDS:
            self._said[key] = _Said(said.since, said.left_out + 1)
            return
        if len(self._said) >= REMEMBERED:
            del self._said[next(iter(self._said))]
        self._said[key] = _Said(now, 0)
        left_out = said.left_out if said is not None else 0
        say = log.critical if sentence.startswith(_ALERT) else log.warn
        say(
            "session {session} of client {client} from {source}: {sentence}{times}",
            session=record.session,
            client=record.client,
            source=record.source,
            sentence=sentence,
            times=f" (and {left_out} times more since this was last said)" if left_out else "",
        )


def _sentence(record: AuditRecord) -> str:
    if record.sync_bind:
        return _of_sync_bind(record)
    if record.reason == Reason.base_spelled_otherwise:
        return (
            f"a search failed, because {record.server} has entries under a spelling of the base DN that it does not "
            f"give for the base itself: {record.detail}. Compare clients.{record.client}.base_dns with it: "
            "`ldap-gateway doctor`"
        )
    return ""


def _of_sync_bind(record: AuditRecord) -> str:
    account = record.account
    if record.reason in _BEHIND_SECRET and not record.mapped_to:
        why = f": {record.server_meaning}" if record.server_meaning else ""
        return (
            f"{_ALERT}the account {account} came with a secret that is right here, and is not accepted behind this "
            f"gateway{why}; no sync of this client until both have the same secret"
        )
    if record.reason == Reason.gateway_account_refused:
        why = record.server_meaning or "it does not say why"
        return (
            f"{_ALERT}{record.server} refuses the gateway's own account {record.mapped_to}: {why}; no sync of this "
            "client until that is put right"
        )
    if record.reason == Reason.gateway_account_guarded:
        return (
            f"{_ALERT}the gateway's own account {record.mapped_to} is not tried for now: its password was wrong, and "
            "more tries would lock it in the directory; put password_file right and send SIGHUP"
        )
    if record.reason == Reason.password_known_wrong:
        return (
            f"the sync account {account} came with a password that has proved wrong before; no server was asked. Put "
            "the password right at the service. If it was the directory's that was wrong, and is right now: "
            f"`{release_command(account)}`"
        )
    if record.reason == Reason.secret_wrong:
        return f"the sync account {account} came with a wrong secret"
    if record.server_meaning:
        return f"the sync account {account} cannot sign in at {record.server}: {record.server_meaning}"
    return ""
