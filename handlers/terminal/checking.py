"""`mailcheck check` with a few targets: reports out as they finish, on a terminal or as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TextIO

from rich.console import Console

from bot.checkup import Checkup
from bot.contract import report_to_line
from bot.model import Order, Report
from bot.targets import read_targets
from handlers.messages import report_card
from handlers.terminal.drawing import Drawing
from handlers.terminal.progress import progress
from handlers.terminal.tally import Tally

AT_ONCE = 16  # reports under way at the same time; each asks some 70 questions


def orders_of(words: list[str], template: Order) -> list[Order]:
    targets = read_targets(" ".join(words)) if words else ()
    return [Order(target, template.role, template.helo, template.selectors) for target in targets]


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
    with progress(errors, total) as bar:
        task = bar.add_task("Checking", total=total)
        async for report in found:
            tally.count(report)
            if as_json:
                out.write(report_to_line(report) + "\n")
                out.flush()
            else:
                console.print(Drawing(report_card(report)))
            bar.advance(task)


async def _examine(checkup: Checkup, order: Order, fresh: bool) -> list[Report]:
    return [await checkup.report(one, fresh) for one in await checkup.expand(order)]
