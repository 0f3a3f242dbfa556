"""The keys of a link: for how long they are good."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.x509 import Certificate

from gateway.ask.findings import Section
from gateway.host.file_errors import unreadable
from gateway.link.keys import KeyProblem, certificates_in, fingerprint

# A new key has to be carried to the other host by somebody.
ENDS_SOON: Final = timedelta(days=60)


def check_key(section: Section, step: str, path: Path, now: datetime, remedy: str) -> list[Certificate]:
    """The certificates of a file, whatever their time; none where it cannot be read. What is said is of the newest.
    remedy: how it is renewed."""
    try:
        found = certificates_in(path, path.read_bytes())
    except OSError as error:
        section.failed(step, f"{path}: {unreadable(path, error)}", "whoever shows it is shut out until it is there")
        return []
    except KeyProblem as error:
        section.failed(step, str(error), remedy)
        return []
    newest = max(found, key=lambda each: each.not_valid_after_utc)
    until = newest.not_valid_after_utc
    if until < now:
        section.failed(step, f"{fingerprint(newest)} expired on {until:%Y-%m-%d}", remedy)
    elif newest.not_valid_before_utc > now:
        began = f"{newest.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        section.failed(step, f"{fingerprint(newest)} is not valid before {began}", "set the clocks of both hosts right")
    elif until - now < ENDS_SOON:
        section.warning(step, f"{fingerprint(newest)}, for {(until - now).days} days, until {until:%Y-%m-%d}", remedy)
    else:
        section.ok(step, f"{fingerprint(newest)}, until {until:%Y-%m-%d}")
    return found
