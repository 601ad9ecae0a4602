"""Checkpoint of a bulk run: which lines are done, and the exit status so far."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bot.models import Verdict
from handlers.cli.checkpoint import Checkpoint
from handlers.cli.command import BadInput, ExitStatus


@pytest.mark.parametrize("seed", range(5))
def test_checkpoint_restores_done_lines_in_any_order(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = list(range(200))
    lines.sort(key=lambda number: number + rng.uniform(0, 64))
    done = lines[: rng.randrange(200)]
    checkpoint = Checkpoint(tmp_path / "state", "ips.txt")
    for number in done:
        checkpoint.mark_done(number)
    checkpoint.save(ExitStatus())
    restored = Checkpoint(tmp_path / "state", "ips.txt")
    assert {number for number in range(200) if restored.is_done(number)} == set(done), f"seed {seed}"


def test_checkpoint_size_is_bounded_by_unfinished_lines(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state", "ips.txt")
    for number in range(100_000):
        checkpoint.mark_done(number)
    checkpoint.save(ExitStatus())
    assert (tmp_path / "state").stat().st_size < 200


def test_exit_status_includes_the_earlier_part_of_the_run(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state", "-")
    checkpoint.save(ExitStatus({Verdict.PASS, Verdict.FAIL}, bad_lines=2))
    status = ExitStatus({Verdict.UNKNOWN})
    Checkpoint(tmp_path / "state", "-").restore(status)
    assert status == ExitStatus({Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL}, bad_lines=2)


def test_completed_run_leaves_no_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state", "ips.txt")
    checkpoint.save(ExitStatus())
    checkpoint.delete()
    assert list(tmp_path.iterdir()) == []
    checkpoint.delete()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"source": "other.txt"}', "\xff"])
def test_invalid_or_foreign_checkpoint_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match="--resume"):
        Checkpoint(tmp_path / "state", "ips.txt")


def test_checkpoint_without_file_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint(None, "ips.txt")
    checkpoint.mark_done(0)
    checkpoint.save(ExitStatus())
    checkpoint.delete()
    assert list(tmp_path.iterdir()) == []
