"""A long run that was stopped goes on where it was, and says in the end what it would have said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bot.models import Verdict
from handlers.cli.checkpoint import Journal
from handlers.cli.command import BadQuestion, Tally


@pytest.mark.parametrize("seed", range(5))
def test_what_is_done_is_known_after_a_stop_whatever_the_order(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    lines = list(range(200))
    lines.sort(key=lambda number: number + dice.uniform(0, 64))
    done = lines[: dice.randrange(200)]
    journal = Journal(tmp_path / "state", "ips.txt")
    for number in done:
        journal.finish(number)
    journal.save(Tally())
    again = Journal(tmp_path / "state", "ips.txt")
    assert {number for number in range(200) if again.has(number)} == set(done), f"seed {seed}"


def test_it_keeps_no_more_than_the_lines_under_way(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state", "ips.txt")
    for number in range(100_000):
        journal.finish(number)
    journal.save(Tally())
    assert (tmp_path / "state").stat().st_size < 200


def test_the_exit_status_counts_what_the_first_part_saw(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state", "-")
    journal.save(Tally({Verdict.PASS, Verdict.FAIL}, bad_lines=2))
    tally = Tally({Verdict.UNKNOWN})
    Journal(tmp_path / "state", "-").recall(tally)
    assert tally == Tally({Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL}, bad_lines=2)


def test_a_run_that_ends_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state", "ips.txt")
    journal.save(Tally())
    journal.end()
    assert list(tmp_path.iterdir()) == []
    journal.end()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"source": "other.txt"}', "\xff"])
def test_a_file_that_is_no_journal_of_this_source_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").write_text(text, encoding="latin-1")
    with pytest.raises(BadQuestion, match="--resume"):
        Journal(tmp_path / "state", "ips.txt")


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal(None, "ips.txt")
    journal.finish(0)
    journal.save(Tally())
    journal.end()
    assert list(tmp_path.iterdir()) == []
