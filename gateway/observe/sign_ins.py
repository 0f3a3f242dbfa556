"""How the sync accounts of a client sign in: whether they can, and if not, why and since when.

Whoever may sign in through the service can guess at a sync account's password there. So a failed sign-in says nothing
of the account once a later one has succeeded, or once the account's own searches go on; and what was tried under a name
that has never signed in says nothing of a client whose sync signs in under another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.ldap.dn import DN, parse
from gateway.ldap.messages import BindRequest, SimpleAuthentication
from gateway.ldap.result_meaning import advice_on
from gateway.ldap.results import ResultCode
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import AccountKind, BindPlan
from gateway.policy.lockout import GuardedAccount, gateway_account, guarded_accounts, mapped_account, sync_accounts
from gateway.policy.reasons import REASONS, Reason
from gateway.policy.settings import ClientPolicy
from gateway.relay.audit import AuditRecord

_REASONS: Final = frozenset(map(str, Reason))
_RELEASE: Final = "`ldap-gateway lockout list` has its name, `ldap-gateway lockout release NAME` ends the guard sooner"

# By which reasons a sync account's sign-in is refused for what the account, its name or its password is, and what to
# do. Any other reason says that a server, the client or the gateway could not go on with it.
REMEDIES: Final[dict[str, str]] = {
    Reason.account_guarded.value: f"Put the password right at the service. {_RELEASE}.",
    Reason.source_guarded.value: "Find out who tries wrong passwords from that address: the audit has it. "
    "`ldap-gateway lockout release ADDRESS` ends the guard sooner.",
    Reason.password_known_wrong.value: "Put the password right at the service. If it was the directory's that was "
    "wrong, and is right now: `ldap-gateway lockout release NAME`.",
    Reason.secret_wrong.value: "Give the service the secret that belongs to one of `hashes`, or put the hash of the "
    "service's secret there: `ldap-gateway hash-password`.",
    Reason.account_spelling_not_listed.value: "Enter the name at the service as `sync_accounts` has it, or list the "
    "service's spelling there: the audit has it.",
    Reason.gateway_account_refused.value: "Put the account right in the directory, or its password into "
    "`password_file`, then send SIGHUP.",
    Reason.gateway_account_guarded.value: "Put the account's password into `password_file`, then send SIGHUP. If it "
    "was the directory's that was wrong: `ldap-gateway lockout release BIND_DN`.",
}
# Where the bind that came is forwarded, the account is one of whoever stands behind this gateway.
_FORWARDED: Final = (
    "Give the account the same secret behind this gateway and in `hashes` here: it is right here and is not accepted "
    "there. `ldap-gateway lockout release NAME` ends the guard sooner."
)
_OWN: Final = frozenset({Reason.gateway_account_refused.value, Reason.gateway_account_guarded.value})
# What a server answers where it cannot say anything of the account.
_NO_ANSWER: Final = frozenset({ResultCode.busy.value, ResultCode.unavailable.value})
_SUCCESS: Final = ResultCode.success.value

# The key of a name that is no listed spelling of any account.
_UNLISTED: Final = ""


class Guard(Protocol):
    """Who is guarded against wrong passwords, as far as this gateway knows."""

    def guard_left(self, account: GuardedAccount) -> float:
        """Seconds for which nothing of this account is sent to a server; 0 where it is not guarded."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The last sign-in of somebody. time: when it ended, in seconds since the epoch. words: what became of it."""

    time: float
    well: bool
    words: str


@dataclass(frozen=True, slots=True)
class RefusedAccount:
    """A sync account that cannot sign in. since: its first sign-in that failed after the last one that succeeded, last:
    its last one, in seconds since the epoch; both None where the lockout guard alone says so. why, remedy: in words.
    own: it is an account of the gateway itself. guarded_for: seconds, 0 where it is not guarded."""

    since: float | None
    last: float | None
    why: str
    remedy: str
    own: bool
    guarded_for: float


@dataclass(slots=True)
class _Account:
    """What is known of the sign-ins of one sync account.

    counted: where its wrong passwords are counted. signed_in: it has, since the start. since, last: None while its last
    sign-in was no failure.
    """

    counted: tuple[GuardedAccount, ...] = ()
    own: bool = False
    signed_in: bool = False
    since: float | None = None
    last: float | None = None
    why: str = ""
    remedy: str = ""

    def failed(self, now: float, why: str, remedy: str) -> None:
        if self.since is None:
            self.since = now
        self.last, self.why, self.remedy = now, why, remedy

    def works(self) -> None:
        self.since = self.last = None

    def guarded_for(self, guard: Guard) -> float:
        return max((guard.guard_left(account) for account in self.counted), default=0.0)


class SyncSignIns:
    """The sign-ins of one client's sync accounts. last: None before the first. succeeded: when the last one that
    succeeded ended, in seconds since the epoch, None for never. failing: whether any account has failed since it last
    signed in."""

    def __init__(self) -> None:
        self.last: SignIn | None = None
        self.succeeded: float | None = None
        self.failing = False
        # By a name that the spellings of one account share.
        self._accounts: dict[str, _Account] = {_UNLISTED: _Account()}
        self._keys: dict[str, str] = {}

    def serve(self, policy: ClientPolicy) -> None:
        """These are the accounts from now on. What is known of those that stay is kept."""
        known = self._accounts
        self._keys = {}
        accounts: dict[str, _Account] = {}
        for spelling, counted in _counted(policy):
            key = counted[0].name
            self._keys[spelling] = key
            account = accounts.setdefault(key, known.get(key) or _Account())
            account.counted = counted
        for mapped in policy.mapped_accounts:
            if mapped.own is None:
                continue
            counted_own = gateway_account(policy.directory, parse(mapped.own.bind_dn))
            account = accounts.setdefault(counted_own.name, known.get(counted_own.name) or _Account())
            account.counted, account.own = (counted_own,), True
            self._keys[mapped.own.bind_dn] = counted_own.name
        accounts[_UNLISTED] = known.get(_UNLISTED) or _Account()
        self._accounts = accounts
        self._look()

    def note(self, record: AuditRecord, now: float) -> None:
        """A sync account has tried to sign in, or somebody by a name that is nearly one's. now: the end of that, in
        seconds since the epoch."""
        well = record.code == _SUCCESS
        self.last = SignIn(now, well, sign_in_words(record))
        account = self._account(record.account) if record.sync_bind else self._accounts[_UNLISTED]
        if well:
            self.succeeded = now
            account.signed_in = True
            account.works()
            if record.mapped_to:
                self._account(record.mapped_to).works()
            for other in self._accounts.values():
                if not other.signed_in and not other.own:
                    other.works()
        elif record.reason in _OWN:
            # The secret that came from outside was right.
            account.works()
            why = REASONS[Reason(record.reason)].meaning
            if record.server_meaning:
                why = f"{why}: {record.server_meaning}"
            if record.mapped_to:
                self._account(record.mapped_to).failed(now, why, REMEDIES[record.reason])
            else:
                account.failed(now, why, _FORWARDED)
        elif _refuses(record):
            # Of a password that comes again, what it was found to be says more.
            comes_again = record.reason == Reason.password_known_wrong.value and account.since is not None
            account.failed(now, account.why if comes_again else self.last.words, _remedy(record))
        self._look()

    def searched(self, name: str, guard: Guard) -> None:
        """A search of the account of this name has succeeded."""
        account = self._account(name)
        if account.since is not None and not account.guarded_for(guard):
            account.works()
            self._look()

    def refused(self, guard: Guard) -> list[RefusedAccount]:
        """The accounts that cannot sign in: those that are guarded, and those that have failed since they last did."""
        found: list[RefusedAccount] = []
        for account in self._accounts.values():
            left = account.guarded_for(guard)
            if not left and account.since is None:
                continue
            why, remedy = account.why, account.remedy
            if left:
                reason = Reason.gateway_account_guarded if account.own else Reason.account_guarded
                why, remedy = REASONS[reason].meaning, REMEDIES[reason.value]
            found.append(RefusedAccount(account.since, account.last, why, remedy, account.own, left))
        return found

    def _account(self, name: str) -> _Account:
        account = self._accounts.get(self._keys.get(name, name))
        # Of a session that goes on under a configuration of before.
        return _Account() if account is None else account

    def _look(self) -> None:
        self.failing = any(account.since is not None for account in self._accounts.values())


def sign_in_words(record: AuditRecord) -> str:
    """What became of a bind, in words."""
    return bind_words(record.code, record.account, record.reason, record.server_meaning)


def bind_words(code: int | None, account: str, reason: str, server_meaning: str) -> str:
    """What became of a bind, in words, by the fields of its record that tell it."""
    if code == _SUCCESS:
        return "signed in" if account else "anonymous"
    if reason in _REASONS:
        return REASONS[Reason(reason)].meaning
    if server_meaning:
        return server_meaning
    return "no answer was given" if code is None else "the server refused the name or the password"


def is_of_a_sync(record: AuditRecord) -> bool:
    """Whether a bind is a sync account's, or would be if its name were spelled as it is listed."""
    return record.sync_bind or record.reason == Reason.account_spelling_not_listed.value


def _refuses(record: AuditRecord) -> bool:
    """Whether a bind failed for what the account, its name or its password is."""
    if record.reason:
        return record.reason in REMEDIES
    return record.code is not None and record.code not in _NO_ANSWER


def _remedy(record: AuditRecord) -> str:
    known = REMEDIES.get(record.reason)
    if known is not None:
        return known
    advice = advice_on(record.server_meaning)
    return f"{advice[:1].upper()}{advice[1:]}." if advice else "Compare name and password at both ends."


def _counted(policy: ClientPolicy) -> list[tuple[str, tuple[GuardedAccount, ...]]]:
    """Each listed spelling, as records have it, with where its wrong passwords are counted."""
    if policy.mapped_accounts:
        return [
            (
                mapped.name,
                (
                    mapped_account(policy.directory, policy.name, mapped.name),
                    *(sync_accounts(policy.directory, mapped.name) if mapped.own is None else ()),
                ),
            )
            for mapped in policy.mapped_accounts
        ]
    found: list[tuple[str, tuple[GuardedAccount, ...]]] = []
    for listed in policy.sync_accounts:
        read = read_bind_name(listed)
        name = str(read) if isinstance(read, DN) else listed
        bind = BindRequest(3, name, SimpleAuthentication(b""))
        counted = guarded_accounts(policy.directory, BindPlan(bind, AccountKind.sync))
        if counted:
            found.append((name, counted))
    return found
