"""The file of a copy, opened by the process that keeps it: made, found to be another tenant's or damaged, put aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.entra.database import SCHEMA, SCHEMA_VERSION, TENANT, Meta, create_staging_tables
from gateway.entra.published import create_tables
from gateway.entra.settings import TenantSettings
from gateway.entra.store_file import open_for_writing
from gateway.state.sqlite_file import UnusableDatabase, check_whole, naming_damage, set_aside, transaction

# Octets that the journal beside the file may keep after a publish of everything, which fills some hundred million.
_MOST_JOURNAL: Final = 64 * 1024 * 1024


class OtherCopy(UnusableDatabase):
    """The file is whole, and not a copy of this tenant."""


def open_copy(
    path: Path, tenant: TenantSettings, now: float, told: Callable[[str], None]
) -> tuple[sqlite3.Connection, bool]:
    """A connection to the file, and whether an unusable one was put aside for it, in which case `told` hears why. The
    copy begins empty then. Raises OSError and sqlite3.Error where no file can be had at all."""
    try:
        return _opened(path, tenant), False
    except UnusableDatabase as error:
        moved = set_aside(path, now)
        told(f"{error}; it is now {moved.name}, and everything is read anew")
        return _opened(path, tenant), True


def _opened(path: Path, tenant: TenantSettings) -> sqlite3.Connection:
    with naming_damage(path):
        connection = open_for_writing(path)
        try:
            connection.execute(f"PRAGMA journal_size_limit = {_MOST_JOURNAL}")
            check_whole(connection, path)
            create_tables(connection)
            create_staging_tables(connection)
            with transaction(connection):
                _check_owner(Meta(connection), path, tenant)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_owner(meta: Meta, path: Path, tenant: TenantSettings) -> None:
    name = f"{tenant.tenant.lower()} at {tenant.cloud.graph_url}"
    for key, mine, what in (
        (TENANT, name, "is a copy of another tenant"),
        (SCHEMA, SCHEMA_VERSION, "was written by another version of the gateway"),
    ):
        found = meta.get(key)
        if found is None:
            meta.set(key, mine)
        elif found != mine:
            raise OtherCopy(f"{path} {what}")
