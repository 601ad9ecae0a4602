"""`mailcheck check`: orders in, reports out as they finish, on a terminal or as JSON lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bot.checkup import Checkup
from bot.contract import report_to_json
from bot.model import Order, Report, Target, Verdict
from bot.targets import BadTarget, read_targets
from handlers.messages import report_card
from handlers.terminal.drawing import Drawing

AT_ONCE = 16  # reports under way at the same time; each asks some 70 questions


@dataclass(slots=True)
class Tally:
    """What the exit status is made of."""

    verdicts: set[Verdict] = field(default_factory=set)
    bad_lines: int = 0

    def count(self, report: Report) -> None:
        self.verdicts.update(finding.verdict for finding in report.findings)

    @property
    def exit_status(self) -> int:
        """0 nothing failed, 1 something failed, 2 bad input, 3 nothing failed but something is not known."""
        if self.bad_lines:
            return 2
        if Verdict.FAIL in self.verdicts:
            return 1
        return 3 if Verdict.UNKNOWN in self.verdicts else 0


def read_orders(lines: Iterable[str], template: Order, tally: Tally, errors: Console) -> Iterator[Order]:
    """One target a line; blank lines and `#` comments are passed over, a bad line is named and counted."""
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            targets: tuple[Target, ...] = read_targets(text)
        except BadTarget as wrong:
            tally.bad_lines += 1
            errors.print(f"line {number}: {wrong}", markup=False, highlight=False, soft_wrap=True)
            continue
        yield from (replace(template, target=target) for target in targets)


async def reports(checkup: Checkup, orders: Iterable[Order], fresh: bool) -> AsyncIterator[Report]:
    """Reports in the order in which they finish, AT_ONCE under way; orders are read only as there is room."""
    waiting = iter(orders)
    running: set[asyncio.Task[list[Report]]] = set()
    try:
        while True:
            while len(running) < AT_ONCE and (order := next(waiting, None)) is not None:
                running.add(asyncio.create_task(_examine(checkup, order, fresh)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                for report in task.result():
                    yield report
    finally:
        for task in running:
            task.cancel()


async def show(
    found: AsyncIterator[Report], tally: Tally, out: TextIO, errors: Console, *, as_json: bool, total: int | None
) -> None:
    """Prints every report as it comes; progress goes to the error stream, and only to a terminal."""
    console = Console(file=out, highlight=False)
    with _progress(errors, total) as progress:
        task = progress.add_task("Checking", total=total)
        async for report in found:
            tally.count(report)
            if as_json:
                out.write(json.dumps(report_to_json(report), ensure_ascii=False) + "\n")
                out.flush()
            else:
                console.print(Drawing(report_card(report)))
            progress.advance(task)


async def _examine(checkup: Checkup, order: Order, fresh: bool) -> list[Report]:
    return [await checkup.report(one, fresh) for one in await checkup.expand(order)]


def _progress(errors: Console, total: int | None) -> Progress:
    bar = (BarColumn(), MofNCompleteColumn()) if total != 1 else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *bar, TimeElapsedColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
