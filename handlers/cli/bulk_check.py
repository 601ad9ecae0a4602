"""`mailcheck check --file`: streams reports of any number of input lines in constant memory."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bot.check_runner import CheckRunner
from bot.inputs.targets import BadTarget, parse_targets
from bot.models import CheckRequest, Report
from bot.report_json import report_to_line
from handlers.cli.checkpoint import Checkpoint
from handlers.cli.command import ExitStatus, progress_bar
from handlers.cli.render import RenderedCard
from handlers.messages import report_card

CONCURRENCY = 64  # lines; enough that a slow blocklist delays only its own queries
SAVE_INTERVAL_S = 1.0
GC_THRESHOLD = 20_000  # objects; the reports in progress hold about as many


@dataclass(frozen=True, slots=True)
class Line:
    """The requests of one input line; number 0 holds those of the command line."""

    number: int
    requests: tuple[CheckRequest, ...]


def read_lines(
    lines: Iterable[str],
    typed: Sequence[CheckRequest],
    template: CheckRequest,
    checkpoint: Checkpoint,
    status: ExitStatus,
    stderr: Console,
) -> Iterator[Line]:
    """The lines that are not done yet.

    Blank lines and `#` comments hold no request; a bad line is reported on `stderr` and counted.
    """
    if not checkpoint.is_done(0):
        yield Line(0, tuple(typed))
    for number, line in enumerate(lines, 1):
        if checkpoint.is_done(number):
            continue
        text = line.partition("#")[0].strip()
        try:
            targets = parse_targets(text) if text else ()
        except BadTarget as error:
            status.bad_lines += 1
            stderr.print(f"line {number}: {error}", markup=False, highlight=False, soft_wrap=True)
            targets = ()
        yield Line(number, tuple(replace(template, target=target) for target in targets))


def count_lines(file: str) -> int | None:
    """Number of lines of a file, for the progress bar; None for a pipe."""
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as binary:
        return 1 + sum(block.count(b"\n") for block in iter(lambda: binary.read(1 << 20), b""))


async def run_lines(
    check_runner: CheckRunner, lines: Iterable[Line], fresh: bool
) -> AsyncIterator[tuple[Line, list[Report]]]:
    """The reports of each line as it completes; input is read only as fast as it is processed."""
    # Imported modules stay for good; scanning them again and again would cost a tenth of the run.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    waiting = iter(lines)
    done: asyncio.Queue[tuple[Line, list[Report]] | BaseException] = asyncio.Queue(CONCURRENCY)

    async def work() -> None:
        for line in waiting:
            requests = [expanded for request in line.requests for expanded in await check_runner.expand(request)]
            await done.put((line, [await check_runner.run(each, fresh) for each in requests]))

    async def run_workers() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(CONCURRENCY):
                    group.create_task(work())
            await done.put(StopAsyncIteration())
        except BaseException as error:
            await done.put(error)

    workers = asyncio.create_task(run_workers())
    try:
        while not isinstance(item := await done.get(), BaseException):
            yield item
        if not isinstance(item, StopAsyncIteration):
            raise item
    finally:
        workers.cancel()


@dataclass(frozen=True, slots=True)
class ReportPrinter:
    """Prints the reports of a bulk run; `total` is the number of lines, if known."""

    out: TextIO
    stderr: Console
    as_json: bool
    total: int | None = None

    async def print_all(
        self, results: AsyncIterator[tuple[Line, list[Report]]], checkpoint: Checkpoint, status: ExitStatus
    ) -> None:
        """Print reports as they arrive and record printed lines in the checkpoint."""
        saved_at = time.monotonic()
        with progress_bar(self.stderr, self.total) as bar:
            task = bar.add_task("Checking", total=self.total)
            try:
                async for line, reports in results:
                    for report in reports:
                        status.record(report)
                        self._print(report)
                    checkpoint.mark_done(line.number)
                    bar.advance(task)
                    if time.monotonic() - saved_at >= SAVE_INTERVAL_S:
                        saved_at = time.monotonic()
                        checkpoint.save(status)
            except BaseException:
                checkpoint.save(status)
                raise
        checkpoint.delete()

    def _print(self, report: Report) -> None:
        if self.as_json:
            self.out.write(report_to_line(report) + "\n")
            self.out.flush()
        else:
            Console(file=self.out, highlight=False).print(RenderedCard(report_card(report)))
