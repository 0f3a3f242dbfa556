"""Each reason has its words, in the code and in the docs."""

from pathlib import Path

from gateway.policy.reason_kinds import KINDS, Kind
from gateway.policy.reasons import REASONS, Reason

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"


def test_each_reason_has_a_meaning():
    assert set(REASONS) == set(Reason)
    assert all(found.meaning for found in REASONS.values())


def test_each_reason_is_of_one_kind():
    assert set(KINDS) == set(Reason)
    assert set(KINDS.values()) == set(Kind)


def test_the_page_has_each_reason_as_the_code_has_it():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    rows = [tuple(cell.strip().replace("`", "") for cell in line.split("|")[1:4]) for line in lines]
    assert rows == [(reason, REASONS[reason].meaning, REASONS[reason].setting) for reason in Reason]


def test_the_setting_is_told_with_the_names_of_the_blocks():
    found = {REASONS[reason].setting_of("mimecast", "corp") for reason in Reason}
    assert {"clients.mimecast.base_dns or clients.mimecast.base_above", "directories.corp.paging", "limits"} <= found
    assert not [setting for setting in found if ".X." in setting]
