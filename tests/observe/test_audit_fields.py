"""Whether docs/operations.md has the audit's fields as the code has them.

LDAP_GATEWAY_REWRITE_FIELDS=1 writes the table into the page anew.
"""

import os
from dataclasses import fields
from pathlib import Path

from gateway.link.observer import LinkEvent
from gateway.observe.audit.fields import (
    GUARD_BEGINS,
    GUARD_ENDS,
    LINK,
    LOST,
    OPERATION,
    SYNC_CUT_SHORT,
    documented,
)
from gateway.observe.audit.writer import Loss
from gateway.observe.sync_runs import SyncRun
from gateway.relay.audit import AuditRecord
from gateway.state.guards import GuardChange

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
HEAD = "| field | in | meaning |\n|---|---|---|\n"


def table():
    return HEAD + "".join(f"| `{name}` | {told} | {meaning} |\n" for name, told, meaning in documented())


def test_the_documentation_has_the_table_of_the_fields():
    before, head, rest = PAGE.read_text().partition(HEAD)
    there, end, after = (head + rest).partition("\n\n")
    if os.environ.get("LDAP_GATEWAY_REWRITE_FIELDS"):
        PAGE.write_text(before + table().rstrip("\n") + end + after)
    else:
        assert there + "\n" == table()


KINDS = (
    (OPERATION, AuditRecord),
    (SYNC_CUT_SHORT, SyncRun),
    (GUARD_BEGINS, GuardChange),
    (GUARD_ENDS, GuardChange),
    (LINK, LinkEvent),
    (LOST, Loss),
)


def test_no_field_stands_twice_in_a_record():
    for kind, _ in KINDS:
        names = [field.name for field in kind]
        assert len(names) == len(set(names)) > 4


def test_each_field_is_made_of_what_is_there():
    for kind, subject in KINDS:
        there = {field.name for field in fields(subject)} | {"entries_held_back", "seconds", "why_not"}
        assert {read.partition(".")[0] for field in kind for read in field.reads} <= there


def test_what_may_be_left_out_is_told_by_one_attribute():
    assert {len(field.reads) for kind, _ in KINDS for field in kind if field.filled} == {1}
