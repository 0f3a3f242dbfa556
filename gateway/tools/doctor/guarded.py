"""Whether the lockout guard of the gateway that runs on this host holds a client's sync account back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.ask.findings import Section
from gateway.host.system_errors import system_error
from gateway.ldap.dn import parse
from gateway.net.sessions.settings import ClientSettings
from gateway.net.transport.daemon_thread import in_daemon_thread
from gateway.net.transport.reactor import Reactor
from gateway.observe.durations import duration
from gateway.policy.lockout import GuardedAccount, accounts_named, gateway_account, mapped_account, sync_accounts
from gateway.state.lockout_socket import SOCKET_NAME, CountedNow, NoGateway, ask, counted_accounts, release_command

STEP: Final = "lockout guard"


async def check_guarded(section: Section, client: ClientSettings, state_dir: Path | None, reactor: Reactor) -> None:
    """Says nothing where no gateway runs with this state_dir."""
    if state_dir is None:
        return
    try:
        if not (state_dir / SOCKET_NAME).exists():
            return
    except OSError as error:
        # Whoever runs doctor may not be permitted to look there.
        section.skipped(f"{state_dir / SOCKET_NAME}: {system_error(error)}", STEP)
        return
    try:
        answer = await in_daemon_thread(reactor, lambda: ask(state_dir, {"do": "list"}), "lockout-list")
        counted = counted_accounts(answer, "accounts")
    except NoGateway as error:
        section.skipped(str(error), STEP)
        return
    report(section, client, counted)


def report(section: Section, client: ClientSettings, counted: list[CountedNow]) -> None:
    """counted: by the running gateway."""
    own = {(account.directory, account.kind.value, account.shown) for account in _accounts(client)}
    found = [each for each in counted if (each.directory, each.kind, each.account) in own]
    guarded = [each for each in found if each.guarded]
    if guarded:
        first = guarded[0]
        section.failed(
            STEP,
            f"the running gateway sends no server anything of the {first.kind} {first.account} for another "
            f"{duration(first.left)}, because {first.failures} wrong passwords came",
            f"put the password right at the service, then: {release_command(first.account)}",
        )
    elif any(each.known_wrong for each in found):
        first = next(each for each in found if each.known_wrong)
        section.warning(
            STEP,
            f"the {first.kind} {first.account} has come to the running gateway with a password that is wrong",
            "look whether the service still has an old one; the right one passes at once. If the directory's was wrong "
            f"and is right now: {release_command(first.account)}",
        )
    else:
        section.ok(STEP, "the running gateway does not hold the account back")


def _accounts(client: ClientSettings) -> Iterator[GuardedAccount]:
    """Those without which the client has no sync, as the guard counts them."""
    policy = client.policy
    for account in policy.mapped_accounts:
        yield mapped_account(policy.directory, policy.name, account.name)
        if account.own is None:
            yield from sync_accounts(policy.directory, account.name)
        else:
            yield gateway_account(policy.directory, parse(account.own.bind_dn))
    for spelling in () if policy.mapped_accounts else policy.sync_accounts:
        yield from (account for account in accounts_named(policy.directory, spelling) if account.sync)
