"""The certificate that a listener shows to the service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from gateway.ask.chain import EXPIRES_SOON, Flaw, carries_name, chain_problem, names, shown, weaknesses
from gateway.ask.findings import Section


def check_certificate(
    section: Section,
    chain: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate] | None,
    service_name: str | None,
    now: datetime,
) -> None:
    """That a service with strict checks accepts it. Loading the configuration has shown that key and chain fit.

    authorities: those that the service trusts; None for the system's, which are mostly the same. service_name: the host
    that the service is told to connect to, where that is known.
    """
    leaf = chain[0]
    section.ok("key", "the private key belongs to it")
    check_name(section, leaf, service_name)
    check_expiry(section, chain, now)
    found = weaknesses(leaf)
    if found:
        section.failed("strength", "; ".join(found), "have it issued anew; a service with strict checks refuses it")
    else:
        section.ok("strength", "key, signature and usage are what strict clients want")
    _check_chain(section, chain, authorities, now)


def check_name(section: Section, leaf: x509.Certificate, service_name: str | None) -> None:
    listed = ", ".join(names(leaf)) or "no name"
    if service_name is None:
        section.ok("name", f"for {listed}", "the service must connect to one of these; --name HOST compares")
    elif carries_name(leaf, service_name):
        section.ok("name", f"carries {service_name}")
    else:
        section.failed(
            "name",
            f"does not carry {service_name}; it is for {listed}",
            f"have it issued for {service_name}, or let the service connect to a name that it carries",
        )


def check_expiry(section: Section, chain: Sequence[x509.Certificate], now: datetime) -> None:
    soonest = min(chain, key=lambda each: each.not_valid_after_utc)
    until = soonest.not_valid_after_utc
    left = until - now
    whose = "" if soonest is chain[0] else f" ({shown(soonest.subject)})"
    if left.total_seconds() < 0:
        section.failed("expiry", f"expired on {until:%Y-%m-%d}{whose}", "renew it; every client refuses it")
    elif left < EXPIRES_SOON:
        section.warning("expiry", f"expires in {left.days} days, on {until:%Y-%m-%d}{whose}", "renew it now")
    else:
        section.ok("expiry", f"until {until:%Y-%m-%d}, {left.days} days{whose}")


def _check_chain(
    section: Section,
    chain: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate] | None,
    now: datetime,
) -> None:
    problem = chain_problem(chain, authorities, now, strict=True)
    trusted = "the system's authorities" if authorities is None else "the authorities given"
    if problem is None:
        section.ok("chain", f"complete: {' > '.join(shown(each.subject) for each in chain)}")
    elif problem.flaw is Flaw.self_signed:
        section.warning(
            "chain", "self-signed", "a service with strict checks refuses it: have it issued by a public authority"
        )
    elif problem.flaw is Flaw.unknown_root:
        section.warning(
            "chain",
            f"ends in {shown(problem.certificate.subject)}, which is not among {trusted}",
            "the service must be given this authority, or the certificate be issued by a public one",
        )
    elif problem.flaw is Flaw.no_issuer:
        section.warning(
            "chain",
            f"{shown(problem.certificate.issuer)}, the issuer of {shown(problem.certificate.subject)}, is neither in "
            f"the file nor among {trusted}",
            "append the issuer's certificate to the file (leaf first); an authority of your own must be given to the "
            "service",
        )
    else:
        section.failed("chain", f"a strict client says: {problem.text}", "have it issued anew")
