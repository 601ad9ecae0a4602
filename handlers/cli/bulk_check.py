"""`mailcheck check --file`: any number of lines in, reports out as they finish, in flat memory."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bot.check_runner import Checkup
from bot.inputs.targets import BadTarget, read_targets
from bot.models import Order, Report
from bot.report_json import report_to_line
from handlers.cli.checkpoint import Journal
from handlers.cli.command import Tally, progress
from handlers.cli.render import Drawing
from handlers.messages import report_card

AT_ONCE = 64  # lines under way at the same time: enough that a slow list holds back only its own questions
SAVED_EVERY_S = 1.0
GARBAGE_AT = 20_000  # objects; the reports under way hold about as many


@dataclass(frozen=True, slots=True)
class Line:
    """The orders of one line; number 0 is what was typed on the command line."""

    number: int
    orders: tuple[Order, ...]


def read_lines(
    lines: Iterable[str], typed: Sequence[Order], template: Order, journal: Journal, tally: Tally, errors: Console
) -> Iterator[Line]:
    """The lines that are not done yet. Blank ones and `#` comments hold no order; a bad one is named and counted."""
    if not journal.has(0):
        yield Line(0, tuple(typed))
    for number, line in enumerate(lines, 1):
        if journal.has(number):
            continue
        text = line.partition("#")[0].strip()
        try:
            targets = read_targets(text) if text else ()
        except BadTarget as wrong:
            tally.bad_lines += 1
            errors.print(f"line {number}: {wrong}", markup=False, highlight=False, soft_wrap=True)
            targets = ()
        yield Line(number, tuple(replace(template, target=target) for target in targets))


def count_lines(file: str) -> int | None:
    """How many lines a file has, for the progress bar; None for what can be read only once."""
    path = Path(file)
    if not path.is_file():
        return None
    with path.open("rb") as binary:
        return 1 + sum(block.count(b"\n") for block in iter(lambda: binary.read(1 << 20), b""))


async def sweep(checkup: Checkup, lines: Iterable[Line], fresh: bool) -> AsyncIterator[tuple[Line, list[Report]]]:
    """The reports of each line, in the order in which lines are done; lines are read only as there is room."""
    gc.freeze()  # what was imported stays; to look through it again and again would cost a tenth of the sweep
    gc.set_threshold(GARBAGE_AT)
    waiting = iter(lines)
    done: asyncio.Queue[tuple[Line, list[Report]] | BaseException] = asyncio.Queue(AT_ONCE)

    async def work() -> None:
        for line in waiting:
            orders = [order for one in line.orders for order in await checkup.expand(one)]
            await done.put((line, [await checkup.report(order, fresh) for order in orders]))

    async def work_all() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work())
            await done.put(StopAsyncIteration())
        except BaseException as broken:
            await done.put(broken)

    working = asyncio.create_task(work_all())
    try:
        while not isinstance(outcome := await done.get(), BaseException):
            yield outcome
        if not isinstance(outcome, StopAsyncIteration):
            raise outcome
    finally:
        working.cancel()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the results of a sweep go."""

    out: TextIO
    errors: Console
    as_json: bool
    total: int | None = None

    async def show(self, found: AsyncIterator[tuple[Line, list[Report]]], journal: Journal, tally: Tally) -> None:
        """Prints the reports as they come, and notes in the journal what is printed."""
        saved = time.monotonic()
        with progress(self.errors, self.total) as bar:
            task = bar.add_task("Checking", total=self.total)
            try:
                async for line, reports in found:
                    for report in reports:
                        tally.count(report)
                        self._print(report)
                    journal.finish(line.number)
                    bar.advance(task)
                    if time.monotonic() - saved >= SAVED_EVERY_S:
                        saved = time.monotonic()
                        journal.save(tally)
            except BaseException:
                journal.save(tally)
                raise
        journal.end()

    def _print(self, report: Report) -> None:
        if self.as_json:
            self.out.write(report_to_line(report) + "\n")
            self.out.flush()
        else:
            Console(file=self.out, highlight=False).print(Drawing(report_card(report)))
