"""`mailcheck check`: a few targets side by side, or a file of any length; reports come out as they finish."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from bot.app import MailWing
from bot.check_runner import Checkup
from bot.inputs.domain_names import read_domain
from bot.inputs.targets import read_targets
from bot.models import Order, Report, Role, Target
from bot.report_json import report_to_line
from handlers.cli.bulk_check import Desk, count_lines, read_lines, sweep
from handlers.cli.checkpoint import Journal
from handlers.cli.command import BadQuestion, Json, Tally, errors, progress, run
from handlers.cli.render import Drawing
from handlers.messages import report_card

ANYTHING = Target(domain="example.com")  # stands in the template of orders until a line of input names a target
AT_ONCE = 16  # reports under way at the same time; each asks some 70 questions


def check(
    targets: Annotated[list[str] | None, typer.Argument(help="Addresses, a CIDR up to 16, domains, hosts.")] = None,
    file: Annotated[str | None, typer.Option(help="One target a line; - is standard input.")] = None,
    role: Annotated[Role, typer.Option("--as", help="mta sends mail itself, client submits it.")] = Role.MTA,
    helo: Annotated[str | None, typer.Option(help="The name that the server greets with.")] = None,
    selector: Annotated[list[str] | None, typer.Option(help="A DKIM selector; can be repeated.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask everything anew.")] = False,
    resume: Annotated[Path | None, typer.Option(help="With --file: notes how far the run is, to go on there.")] = None,
    as_json: Json = False,
) -> None:
    """Check addresses and domains: blocklists, reverse name, SPF, DMARC, MX."""
    template = Order(ANYTHING, role, read_domain(helo) if helo else None, tuple(selector or ()))
    if not targets and file is None:
        raise BadQuestion("Name a target, like `mailcheck check 203.0.113.5 example.com`, or give --file.")
    if resume and file is None:
        raise BadQuestion("--resume goes on with a --file; name one.")
    tally, typed, source = Tally(), orders_of(targets or [], template), file or ""

    async def work(wing: MailWing) -> None:
        await show(reports(wing.checkup, typed, no_cache), tally, sys.stdout, as_json=as_json, total=len(typed))

    async def work_through(wing: MailWing) -> None:
        journal = Journal(resume, source)
        journal.recall(tally)
        with open_text(source) as lines:
            found = read_lines(lines, typed, template, journal, tally, errors)
            desk = Desk(sys.stdout, errors, as_json, count_lines(source) if errors.is_terminal else None)
            await desk.show(sweep(wing.for_sweep(fresh=no_cache), found, no_cache), journal, tally)

    if file is None:
        run(work)
    else:
        run(work_through, uses_store=False)
    raise typer.Exit(tally.exit_status)


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


async def show(found: AsyncIterator[Report], tally: Tally, out: TextIO, *, as_json: bool, total: int | None) -> None:
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


@contextmanager
def open_text(file: str | None) -> Iterator[Iterable[str]]:
    """The lines of a file, of standard input for `-`, and none where no file is named."""
    if file is None or file == "-":
        yield sys.stdin if file else ()
        return
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(Path(file).open(encoding="utf-8", errors="replace"))
        except OSError as why:
            raise BadQuestion(f"{file} cannot be read: {why.strerror}.") from None
        yield lines
