"""Whether the lockout guard stops before the domain locks an account."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf
from typing import Final

from gateway.ask.attributes import text
from gateway.ask.connection import Connection
from gateway.ask.findings import Section
from gateway.ask.root_dse import RootDse
from gateway.ldap.filters import Present
from gateway.ldap.messages import BASE_OBJECT, SearchRequest
from gateway.policy.lockout import LockoutSettings
from gateway.policy.settings import ClientPolicy
from gateway.tools.doctor.worst_case import Count, Exposure, WorstCase, parsed_name

STEP: Final = "lockout"

# AD writes durations as negative counts of 100 ns.
_TICKS_A_MINUTE: Final = 60 * 10_000_000

_ONE_GATEWAY: Final = "lockout_store is memory, so this is one gateway's figure: take it times the number of gateways"


async def check_lockout(
    section: Section, connection: Connection, dse: RootDse, directory: str, worst_case: WorstCase
) -> None:
    """directory: the name of the block that is looked at. Raises ConnectionFailed."""
    domain = parsed_name(dse.default_context)
    if domain is None:
        section.skipped("only Active Directory tells its lockout policy", STEP)
        return
    request = SearchRequest(
        dse.default_context, BASE_OBJECT, Present("objectClass"), ("lockoutThreshold", "lockOutObservationWindow")
    )
    answer = await connection.search(request)
    threshold = text(answer.entries[0], "lockoutThreshold") if answer.entries else ""
    window = text(answer.entries[0], "lockOutObservationWindow") if answer.entries else ""
    if not threshold.isdigit():
        section.skipped("the account cannot read the domain's lockout policy", STEP)
    elif int(threshold) == 0:
        section.ok(STEP, "the domain locks nobody out, however many wrong passwords come")
    else:
        exposures = worst_case.exposures(domain, directory, dse)
        compare(section, int(threshold), _minutes(window), exposures, worst_case.counts_alone)


def compare(
    section: Section, threshold: int, minutes: int | None, exposures: Sequence[Exposure], counts_alone: bool
) -> None:
    """threshold: wrong passwords that lock an account, at least 1. minutes: in which they count, None for unknown.
    counts_alone: this gateway shares its counts with no other one."""
    within = "" if minutes is None else f" within {minutes} minutes"
    said = f"the domain locks an account after {threshold} wrong passwords{within}"
    if not exposures:
        section.ok(STEP, f"{said}; nobody can sign in to it through the gateway")
        return
    worst = max(exposures, key=_tries)
    if worst.tries is None:
        said += f"; {worst.who} may be tried any number of times"
    else:
        said += f"; {worst.who} may be tried {worst.tries} times before the guard stops: {_reckoned(worst.counts)}"
    clients = {client.name: client for each in exposures for count in each.counts for client in count.clients}
    advice = []
    if _tries(worst) >= threshold:
        advice.append(_failures_advice(threshold, exposures, clients.values()))
    short = [client for client in clients.values() if minutes is not None and client.lockout.window < minutes * 60]
    if short:
        advice.append(f"lockout.window {_of(short)} is shorter: set it to {minutes}m or more")
    alone = [_ONE_GATEWAY] if counts_alone and worst.tries is not None else []
    if advice:
        section.warning(STEP, said, "; ".join([*advice, *alone]))
    else:
        section.ok(STEP, said, "; ".join(alone))


def _tries(exposure: Exposure) -> float:
    return inf if exposure.tries is None else exposure.tries


def _reckoned(counts: Sequence[Count]) -> str:
    """The tries of an account as an administrator can follow them; each count has a limit."""
    directories = list(dict.fromkeys(count.directory for count in counts))
    names = {each: [count.name for count in counts if count.directory == each] for each in directories}
    first = counts[0]
    if all(count.failures == first.failures and names[count.directory] == names[first.directory] for count in counts):
        blocks = (
            "directory block of this domain" if len(directories) == 1 else "directory blocks that lead to this domain"
        )
        one = _product(counts[: len(names[first.directory])])
        return f"{one} x {len(directories)} ({blocks}: {', '.join(directories)})"
    groups: dict[tuple[str, int | None], list[Count]] = {}
    for count in counts:
        groups.setdefault((count.directory, count.failures), []).append(count)
    return " + ".join(f"{_product(group)} at {directory}" for (directory, _), group in groups.items())


def _product(counts: Sequence[Count]) -> str:
    """The product that these counts, of one block with one limit, come to, in words."""
    ways = f"way{'s' * (len(counts) > 1)} to write the name: {', '.join(count.name for count in counts)}"
    return f"{counts[0].failures} (lockout.failures) x {len(counts)} ({ways})"


def _failures_advice(threshold: int, exposures: Sequence[Exposure], clients: Collection[ClientPolicy]) -> str:
    """What keeps each account's tries below the threshold."""
    counts = max(len(exposure.counts) for exposure in exposures)
    most = (threshold - 1) // counts
    off = [client for client in clients if client.lockout.failures == 0]
    high = [client for client in clients if client.lockout.failures == 0 or client.lockout.failures > most]
    said = f"lockout.failures {_of(off)} is 0, so wrong sign-ins there lock people out everywhere; " if off else ""
    if most:
        return f"{said}set lockout.failures {_of(high)} to {most}"
    usual = LockoutSettings().failures
    return (
        f"{said}even 1 is too much for lockout.failures: raise the domain's threshold above {counts * usual} and set "
        f"lockout.failures to {usual}, or let fewer directory blocks and forms of names lead to this domain"
    )


def _of(clients: Sequence[ClientPolicy]) -> str:
    return f"of client{'s' * (len(clients) > 1)} {', '.join(client.name for client in clients)}"


def _minutes(window: str) -> int | None:
    """Rounded up; None where the server says no number."""
    try:
        return -(-abs(int(window)) // _TICKS_A_MINUTE)
    except ValueError:
        return None
