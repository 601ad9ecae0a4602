"""Bulk check: input is read as needed, each line is reported exactly once, also after a stop."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bot.check_runner import CheckRunner
from bot.checks.registry import CheckSpec
from bot.models import Check, CheckRequest, Finding, Lookup, Target, Verdict
from handlers.cli.bulk_check import CONCURRENCY, Line, ReportPrinter, count_lines, read_lines, run_lines
from handlers.cli.checkpoint import Checkpoint
from handlers.cli.command import ExitStatus
from tests.support.dns_world import World

TEMPLATE = CheckRequest(Target(domain="example.com"))
STDERR = Console(file=io.StringIO())


async def passes(request: CheckRequest, lookup: Lookup, /) -> list[Finding]:
    await asyncio.sleep(0)
    return [Finding("ptr", str(request.target), Verdict.PASS, "ptr.ok", "Fine.")]


def check_runner(check: Check = passes) -> CheckRunner:
    world = World({})
    return CheckRunner(
        (CheckSpec("ptr", "PTR", 1, check),), world, world, lambda: datetime.now(UTC), allow_special=True
    )


def addresses(count: int) -> list[str]:
    return [f"192.0.{n // 250}.{n % 250}" for n in range(count)]


def lines_of(texts: list[str], checkpoint: Checkpoint) -> Iterator[Line]:
    return read_lines(texts, (), TEMPLATE, checkpoint, ExitStatus(), STDERR)


class StoppingOutput(io.StringIO):
    """Cancels the task that writes to it after so many reports, as Ctrl-C does."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def flush(self) -> None:
        self.left -= 1
        task = asyncio.current_task()
        if not self.left and task:
            task.cancel()


async def run(texts: list[str], state: Path, check: Check = passes, stop_after: int = 0) -> list[str]:
    """The addresses that a run reports until it completes or is stopped."""
    out, checkpoint = StoppingOutput(stop_after), Checkpoint(state, "ips.txt")
    results = run_lines(check_runner(check), lines_of(texts, checkpoint), fresh=False)
    printing = ReportPrinter(out, STDERR, as_json=True).print_all(results, checkpoint, ExitStatus())
    await asyncio.gather(asyncio.create_task(printing), return_exceptions=True)
    return [json.loads(line)["target"]["ip"] for line in out.getvalue().splitlines()]


async def test_bulk_check_reports_every_line_once(tmp_path: Path) -> None:
    assert sorted(await run(addresses(500), tmp_path / "state")) == sorted(addresses(500))
    assert not (tmp_path / "state").exists()


async def test_bulk_check_reads_input_only_as_needed() -> None:
    lines_read = 0

    def endless_lines() -> Iterator[str]:
        nonlocal lines_read
        while True:
            lines_read += 1
            yield "192.0.2.1"

    checkpoint = Checkpoint(None, "-")
    lines = read_lines(endless_lines(), (), TEMPLATE, checkpoint, ExitStatus(), STDERR)
    async with aclosing(run_lines(check_runner(), lines, fresh=False)) as results:
        for _ in range(100):
            await anext(results)
    assert lines_read <= 100 + 3 * CONCURRENCY


@pytest.mark.parametrize("stop_after", [1, 100, 400])
async def test_stopped_bulk_check_resumes_where_it_was(tmp_path: Path, stop_after: int) -> None:
    first = await run(addresses(500), tmp_path / "state", stop_after=stop_after)
    assert stop_after <= len(first)
    second = await run(addresses(500), tmp_path / "state")
    assert sorted(first + second) == sorted(addresses(500))


async def test_slow_line_does_not_delay_other_lines(tmp_path: Path) -> None:
    last_started = asyncio.Event()

    async def first_waits_for_last(request: CheckRequest, lookup: Lookup, /) -> list[Finding]:
        if str(request.target.ip) == "192.0.0.0":
            await last_started.wait()
        elif str(request.target.ip) == addresses(300)[-1]:
            last_started.set()
        return await passes(request, lookup)

    async with asyncio.timeout(10):
        reported = await run(addresses(300), tmp_path / "state", first_waits_for_last)
    assert reported[-1] == "192.0.0.0"


def test_bad_lines_are_counted_and_reported_by_number() -> None:
    stderr, status = io.StringIO(), ExitStatus()
    texts = ["# egress", "", "192.0.2.1 example.com # ours", "not an address!", "192.0.2.4/30"]
    checkpoint = Checkpoint(None, "-")
    lines = list(read_lines(texts, (), TEMPLATE, checkpoint, status, Console(file=stderr)))
    requests = {line.number: len(line.requests) for line in lines}
    assert requests == {0: 0, 1: 0, 2: 0, 3: 1, 4: 0, 5: 4}
    assert status.bad_lines == 1
    assert stderr.getvalue().startswith("line 4: ")


@pytest.mark.parametrize(("text", "count"), [("", 1), ("a\n", 2), ("a\nb", 2)])
def test_lines_of_file_are_counted_but_not_of_pipe(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "ips.txt").write_text(text)
    assert count_lines(str(tmp_path / "ips.txt")) == count
    assert count_lines("-") is None
