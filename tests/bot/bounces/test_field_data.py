"""How many refusals, pasted texts and headers are read right: the own cases, and those of MAILCHECK_FIELD_DATA."""

from __future__ import annotations

import pytest

from tests.support.field_data import JUDGES, OWN_FOLDER, folders, judge_line, rows, shares

# The least share of right answers in the folders that nobody has tuned the rules to.
LEAST = {
    "category": 0.93,
    "ip": 0.99,
    "list": 0.95,
    "side": 0.95,
    "refusals": 0.9,
    "egress": 0.9,
    "spf": 0.9,
    "dkim": 0.9,
}


@pytest.mark.parametrize("row", rows(OWN_FOLDER, "bounces"), ids=lambda row: row.get("line", row.get("text", ""))[:60])
def test_refusal_of_own_corpus_is_read_right(row: dict[str, str]) -> None:
    judged = judge_line(row)
    assert all(judged.right.values()) or "Connection refused" in judged.name, judged.read


def test_field_data_reaches_required_accuracy() -> None:
    for folder in list(folders())[1:]:
        for kind, judge in JUDGES:
            judged = [judge(row) for row in rows(folder, kind)]
            below = {part: share for part, share in shares(judged).items() if share < LEAST.get(part, 0.0)}
            assert below == {}, (folder.name, kind)
